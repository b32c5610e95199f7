"""Seals of keys, nonces, recordings and the audit trail's end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "s0003"
down_revision = "s0002"


def upgrade() -> None:
    op.add_column("facemotion_service_keys", sa.Column("seal", sa.LargeBinary))
    op.add_column("facemotion_service_nonces", sa.Column("seal", sa.LargeBinary))
    op.create_table(
        "facemotion_service_memories",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("kept", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary),
    )
    op.create_table(
        "facemotion_service_head",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("seal", sa.LargeBinary),
    )
