"""Search codes of faces, and an index from which a search reads whose templates there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("facemotion_store", sa.Column("indexed", sa.Integer))
    op.create_table(
        "facemotion_codes",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("factor", sa.String(16), primary_key=True),
        sa.Column("row_id", sa.String(32), nullable=False),
        sa.Column("code", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["user", "factor"], ["facemotion_templates.user", "facemotion_templates.factor"], ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.drop_index("facemotion_templates_factor", "facemotion_templates")
    op.create_index("facemotion_templates_factor", "facemotion_templates", ["factor", "model_id", "user", "row_id"])
