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
    ForeignKeyConstraint,
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
    Column("indexed", Integer),  # 1 while faces get search codes; see codes.py
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
    # A face is looked for among all of one factor, without a look at their payloads.
    Index("facemotion_templates_factor", "factor", "model_id", "user", "row_id"),
)

# What a search reads of everybody in place of their templates, where the store is indexed: a 12-byte nonce and the
# encrypted code. It belongs to one writing of a template, named by its `row_id`, and goes with it.
codes = Table(
    "facemotion_codes",
    metadata,
    Column("user", String(128), primary_key=True),
    Column("factor", String(16), primary_key=True),
    Column("row_id", String(32), nullable=False),
    Column("code", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["user", "factor"], ["facemotion_templates.user", "facemotion_templates.factor"], ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,  # the rows lie in the order of their key
)
