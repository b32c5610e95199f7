"""Replays: a recording that was seen before, a frozen picture, a loop; and the place for a detector of other attacks.

What is remembered of a recording: digests of its frames under a secret, and its embedding encrypted under that secret.
The secret comes from the store's key and stands in no database; after a rotation of that key older recordings can't be
read any more and are forgotten.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from facemotion.encoder import resample
from facemotion.service.recording import Recording
from facemotion.service.settings import ReplaySettings
from facemotion.service.tables import recordings as table
from facemotion.store.database import Database
from facemotion.types import Embedding, FeatureSequence, FloatArray

SHORTEST_PERIOD = 0.4
"""Seconds; quicker repetition is a person's own, such as blinking."""


class AttackDetector(Protocol):
    """Where an integrator's presentation-attack detector plugs in: give one to `create_app`."""

    def is_attack(self, pictures: tuple[NDArray[np.uint8], ...], features: FeatureSequence) -> bool:
        """Whether an attempt shows something else than a living person before the camera.

        Args:
            pictures: up to 16 frames (H, W, 3) uint8 RGB, unmirrored, evenly over the attempt.
            features: of the whole attempt.
        """
        ...


@dataclass(frozen=True)
class Secret:
    """What digests and encryption of recordings rest on.

    Attributes:
        id: tells one secret from another and nothing else about it.
        frames: key of the digests of frames, 32 bytes.
        embeddings: key of AES-256-GCM, 32 bytes.
    """

    id: str
    frames: bytes
    embeddings: bytes

    @classmethod
    def derive(cls, master: bytes) -> Secret:
        """From a key of the store."""
        made = HKDF(SHA256(), 72, None, b"facemotion recordings").derive(master)
        return cls(made[:8].hex(), made[8:40], made[40:])


class Memory:
    """The earlier recordings of each user, in a service's database."""

    def __init__(self, database: Database, secret: Secret, settings: ReplaySettings) -> None:
        self._database = database
        self.secret = secret
        self._cipher = AESGCM(secret.embeddings)
        self._settings = settings

    def seen(self, user: str, recording: Recording, embedding: Embedding) -> bool:
        """Whether an earlier recording of the user is this one, pixel by pixel or by its motion."""
        with self._database.read() as connection:
            mine = (table.c.user == user) & (table.c.secret_id == self.secret.id)
            rows = connection.execute(select(table.c.frames, table.c.embedding).where(mine)).all()
        return any(
            same_recording(recording, embedding, _split(row.frames), self._open(row.embedding, user), self._settings)
            for row in rows
        )

    def keep(self, connection: Connection, user: str, kind: str, recording: Recording, embedding: Embedding) -> None:
        """Remember a recording: kind "take" for good, kind "attempt" until enough others came after."""
        nonce = secrets.token_bytes(12)
        plain = embedding.model_id.encode() + b"\0" + embedding.vector.astype("<f4").tobytes()
        row = {
            "user": user,
            "kind": kind,
            "secret_id": self.secret.id,
            "frames": b"".join(recording.frames),
            "embedding": nonce + self._cipher.encrypt(nonce, plain, user.encode()),
            "at": time.time(),
        }
        connection.execute(insert(table).values(**row))
        mine = (table.c.user == user) & (table.c.kind == "attempt")
        newest = select(table.c.number).where(mine).order_by(table.c.number.desc()).limit(self._settings.remembered)
        connection.execute(delete(table).where(mine & table.c.number.not_in(newest)))
        connection.execute(delete(table).where((table.c.user == user) & (table.c.secret_id != self.secret.id)))

    def forget(self, connection: Connection, user: str) -> None:
        """Remove all recordings of a user."""
        connection.execute(delete(table).where(table.c.user == user))

    def tidy(self, users: set[str]) -> None:
        """Remove the recordings of everyone but these."""
        with self._database.write() as connection:
            for (user,) in connection.execute(select(table.c.user).distinct()).all():
                if user not in users:
                    self.forget(connection, user)

    def _open(self, sealed: bytes, user: str) -> Embedding | None:
        try:
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], user.encode())
        except InvalidTag:  # altered: its frames still count
            return None
        model_id, _, vector = plain.partition(b"\0")
        return Embedding(np.frombuffer(vector, "<f4").astype(np.float32), model_id.decode())


def same_recording(
    recording: Recording,
    embedding: Embedding,
    frames: tuple[bytes, ...],
    earlier: Embedding | None,
    settings: ReplaySettings,
) -> bool:
    """Whether two recordings are one: they share frames, or their motions are equal almost exactly.

    Two recordings by a camera never share a frame, and no person repeats a motion to the last digit.
    """
    known = set(frames)
    share = sum(frame in known for frame in recording.frames) / max(1, len(recording.frames))
    if share >= settings.frame_share:
        return True
    if earlier is None or earlier.model_id != embedding.model_id:
        return False
    return float(earlier.vector @ embedding.vector) >= settings.cosine


def frozen(recording: Recording, settings: ReplaySettings) -> bool:
    """Whether the picture stands still, to the last pixel, for longer than a camera's hiccup."""
    start = 0
    for number in range(1, len(recording.frames)):
        if recording.frames[number] != recording.frames[number - 1]:
            start = number
        elif recording.times[number] - recording.times[start] > settings.frozen_seconds:
            return True
    return False


def looped(features: FeatureSequence, settings: ReplaySettings) -> bool:
    """Whether the face, a period later, is nearer to itself than from one frame to the next: a video that repeats.

    A person who repeats a motion misses by more than the motion of a 25th of a second.
    """
    values = resample(features.values, features.times)
    change = _change(values, 1)
    least = round(SHORTEST_PERIOD * 25)
    # Two fifths of the clip at least must be seen twice.
    for lag in range(least, int(0.6 * len(values)) + 1):
        if change > 0 and _change(values, lag) < settings.loop_ratio * change:
            return True
    return False


def _change(values: FloatArray, lag: int) -> float:
    return float(np.mean(np.linalg.norm(values[lag:] - values[:-lag], axis=1)))


def _split(frames: bytes) -> tuple[bytes, ...]:
    return tuple(frames[place : place + 8] for place in range(0, len(frames), 8))
