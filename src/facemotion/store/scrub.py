"""Removing what deletions leave in the files of a database."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection, Engine

log = logging.getLogger(__name__)

SCRUB_SECONDS = 2.0
"""How long the removal of deleted bytes waits for others, who may read."""
MOST_REWRITTEN_BYTES = 256 * 2**20
"""Larger tables of PostgreSQL aren't written anew at each deletion: nobody could read them meanwhile."""
PERSONAL = (
    "facemotion_templates",
    "facemotion_codes",
    "facemotion_users",
    "facemotion_service_recordings",
    "facemotion_service_memories",
    "facemotion_service_renewals",
    "facemotion_service_sessions",
    "facemotion_service_nonces",
    "facemotion_service_failures",
    "facemotion_service_charges",
)
"""Tables with rows of persons, the audit trail left out; those of the service are there where it ran."""
_LOOK_AGAIN_SECONDS = 0.1
_OLDER_READERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_xmin IS NOT NULL AND xact_start < %(since)s"
)


def cut_log(engine: Engine, patience_seconds: float) -> str:
    """Write SQLite's log back and cut it to nothing.

    Args:
        engine: of the database.
        patience_seconds: what its connections otherwise wait for others.
    Returns:
        Why it couldn't be, empty if it was.
    """
    with engine.connect() as connection:
        raw = connection.execution_options(isolation_level="AUTOCOMMIT")
        raw.exec_driver_sql(f"PRAGMA busy_timeout={int(1000 * SCRUB_SECONDS)}")
        try:
            busy = raw.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        finally:
            raw.exec_driver_sql(f"PRAGMA busy_timeout={int(1000 * patience_seconds)}")
    return "somebody reads an earlier state" if busy else ""


def vacuum(engine: Engine) -> str:
    """Let PostgreSQL use the place of dead rows again; their bytes stay until it does."""
    with engine.connect() as connection:
        raw = connection.execution_options(isolation_level="AUTOCOMMIT")
        for name in PERSONAL:
            if _size(raw, name) is not None:
                raw.exec_driver_sql(f"VACUUM {name}")
    return ""


def rewrite(engine: Engine, *, large: bool) -> str:
    """Write PostgreSQL's tables anew without their dead rows, once nobody can see those any more.

    By CLUSTER, which does what VACUUM FULL does, but in a transaction: behind a pooler its time-out stays its own.

    Args:
        engine: of the database.
        large: tables above MOST_REWRITTEN_BYTES, too.
    Returns:
        Why it failed; empty if it succeeded. A warning names tables that are too large.
    """
    with engine.begin() as connection:
        since = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    end = time.monotonic() + SCRUB_SECONDS
    while True:
        with engine.begin() as connection:
            readers = connection.exec_driver_sql(_OLDER_READERS, {"since": since}).scalar_one()
        if not readers:
            break
        if time.monotonic() > end:
            return "a transaction that began before sees them"
        time.sleep(_LOOK_AGAIN_SECONDS)
    for name in PERSONAL:
        with engine.begin() as connection:
            size = _size(connection, name)
            if size is None:
                continue
            if size > MOST_REWRITTEN_BYTES and not large:
                log.warning("%s is too large to be written anew now; `facemotion store scrub` does it.", name)
                continue
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{int(SCRUB_SECONDS)}s'")
            connection.exec_driver_sql(f"CLUSTER {name} USING {name}_pkey")
    return ""


def _size(connection: Connection, name: str) -> int | None:
    """Bytes of a table with its indexes; None where there is no such table."""
    found = connection.exec_driver_sql(f"SELECT pg_total_relation_size(to_regclass('{name}'))").scalar_one()
    return None if found is None else int(found)
