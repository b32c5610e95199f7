"""Clips of people in a study: filmed by the page and kept, with their consent, in a folder that the settings name.

It is a folder as `facemotion record` makes it, for `calibrate`, `bench real` and `train`.

Several processes may keep clips there: the folder is locked while one of them writes, and no longer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import BusyError, ConsentError, RecordingBusyError, RightsError, StudyStorageError, WriteError
from facemotion.media.write import write_video
from facemotion.recorder.consent import ASKED, Consents, ConsentText, read_text
from facemotion.recorder.recorded_clips import RecordedClips, recording_alone
from facemotion.recorder.recording_plan import PlannedMotion
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Ticket
from facemotion.service.guard.auth import Caller
from facemotion.service.guard.sessions import Reason, Sessions
from facemotion.service.settings import StudySettings
from facemotion.store.database import Database

log = logging.getLogger("facemotion.service")
WAIT_SECONDS, AGAIN_SECONDS = 10.0, 0.1
"""How long to wait while another process keeps a clip, and between two looks."""
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
        motions: all that they make. kept: takes that were kept so far.
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
        database: with the audit trail. sessions: that people are invited by. settings: of studies.

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

    def begin(self, user: str, consent_sha256: str, kept: int) -> Progress:
        """Keep that somebody agreed, unless they did before.

        Args:
            user: who. consent_sha256: of the text that they read. kept: takes of theirs that were kept before.
        Raises:
            ConsentError: they read another text.
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
        return Progress(self._planned(user), kept)

    def keep(self, motion: PlannedMotion, sitting: int, frames: Iterable[tuple[NDArray[np.uint8], float]]) -> int:
        """Keep a take: its clip and its row in the manifest, or neither.

        Args:
            motion: that was made. sitting: number of the session in the manifest; 0 for a new one.
            frames: (H, W, 3) uint8 RGB of one size, and their seconds, rising.
        Returns:
            The number of the session.
        Raises:
            BusyError: another process keeps a clip, and doesn't end.
            StudyStorageError: the disk is full, or the folder can't be written to. Takes that were kept before stay.
        """
        with self._alone() as folder:
            clips = RecordedClips(folder)
            clips.session = sitting or clips.session
            try:
                write_video(frames, clips.draft)
                clips.keep(motion)
            finally:
                clips.discard()
            return clips.session

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """The folder, while no other process writes to it."""
        folder, until = Path(self._settings.folder), time.monotonic() + WAIT_SECONDS
        try:
            with ExitStack() as stack:
                while True:
                    try:
                        stack.enter_context(recording_alone(folder))
                        break
                    except RecordingBusyError as error:
                        if time.monotonic() > until:
                            raise BusyError("Other clips are being kept; try again.", retry_seconds=5.0) from error
                        time.sleep(AGAIN_SECONDS)
                yield folder
        except WriteError as error:
            log.error("%s", error)  # names a place of this machine
            raise StudyStorageError(
                "The clip can't be kept, since the server has no room for it; takes before it are kept. Tell whoever "
                "invited you."
            ) from error

    def note(self, caller: Caller, user: str, outcome: str, ticket: Ticket, clips: int) -> None:
        """Keep in the audit trail, and in the session, how a part of a study went.

        Args:
            caller: whose key made the session. user: who took part. outcome: "done" where all takes are kept, "part"
                where others follow, or why it ended. ticket: of the nonce. clips: that were kept now.
        """
        detail: dict[str, Any] = {"clips": clips} | ({"session": ticket.session} if ticket.session else {})
        with self._database.write() as connection:
            if outcome != "part":
                reason: Reason = "accepted" if outcome == "done" else "unusable"
                self._sessions.note(connection, ticket.session, reason, {})
            audit.append(self._database, caller.label, "study", user, outcome, detail)
