"""The store itself, and its templates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "facemotion_store",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("store_id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("transform_id", sa.String(16), nullable=False),
    )
    op.create_table(
        "facemotion_templates",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("factor", sa.String(16), primary_key=True),
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
