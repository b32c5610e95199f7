"""Clips of people in a study: filmed by the page and kept, with their consent, in a folder that the settings name.

It is a folder as `facemotion record` makes it, for `calibrate`, `bench real` and `train`.

Several processes may keep clips there: the folder is locked while one of them puts a clip in its place, and no longer.
How many takes somebody made is counted in the manifest, by the number that their session has in the database. The
client isn't asked.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import (
    BusyError,
    ConsentError,
    ManifestError,
    RecordingBusyError,
    RightsError,
    SessionError,
    StudyStorageError,
    UsageError,
    WriteError,
)
from facemotion.media.write import write_video
from facemotion.recorder.consent import ASKED, Consents, ConsentText, read_text
from facemotion.recorder.recorded_clips import RecordedClips, recording_alone
from facemotion.recorder.recording_plan import PlannedMotion
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Ticket
from facemotion.service.guard.auth import Caller
from facemotion.service.guard.history import session_row
from facemotion.service.guard.sessions import GONE, SITTING, Reason, Sessions
from facemotion.service.settings import StudySettings
from facemotion.service.sql_tables import sessions as table
from facemotion.store.database import Database
from facemotion.system.files import room_for

log = logging.getLogger("facemotion.service")
WAIT_SECONDS, AGAIN_SECONDS = 10.0, 0.1
"""How long to wait while another process keeps a clip, and between two looks."""
DRAFT_SECONDS = 3600.0
"""Drafts of clips that are older than this are of processes that were killed."""
DEFAULT_TEXT = """\
You are filmed while you make facial motions. The clips show your face. They are kept on the server of this page, under
the name that you have here, until whoever leads the study deletes them. They serve to measure how well facial motions
tell people apart, to set the thresholds of facemotion, and to train it. You may stop at any time, and ask whoever
invited you to delete your clips.
"""


@dataclass(frozen=True)
class Progress:
    """Where somebody is in a study.

    Attributes:
        motions: all that they make.
        kept: takes that were kept so far.
    """

    motions: Sequence[PlannedMotion]
    kept: int

    @property
    def of(self) -> int:
        """Takes of the whole study."""
        return sum(motion.takes for motion in self.motions)

    @property
    def motion(self) -> PlannedMotion | None:
        """The motion that is next; None at the end."""
        return self.motions[self.kept // self.motions[0].takes] if self.kept < self.of else None

    @property
    def take(self) -> int:
        """Number of its next take, from 1."""
        return 1 + self.kept % self.motions[0].takes


class Studies:
    """What a service keeps of people who take part in a study.

    Args:
        database: with the audit trail.
        sessions: that people are invited by.
        settings: of studies.

    Attributes:
        consent: the text that people agree to.
    Raises:
        ConsentError: the file of the text can't be read.
        RecordingPlanError: the name of a motion can't be that of a folder.
    """

    def __init__(self, database: Database, sessions: Sessions, settings: StudySettings) -> None:
        self._database, self._sessions, self._settings = database, sessions, settings
        self.consent = read_text(Path(settings.consent)) if settings.consent else ConsentText(DEFAULT_TEXT)
        self._planned("somebody")

    def check(self, user: str) -> None:
        """
        Raises:
            RightsError: the settings allow no study.
            RecordingPlanError: the user's name can't be that of a folder.
        """
        if not self._settings.folder:
            raise RightsError(
                "This service records no study; whoever looks after it names a folder under [study] in its settings."
            )
        self._planned(user)

    def _planned(self, user: str) -> list[PlannedMotion]:
        return [PlannedMotion(user, motion, self._settings.takes) for motion in self._settings.motions]

    def begin(self, user: str, consent_sha256: str, session: str) -> Progress:
        """Keep that somebody agreed, unless they did before.

        Args:
            user: who.
            consent_sha256: of the text that they read.
            session: id of the session that invited them.
        Returns:
            Where they are, as the manifest says.
        Raises:
            ConsentError: they read another text.
            SessionError: the session is gone.
            RightsError, RecordingPlanError: see check.
            BusyError, StudyStorageError: see keep.
        """
        self.check(user)
        if consent_sha256 != self.consent.sha256:
            raise ConsentError("The text of consent is another one by now; load the page again and read it.")
        with self._alone() as folder:
            consents = Consents(folder)
            if not consents.given(user, self.consent):
                consents.add(user, self.consent, ASKED)
            return Progress(self._planned(user), RecordedClips(folder).count(user, self._sitting(session)))

    def keep(self, progress: Progress, session: str, frames: Iterable[tuple[NDArray[np.uint8], float]]) -> Progress:
        """Keep the next take of somebody: its clip and its row in the manifest, or neither.

        The clip is written before the folder is locked, so that nobody waits for a long one.

        Args:
            progress: where they are; not at the end.
            session: id of the session that invited them.
            frames: (H, W, 3) uint8 RGB of one size, and their seconds, rising.
        Returns:
            Where they are now.
        Raises:
            BusyError: another process keeps a clip, and doesn't end; or the session kept that take meanwhile.
            SessionError: the session is gone.
            StudyStorageError: the disk is full, or the folder can't be written to. Takes that were kept before stay.
            What `frames` raises.
        """
        motion = progress.motion
        if motion is None:
            raise UsageError("All takes of the study are kept; ask for none.")
        draft = Path(self._settings.folder) / f".take-{secrets.token_hex(8)}.mp4"
        try:
            with _named():
                write_video(frames, draft)
            with self._alone() as folder:
                _remove_old_drafts(folder)
                clips = RecordedClips(folder)
                sitting = self._sitting(session)
                if clips.count(motion.subject, sitting) != progress.kept:
                    raise BusyError("Another window of this study is open; close it and try again.", retry_seconds=5.0)
                clips.session = sitting or self._sitting(session, clips.session)
                try:
                    with room_for(clips.draft):
                        draft.replace(clips.draft)
                    clips.keep(motion)
                finally:
                    clips.discard()
        finally:
            draft.unlink(missing_ok=True)
        return replace(progress, kept=progress.kept + 1)

    def _sitting(self, session: str, new: int = 0) -> int:
        """Number that the takes of a session have in the manifest; 0 before the first one. `new` is kept as that."""
        with self._database.write() if new else self._database.read() as connection:
            row = session_row(self._database, connection, table.c.id == session, hold=bool(new))
            if row is None:
                raise SessionError(GONE)
            detail = json.loads(row["detail"])
            if new:
                detail[SITTING] = new
                self._database.sealer.write(connection, table, dict(row) | {"detail": json.dumps(detail)})
        return int(detail.get(SITTING, 0))

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """The folder, while no other process writes to it."""
        folder, until = Path(self._settings.folder), time.monotonic() + WAIT_SECONDS
        with _named(), ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(recording_alone(folder))
                    break
                except RecordingBusyError as error:
                    if time.monotonic() > until:
                        raise BusyError("Other clips are being kept; try again.", retry_seconds=5.0) from error
                    time.sleep(AGAIN_SECONDS)
            yield folder

    def note(self, caller: Caller, user: str, outcome: str, ticket: Ticket, clips: int) -> None:
        """Keep in the audit trail, and in the session, how a part of a study went.

        Args:
            caller: whose key made the session.
            user: who took part.
            outcome: "done" where all takes are kept, "part" where others follow, or why it ended.
            ticket: of the nonce.
            clips: that were kept now.
        """
        detail: dict[str, Any] = {"clips": clips} | ({"session": ticket.session} if ticket.session else {})
        with self._database.write() as connection:
            if outcome != "part":
                reason: Reason = "accepted" if outcome == "done" else "unusable"
                self._sessions.note(connection, ticket.session, reason, {})
            audit.append(self._database, caller.label, "study", user, outcome, detail)


@contextmanager
def _named() -> Iterator[None]:
    """Say that a clip can't be kept, without the place."""
    try:
        yield
    except (WriteError, ManifestError) as error:
        log.error("%s", error)  # names a place of this machine
        why = "its list of clips is damaged" if isinstance(error, ManifestError) else "the server has no room for it"
        raise StudyStorageError(
            f"The clip can't be kept, since {why}; takes before it are kept. Tell whoever invited you."
        ) from error


def _remove_old_drafts(folder: Path) -> None:
    """Remove what a process that was killed left of takes that nobody kept."""
    for draft in folder.glob(".take-*.mp4*"):
        with suppress(FileNotFoundError):  # its own process was quicker
            if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                draft.unlink()
