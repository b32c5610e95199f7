"""Search codes: a short code of each enrolled face, so that a search among many needn't open every template.

A code is the mean of a template's takes, turned by a secret of the store and rounded to a byte a coordinate. One
product with a probe that is turned in the same way gives the mean of the cosines, with an error that the rounding
bounds. So a search reads all codes, in blocks, and opens only the templates that may reach the wanted cosine: it misses
nobody. A template's own turns (protect.py) differ from row to row; to draw them takes most of the time.

Codes are encrypted one by one. docs/reference/store.md says what they give away to whom.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from facemotion.store.database import Database
from facemotion.store.protect import NONCE_BYTES, Protector, derive, turning
from facemotion.store.tables import codes as table
from facemotion.store.tables import store as stores
from facemotion.store.tables import templates
from facemotion.types import Embedding, Factor, FloatArray, Template

log = logging.getLogger(__name__)

CODED: tuple[Factor, ...] = ("appearance",)
"""Factors that are searched among everybody."""
LEVELS = 127
"""Largest magnitude of a rounded coordinate."""
SCALE_BYTES = 4
"""Of a float32 that the rounded coordinates are multiples of; a code begins with it."""
ROUNDING = 1e-5
"""By which products of float32 may be off, beside what the codes are rounded by."""
TINY = 1e-9
READ_AT_ONCE = 4096
"""Codes that a search reads at a time."""
MADE_AT_ONCE = 64
"""Templates that are given codes in one transaction."""
SLOW = 2000
"""Templates without a code from which on a search says how to make it fast."""


class Writing(NamedTuple):
    """How rows are written now.

    Attributes:
        key_id, transform_id: ids of the keys that encrypt and that turn.
        indexed: whether faces get search codes.
    """

    key_id: str
    transform_id: str
    indexed: bool


class SearchCodes:
    """The search codes of one store.

    Args:
        protector: of the store, on whose keys the codes rest.
        database: of the store.
    """

    def __init__(self, protector: Protector, database: Database) -> None:
        self._protector = protector
        self._database = database
        self._turns: dict[tuple[str, str, int], NDArray[np.float32]] = {}

    def keep(self, connection: Connection, template: Template, row_id: str, writing: Writing) -> None:
        """Write the code of a template that was just written; none where the store isn't indexed.

        Args:
            connection: of the transaction that wrote the template.
            template: what was written.
            row_id: of its row.
            writing: the keys that the store writes with.
        """
        if not writing.indexed or template.factor not in CODED:
            return
        code = rounded(self._turned(template.factor, template.vectors.mean(axis=0), writing.transform_id))
        nonce = secrets.token_bytes(NONCE_BYTES)
        whose = _whose(template.factor, writing.transform_id, row_id, template.user)
        sealed = self._cipher(writing.key_id).encrypt(nonce, code, whose)
        row = {"user": template.user, "factor": template.factor, "row_id": row_id, "code": nonce + sealed}
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        statement = dialect.insert(table).values(**row)
        connection.execute(statement.on_conflict_do_update(index_elements=["user", "factor"], set_=row))

    def candidates(self, factor: Factor, probe: Embedding, least: float) -> Iterator[str]:
        """Names, as stored and in their order, of users whose template may have a mean cosine of `least` with a probe.
        All who have it are among them, and all without a code. Only READ_AT_ONCE codes are in memory at a time.

        Args:
            least: -1..1.
        """
        asked, last, uncoded = factor in CODED and least > -1, "", 0
        while True:
            with self._database.read() as connection:
                writing = current_writing(connection)
                rows = connection.execute(_page(factor, probe.model_id, last)).all()
            if not rows:
                break
            last = rows[-1].user
            codes = self._open(factor, rows, writing) if asked and writing.indexed else [b""] * len(rows)
            size = SCALE_BYTES + len(probe.vector)
            known = [number for number, code in enumerate(codes) if len(code) == size]
            near = np.ones(len(rows), bool)
            if known:
                turned = self._turned(factor, probe.vector, writing.transform_id)
                near[known] = highest([codes[number] for number in known], turned) >= least
            uncoded += len(rows) - len(known)
            yield from (row.user for row, is_near in zip(rows, near, strict=True) if is_near)
        if asked and uncoded > SLOW:
            log.warning(
                "A search opened the templates of %d people without a search code; `facemotion store index` makes "
                "searches fast.",
                uncoded,
            )

    def fill(self) -> Iterator[tuple[int, int]]:
        """Give codes to the faces that have none, and to each face written from now on. Each batch has a transaction of
        its own.

        Yields:
            how many faces were given a code so far, and how many had none at first.
        """
        with self._database.write() as connection:
            connection.execute(update(stores).values(indexed=1))
            lacking = connection.scalar(select(func.count()).select_from(templates).where(_lacks_code())) or 0
        made = 0
        while True:
            with self._database.write() as connection:
                writing = current_writing(connection, held=True)
                rows = connection.execute(_without_code()).mappings().all() if writing.indexed else []
                for row in rows:
                    # Under the name that the row has, which earlier versions didn't compose.
                    self.keep(connection, self._protector.restore(dict(row)), row["row_id"], writing)
            if not rows:
                return
            made += len(rows)
            yield made, max(made, lacking)

    def remove(self) -> None:
        """Delete all codes and make none any more."""
        with self._database.write() as connection:
            connection.execute(update(stores).values(indexed=None))
            connection.execute(delete(table))
        self._database.scrub(rewrite=True)

    def _open(self, factor: Factor, rows: Sequence[Any], writing: Writing) -> list[bytes]:
        """The codes of rows; nothing for who has none, or one that isn't theirs."""
        cipher = self._cipher(writing.key_id)
        found: list[bytes] = []
        altered = 0
        for user, row_id, code in rows:
            try:
                whose = _whose(factor, writing.transform_id, row_id, user)
                found.append(cipher.decrypt(code[:NONCE_BYTES], code[NONCE_BYTES:], whose) if code else b"")
            except (InvalidTag, ValueError, TypeError):
                found.append(b"")
                altered += 1
        if altered:
            log.warning(
                "%d search codes were altered, and their templates opened; make all anew with `facemotion store index "
                "--remove`, then `facemotion store index`.",
                altered,
            )
        return found

    def _turned(self, factor: Factor, vector: FloatArray, transform_id: str) -> FloatArray:
        """A vector (E,) turned by the store's secret for the codes of a factor, float32."""
        known = (factor, transform_id, len(vector))
        matrix = self._turns.get(known)
        if matrix is None:
            master, salt = self._protector.transform_key.find(transform_id), self._protector.store_id.encode()
            matrix = turning(derive(master, salt, f"search codes {factor}"), len(vector)).astype(np.float32)
            self._turns = {known: matrix}
        return matrix @ vector

    def _cipher(self, key_id: str) -> AESGCM:
        return AESGCM(derive(self._protector.key.find(key_id), self._protector.store_id.encode(), "search codes"))


