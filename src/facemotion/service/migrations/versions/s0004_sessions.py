"""Sessions of users whom a back end sent to the page, and the nonces that belong to one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "s0004"
down_revision = "s0003"


def upgrade() -> None:
    op.add_column("facemotion_service_nonces", sa.Column("session", sa.String(32)))
    op.create_table(
        "facemotion_service_sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("return_to", sa.Text, nullable=False),
        sa.Column("frame_origin", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("token", sa.LargeBinary, nullable=False),
        sa.Column("made", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("opened", sa.Float),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("ended", sa.Float),
        sa.Column("code", sa.LargeBinary),
        sa.Column("code_until", sa.Float),
        sa.Column("collected", sa.Float),
        sa.Column("hook_tries", sa.Integer, nullable=False),
        sa.Column("hook_due", sa.Float),
        sa.Column("seal", sa.LargeBinary),
    )
    for column in ("user", "token", "expires", "hook_due"):
        op.create_index(f"facemotion_service_sessions_{column}", "facemotion_service_sessions", [column])
