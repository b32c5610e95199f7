"""Templates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "facemotion_templates",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("factor", sa.String(16), primary_key=True),
        sa.Column("model_id", sa.String(200), nullable=False),
        sa.Column("takes", sa.Integer, nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("enrolled", sa.DateTime, nullable=False),
        sa.Column("changed", sa.DateTime, nullable=False),
    )
