"""Where the audit trail begins, once rows were pruned; rows before that may be removed, and no others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "s0006"
down_revision = "s0005"


def upgrade() -> None:
    op.create_table(
        "facemotion_service_start",
        sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("floor", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.LargeBinary),
    )
    for statement in _removed_from_the_beginning_alone(op.get_bind().dialect.name):
        op.execute(sa.text(statement))


def _removed_from_the_beginning_alone(dialect: str) -> list[str]:
    table, words = "facemotion_service_audit", "the audit trail is only added to"
    kept = "OLD.number > coalesce((SELECT max(number) FROM facemotion_service_start), 0)"
    if dialect == "sqlite":
        return [
            f"DROP TRIGGER IF EXISTS {table}_delete",
            f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} WHEN {kept} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END",
        ]
    return [
        f"DROP TRIGGER IF EXISTS {table}_kept ON {table}",
        f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
        f"CREATE FUNCTION {table}_keep() RETURNS trigger AS "
        f"$$ BEGIN IF {kept} THEN RAISE EXCEPTION '{words}'; END IF; RETURN OLD; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_keep()",
    ]