def current_writing(connection: Connection, *, held: bool = False) -> Writing:
    """How the store writes now.

    Args:
        held: whether it stays so until the transaction ends: a rotation waits for that, or this waits for a rotation.
    """
    query = select(stores.c.key_id, stores.c.transform_id, stores.c.indexed)
    row = connection.execute(query.with_for_update(read=True) if held else query).one()
    return Writing(row.key_id, row.transform_id, bool(row.indexed))


def rounded(vector: FloatArray) -> bytes:
    """The code of a turned vector (E,): its scale, then a byte a coordinate."""
    scale = np.float32(max(float(np.abs(vector).max()), TINY) / LEVELS)
    return bytes(scale.astype("<f4").tobytes() + np.rint(vector / scale).astype(np.int8).tobytes())


def highest(codes: Sequence[bytes], probe: FloatArray) -> FloatArray:
    """The highest product that a probe can have with vectors of which the codes are known.

    Args:
        codes: N, see rounded.
        probe: (E,) float32, turned like them.
    Returns:
        (N,) float32; the products lie below by (sum of the magnitudes of the probe) x scale at most.
    """
    table_of = np.frombuffer(b"".join(codes), np.int8).reshape(len(codes), -1)
    scales = np.ascontiguousarray(table_of[:, :SCALE_BYTES]).view("<f4")[:, 0]
    products = table_of[:, SCALE_BYTES:].astype(np.float32) @ probe
    return np.asarray(scales * (products + np.abs(probe).sum() / 2) + ROUNDING, np.float32)


def _whose(factor: Factor, transform_id: str, row_id: str, user: str) -> bytes:
    """What a code is authenticated with; none of the parts but the last can hold a zero character."""
    return f"facemotion code 1\0{factor}\0{transform_id}\0{row_id}\0{user}".encode()


def _page(factor: Factor, model_id: str, after: str) -> Any:
    """The next names of a factor and model with their codes, by name."""
    here = (templates.c.factor == factor) & (templates.c.model_id == model_id) & (templates.c.user > after)
    query = select(templates.c.user, templates.c.row_id, table.c.code)
    joined = query.select_from(templates.outerjoin(table, _own_code()))
    return joined.where(here).order_by(templates.c.user).limit(READ_AT_ONCE)


def _own_code() -> Any:
    """Joins a template to its code; that of an earlier writing isn't its own."""
    here = (table.c.user == templates.c.user) & (table.c.factor == templates.c.factor)
    return here & (table.c.row_id == templates.c.row_id)


def _lacks_code() -> Any:
    return templates.c.factor.in_(CODED) & ~exists().where(_own_code())


def _without_code() -> Any:
    """The next templates that lack their code, held until the transaction ends."""
    query = select(templates).where(_lacks_code()).order_by(templates.c.user)
    return query.limit(MADE_AT_ONCE).with_for_update(of=templates)
