"""Replays: a recording that was seen before, whole or in pieces.

Four things are remembered of a recording: keyed digests of its frames; the course of its motion in a few random
directions; the course of its landmarks in the picture along those of `directions`, turned; and the course of the face's
look along those of `surface`, turned. The courses are encrypted. The secret for all this is derived from the key that
turns the store's vectors, and is in no database. After a rotation of that key older recordings can't be read, and are
forgotten. Rows of earlier versions lack the last course or the last two, and are compared by what they have.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from facemotion.service.guard.history import checked_recordings, seal_recordings
from facemotion.service.replays.comparison import Comparison, compare
from facemotion.service.replays.directions import Directions
from facemotion.service.replays.likeness import COARSE
from facemotion.service.replays.recording import DIGEST_BYTES, Recording
from facemotion.service.replays.surface import THINNED, SurfaceDirections
from facemotion.service.settings import ReplaySettings
from facemotion.service.sql_tables import memories
from facemotion.service.sql_tables import recordings as table
from facemotion.signals import resample
from facemotion.store.database import Database
from facemotion.system.threads import product
from facemotion.types import FloatArray

LEAST_FRAMES = 10
LEAST_OVERLAP = 0.6
"""Features are compared where two recordings share this many frames at RATE, and this share of the shorter one."""
DIRECTIONS = 32
"""Random directions that the course of a motion is kept in: lengths are true to about an eighth."""
MOST_SHIFT = 8
"""Frames at RATE by which a replay may begin earlier or later."""
LEAST_COMPARISONS = 200
"""Comparisons that a look makes at least, as many as the settings' defaults let there be: its time doesn't tell of whom
recordings are remembered."""
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


@dataclass(frozen=True)
class Look:
    """What came of looking for a recording among the earlier ones.

    Attributes:
        seen: whether it is one of them.
        compared: those that it was compared with, by the nonces of their encryption.
        found: (2, L) bool, which frames at RATE lie in a long piece of one of these, as the picture is and mirrored;
            None where nothing was looked at by pieces.
    """

    seen: bool
    compared: frozenset[bytes]
    found: NDArray[np.bool_] | None = None


NOTHING = Look(False, frozenset())
"""Nothing was looked at yet."""


@dataclass(frozen=True, eq=False)
class Course:
    """By what a recording is recognised, besides its frames.

    Attributes:
        motion: (L, DIRECTIONS) float32 features at RATE in secret random directions.
        placed: (L, K) float32 landmarks at RATE, see directions.Directions, turned by the secret; K = 0 where the front
            end has no such directions, and in rows of earlier versions.
        surface: (L, J) float32 at RATE, see surface.SurfaceDirections, turned by the secret; J = 0 in the same cases.
        unmirrored: `placed` and `surface` if the picture was mirrored since it was filmed; of no row.
    """

    motion: FloatArray
    placed: FloatArray
    surface: FloatArray
    unmirrored: tuple[FloatArray, FloatArray] | None = None


class RecordingMemory:
    """The earlier recordings of each user, in a service's database.

    Args:
        database: at the service's schema.
        master: id and bytes of the key that turns the store's vectors now; asked each time, since another process may
            rotate it.
    """

    def __init__(self, database: Database, master: Callable[[], tuple[str, bytes]], settings: ReplaySettings) -> None:
        self._database = database
        self._master = master
        self._settings = settings
        self._known: tuple[str, Secret] | None = None

    @property
    def secret(self) -> Secret:
        """The secret of now; every process on the database has the same."""
        name, master = self._master()
        known = self._known
        if known is None or known[0] != name:
            known = self._known = (name, Secret.derive(master))
        return known[1]

    def look(self, user: str, recording: Recording, before: Look = NOTHING) -> Look:
        """Look whether an earlier recording of the user is this one, by its pixels or by its motion.

        Args:
            user: whose recordings.
            recording: the one of now.
            before: an earlier look for the same recording, whose comparisons aren't repeated. In the transaction that
                keeps a recording, only rows that came meanwhile are left to compare.
        Raises:
            StoreCorruptError: recordings of the user were altered, removed or put back.
        """
        secret = self.secret
        with self._database.read() as connection:
            rows, _ = checked_recordings(self._database, connection, user)
        rows = [row for row in rows if row.secret_id == secret.id]
        marks = {bytes(row.motion[:NONCE_BYTES]) for row in rows}
        if before.seen:
            return Look(True, frozenset(marks))
        rows = [row for row in rows if row.motion[:NONCE_BYTES] not in before.compared]
        known = set(recording.frame_digests)
        seen = any(shared(known, _split(row.frames)) >= self._settings.frame_share for row in rows)
        least = LEAST_COMPARISONS if before is NOTHING else 0
        found = before.found
        if rows or least:  # also where frames are equal: else the time of a second try would tell that there is a user
            opened = [_open(row.motion, user, secret, recording) for row in rows]
            alike, found = self._alike(_course(recording, secret), opened, least, found)
            seen |= alike
        return Look(seen, frozenset(marks), found)

    def same(self, first: Recording, second: Recording) -> bool:
        """Whether two recordings are one. Two real takes share no frame, and nobody repeats a motion so exactly."""
        share, secret = shared(set(first.frame_digests), second.frame_digests), self.secret
        return share >= self._settings.frame_share or self._alike(_course(first, secret), [_course(second, secret)])[0]

    def _alike(
        self, course: Course, others: Sequence[Course], filled: int = 0, found: NDArray[np.bool_] | None = None
    ) -> tuple[bool, NDArray[np.bool_] | None]:
        """Whether a course is one of others, or put together of pieces of them.

        Args:
            course: of the recording.
            others: of earlier ones.
            filled: the number of comparisons that are made at least.
            found: see Look, of the others that it was compared with before.
        Returns:
            Whether it is, and `found` with these others too.
        """
        if course.unmirrored is not None:
            turned = course.unmirrored
            placed = [other.placed for other in others if other.placed.shape[1] == course.placed.shape[1] > 0]
            surfaces = [other.surface for other in others if other.surface.shape[1] == course.surface.shape[1] > 0]
            now = compare((course.placed, turned[0]), placed, found, filled)
            found = now.found
            if is_replay(now, compare_surfaces((course.surface, turned[1]), surfaces, filled), self._settings):
                return True, found
        ratio = self._settings.motion_ratio
        return any(distance(course.motion, other.motion) < ratio for other in others), found

    def keep(self, connection: Connection, user: str, kind: str, recording: Recording) -> None:
        """Remember a recording, until enough others of its kind came after; enrolling again forgets none.

        Args:
            connection: of the transaction.
            user: whose it is.
            kind: "take" of an enrolment, "accepted" or "attempt"; each kind has its own number.
            recording: what to remember.
        """
        nonce, secret = secrets.token_bytes(NONCE_BYTES), self.secret
        course = _course(recording, secret)
        plain = np.concatenate([course.motion, course.placed, course.surface], axis=1).astype("<f2").tobytes()
        row = {
            "user": user,
            "kind": kind,
            "secret_id": secret.id,
            "frames": b"".join(recording.frame_digests),
            "motion": nonce + AESGCM(secret.motions).encrypt(nonce, plain, _kinds(user, recording)[0][0]),
            "at": time.time(),
        }
        connection.execute(insert(table).values(**row))
        alike = (table.c.user == user) & (table.c.kind == kind)
        most = self._settings.remembered_takes if kind == "take" else self._settings.remembered
        newest = select(table.c.number).where(alike).order_by(table.c.number.desc()).limit(most)
        connection.execute(delete(table).where(alike & table.c.number.not_in(newest)))
        connection.execute(delete(table).where((table.c.user == user) & (table.c.secret_id != secret.id)))
        seal_recordings(self._database, connection, user)

    def forget(self, connection: Connection, user: str) -> None:
        """Remove all recordings of a user."""
        connection.execute(delete(table).where(table.c.user == user))
        connection.execute(delete(memories).where(memories.c.user == user))

    def tidy(self, users: set[str]) -> None:
        """Remove the recordings of everyone but these."""
        with self._database.write() as connection:
            for (user,) in connection.execute(select(table.c.user).distinct()).all():
                if user not in users:
                    self.forget(connection, user)


def compare_surfaces(turned: Sequence[FloatArray], others: Sequence[FloatArray], filled: int = 0) -> Comparison:
    """Compare how faces look.

    Args:
        turned: two courses (L, J) at RATE, as the picture is and mirrored; J = 0: nothing is known of the face.
        others: (L, J) of earlier recordings.
        filled: see likeness.compare.
    """
    if not turned[0].shape[1]:
        return Comparison.nothing()
    thinned = [[course[::THINNED] for course in courses] for courses in (turned, others)]
    return compare(thinned[0], thinned[1], None, filled, COARSE)


def is_replay(placed: Comparison, surface: Comparison, settings: ReplaySettings) -> bool:
    """Whether a recording counts as one that was seen.

    Args:
        placed: where its landmarks lie, compared with earlier ones.
        surface: how its face looks, compared with them.
        settings: the thresholds.
    """
    seen = np.max(placed.whole, initial=-1.0) >= settings.likeness
    seen |= np.max(placed.pieces, initial=0.0) >= settings.piece_likeness
    seen |= np.max(placed.warped, initial=0.0) >= settings.warped_likeness
    seen |= placed.joined >= settings.joined_likeness or placed.share >= settings.found_share
    seen |= np.max(surface.whole, initial=-1.0) >= settings.surface_likeness
    seen |= np.max(surface.pieces, initial=0.0) >= settings.surface_piece_likeness
    return bool(seen or surface.joined >= settings.surface_joined_likeness)


def _course(recording: Recording, secret: Secret) -> Course:
    """What is kept of a recording, in the directions and turns of a secret."""
    features, directions = recording.acquisition.features, _directions(recording)
    values = resample(features.values, features.times)
    seed = np.frombuffer(secret.digest_key, np.uint32)
    random = np.random.default_rng(seed).standard_normal((values.shape[1], DIRECTIONS), np.float32)
    motion = product(values, random / np.float32(DIRECTIONS**0.5))
    nothing = np.zeros((len(motion), 0), np.float32)
    if directions is None:
        return Course(motion, nothing, nothing)
    surfaces = _surfaces(recording)
    courses = [directions.courses(recording.points, features.times)]
    if surfaces:
        courses.append(surfaces.courses(recording.surface, features.times))
    turned: list[tuple[FloatArray, FloatArray]] = []
    for number, both in enumerate(courses, 1):
        count = both[0].shape[1]
        turn, _ = np.linalg.qr(np.random.default_rng(np.append(seed, number)).standard_normal((count, count)))
        turned.append((_turned(both[0], turn), _turned(both[1], turn)))
    if not surfaces:
        turned.append((nothing, nothing))
    (placed, surface), unmirrored = zip(*turned, strict=True)
    return Course(motion, placed, surface, unmirrored)


def _turned(course: FloatArray, turn: NDArray[np.float64]) -> FloatArray:
    return np.asarray(course @ turn, np.float32)


def _open(sealed: bytes, user: str, secret: Secret, recording: Recording) -> Course:
    """The course of a row, with what can be compared with a recording."""
    nonce, content, cipher = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], AESGCM(secret.motions)
    for bound, placed, surface in _kinds(user, recording):
        try:
            plain = np.frombuffer(cipher.decrypt(nonce, content, bound), "<f2")
        except InvalidTag:
            continue
        parts = plain.reshape(-1, DIRECTIONS + placed + surface).astype(np.float32)
        return Course(
            parts[:, :DIRECTIONS], parts[:, DIRECTIONS : DIRECTIONS + placed], parts[:, DIRECTIONS + placed :]
        )
    nothing = np.zeros((0, 0), np.float32)
    return Course(np.zeros((0, DIRECTIONS), np.float32), nothing, nothing)  # its frames still count


def _kinds(user: str, recording: Recording) -> list[tuple[bytes, int, int]]:
    """What rows are encrypted for, the newest kind first, and how long their two turned courses are; a row of a version
    before, or of another front end, lacks the last or both."""
    kinds, bound = [(user.encode(), 0, 0)], user.encode()
    directions, surfaces = _directions(recording), _surfaces(recording)
    if directions:
        bound += b"\0" + directions.id.encode()
        kinds.insert(0, (bound, directions.matrix.shape[1], 0))
        if surfaces:
            bound += b"\0" + surfaces.id.encode()
            kinds.insert(0, (bound, directions.matrix.shape[1], surfaces.matrix.shape[1]))
    return kinds


def _directions(recording: Recording) -> Directions | None:
    return Directions.packaged(recording.acquisition.features.frontend_id)


def _surfaces(recording: Recording) -> SurfaceDirections | None:
    return SurfaceDirections.packaged(recording.acquisition.features.frontend_id)


def shared(frames: set[bytes], others: Sequence[bytes]) -> float:
    """Share of frames of one recording that stand in another, 0..1."""
    return len(frames & set(others)) / max(1, min(len(frames), len(set(others))))


def distance(course: FloatArray, other: FloatArray) -> float:
    """How far apart two courses are where they fit best, relative to the first one's change from frame to frame.

    Two encodings of one recording differ only by the error of the coding, a fraction of that change. Two performances
    differ by several times that change.

    Args:
        course, other: (L, DIRECTIONS) float32 at RATE.
    Returns:
        the smallest ratio over shifts of up to MOST_SHIFT frames; infinite where they don't overlap
        enough or nothing moves.
    """
    least = max(LEAST_FRAMES, int(LEAST_OVERLAP * min(len(course), len(other))))
    if min(len(course), len(other)) < least:
        return np.inf
    # All distances at once, then means along diagonals: a busy user has dozens of earlier recordings.
    squares = np.square(course).sum(axis=1)[:, None] + np.square(other).sum(axis=1)[None]
    apart = np.sqrt((squares - 2 * product(course, other.T)).clip(0))
    changes = np.linalg.norm(np.diff(course, axis=0), axis=1)
    summed = np.concatenate([[0.0], np.cumsum(changes, dtype=np.float64)])
    best = np.inf
    for shift in range(-MOST_SHIFT, MOST_SHIFT + 1):
        diagonal = apart.diagonal(-shift)
        length, first = len(diagonal), max(0, shift)
        if length < least:
            continue
        change = (summed[first + length - 1] - summed[first]) / (length - 1)
        if change > 0:
            best = min(best, float(diagonal.sum() / length / change))
    return best


def _split(joined: bytes) -> tuple[bytes, ...]:
    return tuple(joined[place : place + DIGEST_BYTES] for place in range(0, len(joined), DIGEST_BYTES))
