"""Seals: which templates each user has, under a MAC, so that none is put back unnoticed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("facemotion_store", sa.Column("sealed", sa.Integer))
    op.create_table(
        "facemotion_users",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary),
    )
