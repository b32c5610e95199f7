"""What is kept of a recording: courses in turned directions, and how a row of them is encrypted and read again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from facemotion.service.replays.directions import Directions
from facemotion.service.replays.recording import Recording
from facemotion.service.replays.surface import CHANGES, SurfaceReader
from facemotion.signals import resample
from facemotion.system.threads import product
from facemotion.types import FloatArray

DIRECTIONS = 32
"""Random directions that the course of a motion is kept in: lengths are true to about an eighth."""
ID_BYTES, KEY_BYTES = 8, 32
"""Lengths of the parts of a Secret."""
NONCE_BYTES = 12
"""Of AES-GCM."""


@dataclass(frozen=True)
class Secret:
    """What digests and encryption of recordings rest on.

    Attributes:
        id: tells one secret from another and nothing else about it.
        digest_key: of the digests of frames, 32 bytes.
        motions: key of AES-256-GCM, 32 bytes.
    """

    id: str
    digest_key: bytes
    motions: bytes

    @classmethod
    def derive(cls, master: bytes) -> Secret:
        """From the key that turns the store's vectors."""
        length = ID_BYTES + 2 * KEY_BYTES
        derived = HKDF(SHA256(), length, None, b"facemotion recordings").derive(master)
        keys = derived[ID_BYTES:]
        return cls(derived[:ID_BYTES].hex(), keys[:KEY_BYTES], keys[KEY_BYTES:])


@dataclass(frozen=True, eq=False)
class Course:
    """By what a recording is recognised, besides its frames.

    Attributes:
        motion: (L, DIRECTIONS) float32 features at RATE in secret random directions.
        placed: (L, K) float32 landmarks at RATE, see directions.Directions, turned by the secret; K = 0 where the front
            end has no such directions, and in rows of earlier versions.
        surface: (L, J) float32 at RATE, how the face changes, see surface.SurfaceReader, turned by the secret; J = 0 in
            the same cases.
        looks: (L, I) the same of how it looks frame by frame.
        unmirrored: the last three as they were if the picture that was sent is mirrored; None of a row.
    """

    motion: FloatArray
    placed: FloatArray
    surface: FloatArray
    looks: FloatArray
    unmirrored: tuple[FloatArray, ...] | None = None


def course_of(recording: Recording, secret: Secret) -> Course:
    """What is kept of a recording, in the directions and turns of a secret."""
    features = recording.acquisition.features
    values = resample(features.values, features.times)
    seed = np.frombuffer(secret.digest_key, np.uint32)
    random = np.random.default_rng(seed).standard_normal((values.shape[1], DIRECTIONS), np.float32)
    motion = product(values, random / np.float32(DIRECTIONS**0.5))
    nothing = np.zeros((len(motion), 0), np.float32)
    if not recording.courses:
        return Course(motion, nothing, nothing, nothing)
    turned: list[tuple[FloatArray, ...]] = []
    for number, both in enumerate(recording.courses, 1):
        turn = _turn(np.append(seed, number), both[0].shape[1])
        turned.append(tuple(np.asarray(one @ turn, np.float32) for one in both))
    turned += [(nothing, nothing)] * (3 - len(turned))
    (placed, surface, looks), unmirrored = zip(*turned, strict=True)
    return Course(motion, placed, surface, looks, unmirrored)


def _turn(seed: NDArray[np.unsignedinteger], count: int) -> NDArray[np.float64]:
    """(count, count) a rotation that the seed decides."""
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((count, count)))
    return np.asarray(turn, np.float64)


def sealed_course(user: str, secret: Secret, recording: Recording) -> bytes:
    """What a row holds of a recording: its course, encrypted for its user, behind the nonce."""
    course, nonce = course_of(recording, secret), secrets.token_bytes(NONCE_BYTES)
    values = np.concatenate([course.motion, course.placed, course.surface, course.looks], axis=1)
    return nonce + AESGCM(secret.motions).encrypt(nonce, values.astype("<f2").tobytes(), _kinds(user, recording)[0][0])


def open_course(sealed: bytes, user: str, secret: Secret, recording: Recording) -> Course:
    """The course of a row, with what can be compared with a recording."""
    nonce, content, cipher = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], AESGCM(secret.motions)
    for bound, widths in _kinds(user, recording):
        try:
            plain = np.frombuffer(cipher.decrypt(nonce, content, bound), "<f2")
        except InvalidTag:
            continue
        values = plain.reshape(-1, DIRECTIONS + sum(widths)).astype(np.float32)
        motion, placed, surface, looks = np.split(values, np.cumsum((DIRECTIONS, *widths[:-1])), axis=1)
        return Course(motion, placed, surface, looks)
    nothing = np.zeros((0, 0), np.float32)
    return Course(np.zeros((0, DIRECTIONS), np.float32), nothing, nothing, nothing)  # its frames still count


def _kinds(user: str, recording: Recording) -> list[tuple[bytes, tuple[int, int, int]]]:
    """What rows are encrypted for, the newest kind first, and how wide their three turned courses are; a row of a
    version before lacks those of the face or all. A row of another network or front end can't be opened."""
    kinds, bound = [(user.encode(), (0, 0, 0))], user.encode()
    frontend_id = recording.acquisition.features.frontend_id
    directions, reader = Directions.packaged(frontend_id), SurfaceReader.packaged(frontend_id)
    if directions:
        bound += b"\0" + directions.id.encode()
        placed = directions.matrix.shape[1]
        kinds.insert(0, (bound, (placed, 0, 0)))
        if reader:
            bound += b"\0" + reader.id.encode()
            kinds.insert(0, (bound, (placed, CHANGES, reader.dimension - CHANGES)))
    return kinds
