"""One session of recording, from the first question of consent to the last take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from facemotion.errors import AcquisitionError, CameraError, MediaError
from facemotion.frontend import Frontend
from facemotion.media import Footage
from facemotion.recorder.cameras import Camera
from facemotion.recorder.consent import ASKED, STATED, Consents, ConsentText
from facemotion.recorder.film_take import LONGEST_SECONDS, FilmedTake, View, film_take
from facemotion.recorder.frame_reader import CameraReader
from facemotion.recorder.recorded_clips import RecordedClips
from facemotion.recorder.recording_plan import PlannedMotion
from facemotion.types import ClipRecord, QualityReport


class Choice(Enum):
    """What becomes of a take that can be used."""

    KEEP = auto()
    REPEAT = auto()
    STOP = auto()


@dataclass(frozen=True)
class PlannedTake:
    """A take that is about to be filmed.

    Attributes:
        motion: of which it is one.
        number: in this session, from 1.
        film: that stands in the camera's place; "" where a camera films.
    """

    motion: PlannedMotion
    number: int
    film: str = ""


class Attendant(Protocol):
    """Talks to whoever is recorded."""

    @property
    def states_consent(self) -> bool:
        """Whether `agrees` only states what others agreed to before, and asks nobody."""

    def agrees(self, subject: str, text: ConsentText) -> bool:
        """Ask somebody for their consent."""

    def begin(self, take: PlannedTake) -> None:
        """A take is about to be filmed; returns when they are ready."""

    def show(self, view: View) -> None:
        """Say what to do now."""

    def judging(self) -> None:
        """The take is over and is being looked at."""

    def refuse(self, take: PlannedTake, reason: str) -> None:
        """Say why a take can't be used."""

    def choose(self, take: PlannedTake, filmed: FilmedTake, quality: QualityReport) -> Choice:
        """Ask what becomes of a take that can be used."""


@dataclass
class Outcome:
    """What a session has brought so far. It is complete even if the session is cut off.

    Attributes:
        kept: records of the takes in the manifest.
        refused: films that can't be used, a sentence each.
        without_consent: who didn't agree.
        left_out: films that could be used and weren't wanted.
    """

    kept: list[ClipRecord] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    without_consent: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Sitting:
    """Records what is planned, take by take. A take is in the manifest, clip and all, before the next one begins.

    Args:
        clips: where they go.
        consents: of the same folder.
        text: what everybody has to agree to.
        frontend: of the verifier whose demands each take is held to.
        attendant: talks to them.

    Attributes:
        outcome: so far.
    """

    def __init__(
        self, clips: RecordedClips, consents: Consents, text: ConsentText, frontend: Frontend, attendant: Attendant
    ) -> None:
        self.outcome = Outcome()
        self._clips, self._consents, self._text = clips, consents, text
        self._frontend, self._attendant = frontend, attendant

    def record(
        self, planned: Iterable[PlannedMotion], cameras: Sequence[Camera], longest: float = LONGEST_SECONDS
    ) -> Outcome:
        """Record motions, each as often as planned.

        A take before a camera that can't be used is made again. Each film stands for the take at its place in the plan:
        if it can't be used, that take is left out. Whatever happens, takes that were kept stay, and the half one is
        removed.

        Args:
            planned: in their order; an iterator is asked for each one only when it is needed.
            cameras: one camera, which is used for all takes, or a film for each. The session ends with the last film.
            longest: seconds of a take before a camera.
        Raises:
            CameraError and its kinds: the camera gives no frames.
            WriteError: the disk is full.
        """
        self._clips.discard()  # of a session that was killed
        readers = _Readers(cameras)
        try:
            for motion in planned:
                if not self._agreed(motion.subject):
                    readers.skip(motion.takes)
                    continue
                number = 1
                while number <= motion.takes:
                    if (reader := readers.next()) is None:
                        return self.outcome
                    choice = self._take(PlannedTake(motion, number, _film(reader)), reader, longest)
                    if choice is Choice.STOP:
                        return self.outcome
                    number += choice is Choice.KEEP or reader.camera.waits
                if readers.spent:
                    return self.outcome
        finally:
            readers.close()
            self._clips.discard()
        return self.outcome

    def _agreed(self, subject: str) -> bool:
        if self._consents.given(subject, self._text):
            return True
        if subject in self.outcome.without_consent:
            return False
        if not self._attendant.agrees(subject, self._text):
            self.outcome.without_consent.append(subject)
            return False
        self._consents.add(subject, self._text, STATED if self._attendant.states_consent else ASKED)
        return True

    def _take(self, take: PlannedTake, reader: CameraReader, longest: float) -> Choice:
        """Film one take and judge it as the verifier would, by the clip that was written."""
        attendant, clips = self._attendant, self._clips
        attendant.begin(take)
        try:
            filmed = film_take(reader, clips.draft, self._frontend, attendant.show, longest)
            attendant.judging()
            quality = self._frontend.acquire(Footage(clips.draft)).quality
        except CameraError as error:
            who = f"take {take.number} of {take.motion.motion} by {take.motion.subject}"
            raise type(error)(f"{error} That was in {who}; takes kept before it stay.") from error
        except (AcquisitionError, MediaError) as error:
            if isinstance(error, MediaError) and not reader.camera.waits:
                raise  # frames that are too large, say: the next take would have them, too
            reason = f"{type(error).__name__}: {error}"
            attendant.refuse(take, reason)
            if reader.camera.waits:
                self.outcome.refused.append(f"{reader.camera.name}: {reason}")
            clips.discard()
            return Choice.REPEAT
        choice = attendant.choose(take, filmed, quality)
        if choice is Choice.KEEP:
            self.outcome.kept.append(clips.keep(take.motion))
        else:
            clips.discard()
            if reader.camera.waits:
                self.outcome.left_out.append(reader.camera.name)
        return choice


def _film(reader: CameraReader) -> str:
    """The path of the film, if a film is read."""
    return reader.camera.name if reader.camera.waits else ""


class _Readers:
    """One reader of a camera for all takes, or a new one for each film.

    Args:
        cameras: one camera, or films.
    """

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._cameras = cameras
        self._films = cameras[0].waits
        self._read = 0  # films that were read or left out
        self._reader: CameraReader | None = None

    @property
    def spent(self) -> bool:
        """Whether no take can follow: there is no further film."""
        return self._films and self._read >= len(self._cameras)

    def next(self) -> CameraReader | None:
        """Of the next take; None after the last film."""
        if not self._films:
            self._reader = self._reader or CameraReader(self._cameras[0])
            return self._reader
        self.close()
        if self.spent:
            return None
        self._reader = CameraReader(self._cameras[self._read])
        self._read += 1
        return self._reader

    def skip(self, takes: int) -> None:
        """Leave out the films of takes that aren't recorded, so that the next ones stay with theirs."""
        self._read += takes

    def close(self) -> None:
        """Stop reading."""
        if self._reader is not None:
            self._reader.close()
