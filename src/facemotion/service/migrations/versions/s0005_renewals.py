"""Attempts that wait to become a template of the present encoder."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "s0005"
down_revision = "s0004"


def upgrade() -> None:
    op.create_table(
        "facemotion_service_renewals",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("factor", sa.String(16), nullable=False),
        sa.Column("row_id", sa.String(32), nullable=False),
        sa.Column("model_id", sa.String(200), nullable=False),
        sa.Column("takes", sa.Integer, nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("transform_id", sa.String(16), nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("enrolled", sa.DateTime, nullable=False),
        sa.Column("changed", sa.DateTime, nullable=False),
    )
