"""What somebody does who can write the database but lacks the key: copy rows, and put them back later."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData, Table, delete, insert, select

from facemotion.store.database import Database

State = dict[str, list[dict[str, Any]]]


def state_of(database: Database, *names: str) -> State:
    """All rows of tables, as a thief copies them."""
    with database.read() as connection:
        tables = {name: _table(name, connection) for name in names}
        return {name: [*map(dict, connection.execute(select(where)).mappings())] for name, where in tables.items()}


def put_back(database: Database, state: State) -> None:
    with database.write() as connection:
        for name, rows in state.items():
            where = _table(name, connection)
            connection.execute(delete(where))
            if rows:
                connection.execute(insert(where), rows)


def _table(name: str, connection) -> Table:
    return Table(f"facemotion_{name}", MetaData(), autoload_with=connection)
