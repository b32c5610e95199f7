"""An index for the search of one factor among everybody."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("facemotion_templates_factor", "facemotion_templates", ["factor", "model_id"])
