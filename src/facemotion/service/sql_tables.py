"""The service's own tables, beside the store's in one database. Every change comes with a revision in
`migrations/versions`; a test holds the two to each other. Times are seconds since 1970, UTC.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from facemotion.store.tables import templates

metadata = MetaData()

# `digest` is the SHA-256 of the secret half of a key, which is itself 32 random bytes and stored nowhere. A key counts
# only with a seal (store/seals.py), which takes the store's key: who can write the database can't make one up.
keys = Table(
    "facemotion_service_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("made", Float, nullable=False),
    Column("revoked", Float),
    Column("seal", LargeBinary),
)

# A nonce that was given out and not yet used; `digest` is its SHA-256. It counts only with a seal, since it says who
# may do what in a live session.
nonces = Table(
    "facemotion_service_nonces",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user", String(128), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("expires", Float, nullable=False),
    Column("seal", LargeBinary),
    Column("session", String(32)),
    Index("facemotion_service_nonces_user", "user"),
    Index("facemotion_service_nonces_expires", "expires"),
)

# A session: one purpose that a back end sent one of its users to the page for. `token` is the SHA-256 of the secret in
# the page's address and, once that was opened, of another one that only that page has; `code` is that of the code which
# the page hands over in the end. `detail` is a JSON object of what the result rests on.
sessions = Table(
    "facemotion_service_sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user", String(128), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("return_to", Text, nullable=False),
    Column("frame_origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("token", LargeBinary, nullable=False),
    Column("made", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("opened", Float),
    Column("tries", Integer, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("ended", Float),
    Column("code", LargeBinary),
    Column("code_until", Float),
    Column("collected", Float),
    Column("hook_tries", Integer, nullable=False),
    Column("hook_due", Float),
    Column("seal", LargeBinary),
    Index("facemotion_service_sessions_user", "user"),
    Index("facemotion_service_sessions_token", "token"),
    Index("facemotion_service_sessions_expires", "expires"),
    Index("facemotion_service_sessions_hook_due", "hook_due"),
)

# Failures in a row of a name, whether somebody of that name is enrolled or not.
failures = Table(
    "facemotion_service_failures",
    metadata,
    Column("user", String(128), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("latest", Float, nullable=False),
)

# A failure that was charged for an attempt whose end isn't known yet: the attempt can take back this one and no other.
charges = Table(
    "facemotion_service_charges",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user", String(128), nullable=False),
    Column("at", Float, nullable=False),
    Index("facemotion_service_charges_user", "user"),
)

# What is remembered of an earlier recording: keyed digests of its frames, and its course, encrypted.
recordings = Table(
    "facemotion_service_recordings",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("user", String(128), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("secret_id", String(16), nullable=False),
    Column("frames", LargeBinary, nullable=False),
    Column("motion", LargeBinary, nullable=False),
    Column("at", Float, nullable=False),
    Index("facemotion_service_recordings_user", "user"),
)

# Of a user of an earlier encoder: accepted attempts that wait to become a template of the present one, as a row of the
# store holds a template.
renewals = Table(
    "facemotion_service_renewals",
    metadata,
    Column("user", String(128), primary_key=True),
    *(Column(column.name, column.type, nullable=False) for column in templates.c if column.name != "user"),
)

# Of each user with recordings: a digest of which there are, sealed, with a number that only grows. Of the user "":
# which keys are revoked.
memories = Table(
    "facemotion_service_memories",
    metadata,
    Column("user", String(128), primary_key=True),
    Column("kept", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("seal", LargeBinary),
)

# The newest row of the audit trail, sealed: one row.
heads = Table(
    "facemotion_service_head",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("seal", LargeBinary),
)

# Where the trail begins, once rows were pruned: number and digest of the last one that is gone, and the largest mark in
# those rows; sealed, one row.
starts = Table(
    "facemotion_service_start",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("floor", BigInteger, nullable=False),
    Column("seal", LargeBinary),
)

# The audit trail: rows are added, never changed, and removed from its beginning alone (triggers hold that); each
# carries the digest of the one before.
audit = Table(
    "facemotion_service_audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("action", String(32), nullable=False),
    Column("user", String(128), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Index("facemotion_service_audit_user", "user"),
)


def secret_digest(secret: str) -> bytes:
    """What is stored of a nonce, of an API key's secret, and of the secrets of sessions: its SHA-256. They are random,
    so this tells nothing about them and needs no slow hash.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
