"""The tables as this version of the code uses them. Every change comes with a revision in `migrations/versions`; a
test holds the two to each other.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Integer, LargeBinary, MetaData, String, Table

metadata = MetaData()

# A template a row. `payload` is the (takes, dimension) matrix, float32, little-endian, row by row.
templates = Table(
    "facemotion_templates",
    metadata,
    Column("user", String(128), primary_key=True),
    Column("factor", String(16), primary_key=True),
    Column("model_id", String(200), nullable=False),
    Column("takes", Integer, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("enrolled", DateTime, nullable=False),
    Column("changed", DateTime, nullable=False),
)
