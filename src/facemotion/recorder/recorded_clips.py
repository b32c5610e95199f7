"""The folder of a recording: clips as SUBJECT/MOTION/FILE, and the manifest that names those that were kept."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from facemotion.data.manifest import MANIFEST, append_record, find_kind_problems, read_manifest, read_row
from facemotion.errors import RecordingBusyError, RecordingPlanError, UnknownUserError
from facemotion.recorder.consent import Consents
from facemotion.recorder.recording_plan import PlannedMotion, check_name
from facemotion.system.files import room_for, write_whole
from facemotion.types import ClipRecord

DRAFT = ".take.mp4"
"""The file of the take that is being filmed or judged. It isn't a clip of the recording until it is kept."""
LOCK = ".recording"
"""An empty file that the process which records holds locked."""


@contextmanager
def recording_alone(folder: Path) -> Iterator[None]:
    """Keep other processes from recording into a folder, which is made if it isn't there.

    Raises:
        RecordingBusyError: another process records into it now.
        WriteError: the folder can't be made or written to.
    """
    with room_for(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
    with file:  # the system lets go of the lock when the process ends, however it ends
        try:
            _lock(file.fileno())
        except OSError as error:
            raise RecordingBusyError(
                f"Another process records into {folder}; wait until it ends, or choose another folder."
            ) from error
        yield


def forget_clips(folder: Path, subject: str) -> int:
    """Delete the clips of one person, their rows of the manifest, and their consent.

    Args:
        folder: of recordings.
        subject: name of the person.
    Returns:
        How many clips there were.
    Raises:
        UnknownUserError: no clip and no consent is of that name.
        RecordingPlanError: the name can't be that of a folder.
        RecordingBusyError: another process records into the folder.
        ManifestError, ConsentError: what is there can't be read.
        WriteError: the folder can't be written to.
    """
    check_name("subject", subject)
    if not (folder / MANIFEST).exists() and not (folder / subject).exists():
        raise UnknownUserError(f"There is no recording of {subject!r} in {folder}.")
    with recording_alone(folder):
        count = _remove_rows(folder / MANIFEST, subject)  # first: what is left after a kill is found by the next call
        Consents(folder).remove(subject)
        clips = sum(1 for _ in (folder / subject).rglob("*.mp4"))
        if not count and not clips:
            raise UnknownUserError(f"There is no recording of {subject!r} in {folder}.")
        with room_for(folder / subject):
            if (folder / subject).exists():
                shutil.rmtree(folder / subject)
    return clips


def _remove_rows(manifest: Path, subject: str) -> int:
    """Write a manifest without the rows of somebody; further columns stay."""
    if not manifest.exists():
        return 0
    read_manifest(manifest)  # names what is wrong with it
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        columns, *rows = (row for row in csv.reader(file) if row)
    at = columns.index("subject")
    kept = [row for row in rows if row[at].strip() != subject]
    if not kept:
        manifest.unlink()  # one that names no clip can't be read
    elif len(kept) < len(rows):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([columns, *kept])
        with room_for(manifest):
            write_whole(manifest, text.getvalue())
    return len(rows) - len(kept)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RecordedClips:
    """Where a session puts its clips. What is there already is never overwritten.

    Args:
        folder: exists already.

    Attributes:
        folder: of the clips.
        manifest: path of the manifest.
        session: number of this session, one more than the last one.
    Raises:
        ManifestError: a manifest is there and can't be read.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = folder / MANIFEST
        self.folder = folder
        self._records: Sequence[ClipRecord] = ()
        if self.manifest.exists():
            self._records = read_manifest(self.manifest).records
        self.session = 1 + max((record.session for record in self._records), default=0)

    @property
    def draft(self) -> Path:
        """Where the next take is filmed to."""
        return self.folder / DRAFT

    def check_plan(self, planned: Iterable[PlannedMotion]) -> None:
        """Hold a plan to what a manifest may say, before anybody is filmed.

        Raises:
            RecordingPlanError: a motion would get clips of several kinds, or a mimic or near miss would be of nothing.
        """
        records = [*self._records, *(self._record(motion, "-", 0) for motion in planned)]
        before = set(find_kind_problems(self._records))
        for problem in find_kind_problems(records):
            if problem not in before:
                raise RecordingPlanError(f"The plan can't be recorded: {problem}")

    def next_take(self, motion: PlannedMotion) -> int:
        """Number of the next take, from 0: above the last one in the manifest, and the first of which no clip
        exists."""
        mine = (r.repetition for r in self._records if (r.subject, r.motion) == (motion.subject, motion.motion))
        number = 1 + max(mine, default=-1)
        while self._place(motion, number).exists():
            number += 1
        return number

    def count(self, subject: str, session: int) -> int:
        """Takes that the manifest has of somebody in one session.

        Args:
            subject: name of the person.
            session: its number.
        """
        return sum((record.subject, record.session) == (subject, session) for record in self._records)

    def keep(self, motion: PlannedMotion) -> ClipRecord:
        """Give the draft its place and its row in the manifest.

        Raises:
            WriteError: the disk is full, or the folder can't be written to; the manifest is as it was.
        """
        number = self.next_take(motion)
        place = self._place(motion, number)
        record = self._record(motion, place.relative_to(self.folder).as_posix(), number)
        with room_for(self.manifest):
            place.parent.mkdir(parents=True, exist_ok=True)
            self.draft.rename(place)
            try:
                append_record(self.manifest, record)
            except BaseException:
                place.unlink()  # a clip that no row names would be nobody's
                raise
        self._records = (*self._records, record)
        return record

    def discard(self) -> None:
        """Remove the draft, if there is one."""
        self.draft.unlink(missing_ok=True)

    def _place(self, motion: PlannedMotion, number: int) -> Path:
        return self.folder / motion.subject / motion.motion / f"session-{self.session}-take-{number}.mp4"

    def _record(self, motion: PlannedMotion, path: str, number: int) -> ClipRecord:
        row = {
            "path": path,
            "subject": motion.subject,
            "motion": motion.motion,
            "kind": str(motion.kind),
            "repetition": str(number),
            "session": str(self.session),
        }
        return read_row(row, str(self.manifest))
