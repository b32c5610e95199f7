"""The tables as this version of the code uses them. Every change comes with a revision in `migrations/versions`; a
test holds the two to each other.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

# One row: what the store itself is, and under which keys it writes now.
store = Table(
    "facemotion_store",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("store_id", String(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("transform_id", String(16), nullable=False),
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
    Column("enrolled", DateTime, nullable=False),
    Column("changed", DateTime, nullable=False),
)
