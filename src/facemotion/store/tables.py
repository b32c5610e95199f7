"""The tables as this version of the code uses them. Every change comes with a revision in `migrations/versions`; a
test holds the two to each other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
)

from facemotion.errors import StoreCorruptError

metadata = MetaData()


class Moment(TypeDecorator[datetime]):
    """A DateTime, UTC without a zone, whose damage has a name."""

    impl = DateTime
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """See sqlalchemy.types.TypeDecorator.result_processor."""
        inner = super().result_processor(dialect, coltype) or (lambda value: value)

        def read(value: Any) -> Any:
            try:
                return inner(value)
            except (ValueError, TypeError) as error:
                raise StoreCorruptError("A date in the store is damaged; restore it from a backup.") from error

        return read


# One row: what the store itself is, and under which keys it writes now.
store = Table(
    "facemotion_store",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("store_id", String(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("transform_id", String(16), nullable=False),
    Column("sealed", Integer),  # 1 once users are sealed; empty in a store of an earlier version
)

# A row of each user: a digest of which templates they have, sealed, with a number that only grows; see seals.py.
users = Table(
    "facemotion_users",
    metadata,
    Column("user", String(128), primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("seal", LargeBinary),
)

# A template a row; see protect.Label for the columns. `payload` is a 12-byte nonce and the encrypted
# (takes, dimension) matrix of turned vectors, float32, little-endian, row by row.
templates = Table(
    "facemotion_templates",
    metadata,
    Column("user", String(128), primary_key=True),
    Column("factor", String(16), primary_key=True),
    Column("row_id", String(32), nullable=False),
    Column("model_id", String(200), nullable=False),
    Column("takes", Integer, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("transform_id", String(16), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("enrolled", Moment, nullable=False),
    Column("changed", Moment, nullable=False),
    Index("facemotion_templates_factor", "factor", "model_id"),  # a face is looked for among all of one factor
)
