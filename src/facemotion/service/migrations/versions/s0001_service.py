"""Keys, nonces, failures, recordings, audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "s0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "facemotion_service_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("made", sa.Float, nullable=False),
        sa.Column("revoked", sa.Float),
    )
    op.create_table(
        "facemotion_service_nonces",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_index("facemotion_service_nonces_user", "facemotion_service_nonces", ["user"])
    op.create_index("facemotion_service_nonces_expires", "facemotion_service_nonces", ["expires"])
    op.create_table(
        "facemotion_service_failures",
        sa.Column("user", sa.String(128), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("latest", sa.Float, nullable=False),
    )
    op.create_table(
        "facemotion_service_recordings",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("secret_id", sa.String(16), nullable=False),
        sa.Column("frames", sa.LargeBinary, nullable=False),
        sa.Column("motion", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("facemotion_service_recordings_user", "facemotion_service_recordings", ["user"])
    op.create_table(
        "facemotion_service_audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("user", sa.String(128), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("facemotion_service_audit_user", "facemotion_service_audit", ["user"])
    for statement in _only_append(op.get_bind().dialect.name):
        op.execute(sa.text(statement))


def _only_append(dialect: str) -> list[str]:
    table, words = "facemotion_service_audit", "the audit trail is only added to"
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{words}'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger AS "
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    ]
