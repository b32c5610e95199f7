"""Replays: a recording that was seen before, whole or in pieces.

Four things are remembered of a recording: keyed digests of its frames; the course of its motion in a few random
directions; the course of its landmarks in the picture along those of `directions`, turned; and how the face changes and
looks as `surface` reads it, turned. The courses are encrypted. The secret for all this is derived from the key that
turns the store's vectors, and is in no database. After a rotation of that key older recordings can't be read, and are
forgotten. Rows of earlier versions lack the last courses or all but the first, and are compared by what they have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from facemotion.service.guard.history import checked_recordings, seal_recordings
from facemotion.service.replays.comparison import Comparison, compare, compare_surfaces
from facemotion.service.replays.courses import NONCE_BYTES, Course, Secret, course_of, open_course, sealed_course
from facemotion.service.replays.recording import DIGEST_BYTES, Recording
from facemotion.service.settings import ReplaySettings
from facemotion.service.sql_tables import memories
from facemotion.service.sql_tables import recordings as table
from facemotion.store.database import Database
from facemotion.system.threads import product
from facemotion.types import FloatArray

LEAST_FRAMES = 10
LEAST_OVERLAP = 0.6
"""Features are compared where two recordings share this many frames at RATE, and this share of the shorter one."""
MOST_SHIFT = 8
"""Frames at RATE by which a replay may begin earlier or later."""
LEAST_COMPARISONS = 200
"""Comparisons that a look makes at least, as many as the settings' defaults let there be: its time doesn't tell of whom
recordings are remembered."""


@dataclass(frozen=True)
class Look:
    """What came of looking for a recording among the earlier ones.

    Attributes:
        seen: whether it is one of them.
        compared: those that it was compared with, by the nonces of their encryption.
        found: (2, L) bool, which frames at RATE lie in a long piece of one of these, as the picture is and mirrored;
            None where nothing was looked at by pieces.
        in_doubt: whether it isn't one of them by the rule, but so much like one that a step should be asked for.
    """

    seen: bool
    compared: frozenset[bytes]
    found: NDArray[np.bool_] | None = None
    in_doubt: bool = False


NOTHING = Look(False, frozenset())
"""Nothing was looked at yet."""


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
        found, in_doubt = before.found, before.in_doubt
        if rows or least:  # also where frames are equal: else the time of a second try would tell that there is a user
            opened = [open_course(row.motion, user, secret, recording) for row in rows]
            alike, doubtful, found = self._alike(course_of(recording, secret), opened, least, found)
            seen, in_doubt = seen | alike, in_doubt | doubtful
        return Look(seen, frozenset(marks), found, in_doubt)

    def same(self, first: Recording, second: Recording) -> bool:
        """Whether two recordings are one. Two real takes share no frame, and nobody repeats a motion so exactly."""
        share, secret = shared(set(first.frame_digests), second.frame_digests), self.secret
        return (
            share >= self._settings.frame_share or self._alike(course_of(first, secret), [course_of(second, secret)])[0]
        )

    def _alike(
        self, course: Course, others: Sequence[Course], filled: int = 0, found: NDArray[np.bool_] | None = None
    ) -> tuple[bool, bool, NDArray[np.bool_] | None]:
        """Whether a course is one of others, or put together of pieces of them, or in doubt.

        Args:
            course: of the recording.
            others: of earlier ones.
            filled: the number of comparisons that are made at least.
            found: see Look, of the others that it was compared with before.
        Returns:
            Whether it is, whether it is in doubt, and `found` with these others too.
        """
        in_doubt = False
        if course.unmirrored is not None:
            turned = course.unmirrored
            placed = [other.placed for other in others if other.placed.shape[1] == course.placed.shape[1] > 0]
            faces = [other for other in others if other.surface.shape[1] == course.surface.shape[1] > 0]
            now = compare((course.placed, turned[0]), placed, found, filled)
            found = now.found
            own, earlier = (course.surface, turned[1]), [other.surface for other in faces]
            look = compare_surfaces(own, (course.looks, turned[2]), earlier, [other.looks for other in faces], filled)
            if is_replay(now, look, self._settings):
                return True, False, found
            in_doubt = is_doubtful(look, self._settings)
        ratio = self._settings.motion_ratio
        return any(distance(course.motion, other.motion) < ratio for other in others), in_doubt, found

    def keep(self, connection: Connection, user: str, kind: str, recording: Recording) -> None:
        """Remember a recording, until enough others of its kind came after; enrolling again forgets none.

        Args:
            connection: of the transaction.
            user: whose it is.
            kind: "take" of an enrolment, "accepted" or "attempt"; each kind has its own number.
            recording: what to remember.
        """
        secret = self.secret
        row = {
            "user": user,
            "kind": kind,
            "secret_id": secret.id,
            "frames": b"".join(recording.frame_digests),
            "motion": sealed_course(user, secret, recording),
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


def is_replay(placed: Comparison, surface: Comparison, settings: ReplaySettings) -> bool:
    """Whether a recording counts as one that was seen.

    Args:
        placed: where its landmarks lie, compared with earlier ones.
        surface: how its face changes (whole, pieces, joined) and looks (warped), compared with them.
        settings: the thresholds.
    """
    seen = np.max(placed.whole, initial=-1.0) >= settings.likeness
    seen |= np.max(placed.pieces, initial=0.0) >= settings.piece_likeness
    seen |= np.max(placed.warped, initial=0.0) >= settings.warped_likeness
    seen |= placed.joined >= settings.joined_likeness or placed.share >= settings.found_share
    seen |= np.max(surface.whole, initial=-1.0) >= settings.surface_likeness
    seen |= np.max(surface.pieces, initial=0.0) >= settings.surface_piece_likeness
    seen |= np.max(surface.warped, initial=0.0) >= settings.surface_warped_likeness
    return bool(seen or surface.joined >= settings.surface_joined_likeness)


def is_doubtful(surface: Comparison, settings: ReplaySettings) -> bool:
    """Whether a recording that doesn't count as one that was seen is nearly one: disguised, perhaps.

    Args:
        surface: see is_replay.
        settings: the thresholds.
    """
    near = np.max(surface.whole, initial=-1.0) >= settings.surface_likeness - settings.doubt
    return bool(near or np.max(surface.warped, initial=0.0) >= settings.surface_warped_likeness - settings.doubt)


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
