"""One attempt as the service sees it: the acquired motion, and what tells it from an earlier recording.

Some attempts show no living person: a picture that stands still, a loop, what a detector calls an attack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import AcquisitionError, EnrolmentError, MediaError
from facemotion.frontend import Acquirer, Acquisition, FrameAnswer, Frontend
from facemotion.frontend.sighting import NOW_SECONDS, Sighting, moves_now
from facemotion.media import read_frames
from facemotion.presentation.steps import Seen
from facemotion.service.metrics import Metrics
from facemotion.service.replays.directions import Directions
from facemotion.service.replays.surface import Geometry, SurfaceReader, SurfaceTaker, stranger_seconds
from facemotion.service.settings import ReplaySettings
from facemotion.signals import RATE, resample
from facemotion.types import FeatureSequence, FloatArray

DIGEST_BYTES = 8
"""Bytes of the keyed digest of a frame."""
MOST_REST = 2.5
"""Seconds of rest that may be left out at the end of an attempt."""
MOST_NEWEST, LOOK_EVERY = 30, 3
"""Frames that are looked at for whether the face moves now, and in which one of how many that is done."""
PICTURES = 16
"""At most this many frames are held for a presentation-attack detector."""
SHORTEST_PERIOD_SECONDS = 0.6
"""Shortest period of a loop; quicker repetition is a person's own, such as blinking."""
LONGEST_PERIOD_SHARE = 0.6
"""Longest period of a loop, as a share of the clip: at least two fifths of it must be seen twice."""
STRANGER_SECONDS = 0.15
"""How long somebody else must be seen; a step is held for longer. A blurred frame may be like no other one."""
STEP_LATER = 0.04
"""Seconds from the last frame of a motion to the first one of a step, however long it took."""
SLOW_RATE, SLOWER = 15.0, 0.06
"""Frames/s below which frames of one face may be less alike, and by how much."""
STEP_MISSED = "step missed"
"""Outcome of an attempt after which the step that was asked for wasn't shown."""
IN_DOUBT = "in doubt"
"""Outcome of a clip that would be accepted, if it weren't so much like an earlier recording. It can't hold a step."""
PRESENTATION_ATTACK = "presentation attack"
"""Outcome of an attempt that shows something else than a living person."""
ATTACKS = ("replay", "frozen", "loop", "two faces", PRESENTATION_ATTACK)
"""Outcomes of recordings that aren't live."""
SUSPICIONS = "facemotion_suspicions_total"


class AttackDetector(Protocol):
    """What a presentation-attack detector of an integrator must do; give one to `create_app`.

    The detector that ships (`facemotion.presentation`) looks at every frame as it passes the front end; this one is
    asked besides.
    """

    def is_attack(self, pictures: tuple[NDArray[np.uint8], ...], features: FeatureSequence) -> bool:
        """Whether an attempt shows something else than a living person before the camera.

        Args:
            pictures: up to 16 frames (H, W, 3) uint8 RGB, unmirrored, evenly over the attempt.
            features: of the whole attempt.
        """
        ...


@dataclass(frozen=True, eq=False)
class Recording:
    """What was taken from one clip or live session.

    Attributes:
        acquisition: the motion.
        frame_digests: one keyed digest of DIGEST_BYTES a frame with a face, in order.
        times: (T,) float64 seconds of these frames.
        points: (U, N, 2) float32 landmarks in pixels, as FeatureExtractor.observe gives them; one set for each vector
            of `acquisition.features`, which leaves out frames in which the border cuts the face.
        surface: (U, H, W) float32 the face in each of these frames, see SurfaceTaker; U = 0 where the front end has no
            directions for it.
        pictures: up to PICTURES frames (H, W, 3) uint8 RGB, evenly over the attempt; empty unless asked for.
        step_surface: (V, H, W) float32 the face while a step that was asked for was shown, laid over the same reference
            as `surface`; V = 0 where none was.
        step_times: (V,) float64 seconds of these frames.
    """

    acquisition: Acquisition
    frame_digests: tuple[bytes, ...]
    times: NDArray[np.float64]
    points: NDArray[np.float32]
    surface: NDArray[np.float32]
    pictures: tuple[NDArray[np.uint8], ...] = ()
    step_surface: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    step_times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @cached_property
    def courses(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Of where the landmarks lie, of how the face changes and of how it looks, see Directions.courses and
        SurfaceReader.courses; without the last two, or without any, where the front end has nothing to read them by."""
        features = self.acquisition.features
        directions = Directions.packaged(features.frontend_id)
        reader = SurfaceReader.packaged(features.frontend_id)
        if directions is None:
            return ()
        placed = directions.courses(self.points, features.times)
        return (placed, *reader.courses(self.surface, features.times)) if reader else (placed,)


class Recorder:
    """An Acquirer that also takes the digests of its frames and how the face looks in them.

    Args:
        frontend: shared.
        secret: keys the digests, so that nobody else can test a picture against them.
        keep_pictures: whether frames are held for a presentation-attack detector.
        motion: recorded the motion after which this one records a step.

    Attributes:
        size: width and height of the last frame in pixels; zeros before the first.
        moves: whether the face itself moves in the newest frames.
    """

    def __init__(self, frontend: Frontend, secret: bytes, keep_pictures: bool, motion: Recorder | None = None) -> None:
        geometry = Geometry.packaged(frontend.extractor.frontend_id)
        beside = motion._surface if motion else None
        self._surface: SurfaceTaker | None = SurfaceTaker(geometry, beside) if geometry else None
        self._frontend, self._acquirer = frontend, Acquirer(frontend, watcher=self._surface)
        self._secret = secret
        self._keep_pictures = keep_pictures
        self._digests: list[bytes] = []
        self._times: list[float] = []
        self._pictures: list[NDArray[np.uint8]] = []
        self._every = 1
        self.moves = False
        self._rest = 0  # frames when the face came to rest after its motion
        self.size = (0, 0)

    def push(self, frame: NDArray[np.uint8], seconds: float) -> FrameAnswer:
        """Take in one frame of a camera; see Acquirer.push."""
        answer = self._keep(frame, seconds, self._acquirer.push(frame, seconds))
        if answer.used:
            self._note_rest(answer.resting)
        return answer

    def push_all(self, frames: Iterator[tuple[NDArray[np.uint8], float]]) -> float:
        """Take in a whole clip; see Acquirer.push_all."""
        return self._acquirer.push_all(frames, self._keep)

    def _keep(self, frame: NDArray[np.uint8], seconds: float, answer: FrameAnswer) -> FrameAnswer:
        self.size = (frame.shape[1], frame.shape[0])
        if answer.used:
            digest = hashlib.blake2b(np.ascontiguousarray(frame).data, digest_size=DIGEST_BYTES, key=self._secret)
            if self._keep_pictures and len(self._digests) % self._every == 0:
                self._pictures.append(frame)
                if len(self._pictures) > PICTURES:
                    self._pictures = self._pictures[::2]
                    self._every *= 2
            self._digests.append(digest.digest())
            self._times.append(seconds)
        return answer

    def seen(self) -> Seen:
        """The landmarks so far, on the clock of the frames, without frames in which the border cuts the face."""
        sighting = self._acquirer.sighting()
        return Seen(sighting.points, sighting.times[sighting.used])

    def _note_rest(self, resting: bool) -> None:
        """Look whether the face itself moves in the newest frames; every third one is enough for a word on a screen."""
        if len(self._times) % LOOK_EVERY == 0:
            frames = sum(self._times[-1] - seconds < NOW_SECONDS for seconds in self._times[-MOST_NEWEST:])
            newest = self._acquirer.newest(frames) if frames else np.zeros((0, 1), np.float32)
            self.moves = moves_now(newest, self._frontend.extractor, self._frontend.settings)
        if not resting or self.moves:
            self._rest = len(self._times)

    @property
    def rest_seconds(self) -> float:
        """For how long the face has been at rest; 0 before it moved."""
        return self._times[-1] - self._times[self._rest] if 0 < self._rest < len(self._times) else 0.0

    def only_rested_since(self, recording: Recording) -> bool:
        """Whether the face only rested, and not for long, since `finish` gave a recording of the frames so far."""
        frames = len(recording.frame_digests)
        return self._rest <= frames and self._times[-1] - self._times[frames - 1] <= MOST_REST

    @property
    def frame_count(self) -> int:
        """How many frames were of use so far."""
        return len(self._digests)

    def finish(self, damaged_share: float = 0.0, step: Recorder | None = None) -> Recording:
        """End the attempt; see Acquirer.finish.

        Args:
            damaged_share: see there.
            step: recorded the step that was asked for afterwards.
        """
        acquisition, sighting = self._acquirer.finish(damaged_share), self._acquirer.sighting()
        times = np.array(self._times, np.float64)
        surface, _ = self._face(sighting)
        recording = Recording(acquisition, tuple(self._digests), times, sighting.points, surface, tuple(self._pictures))
        if step is None:
            return recording
        step_surface, step_times = step._face(step._acquirer.sighting())
        return replace(recording, step_surface=step_surface, step_times=step_times)

    def _face(self, sighting: Sighting) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """(U, H, W) how the face looks in the frames that are used, and (U,) when, in seconds."""
        times = sighting.times[sighting.used]
        if self._surface is None:
            return np.zeros((0, 0, 0), np.float32), times[:0]
        return self._surface.pictures(times), times


def record(frontend: Frontend, clip: bytes, secret: bytes, keep_pictures: bool, max_wall_seconds: float) -> Recording:
    """Take a clip through the front end, one frame in memory at a time.

    Args:
        frontend: shared.
        clip: bytes of a video.
        secret, keep_pictures: see Recorder.
        max_wall_seconds: how long that may take.
    Raises:
        MediaError, AcquisitionError and their kinds: see Frontend.acquire.
    """
    recorder = Recorder(frontend, secret, keep_pictures)
    return recorder.finish(recorder.push_all(read_frames(clip, frontend.settings.media, None, max_wall_seconds)))


def record_takes(takes: Sequence[bytes], one: Callable[[bytes], Recording]) -> list[Recording]:
    """Take the clips of an enrolment through the front end.

    Args:
        takes: bytes of videos.
        one: does so with a clip.
    Raises:
        MediaError, AcquisitionError and their kinds: see Frontend.acquire; they name the take.
    """
    recordings = []
    for number, take in enumerate(takes, 1):
        try:
            recordings.append(one(take))
        except (MediaError, AcquisitionError) as error:
            raise type(error)(f"Take {number}: {error}") from error
    return recordings


class LiveCheck:
    """What is held against a recording before it is compared with anything.

    Args:
        settings: of replays.
        refuse: whether what looks like a screen is refused (setting `presentation` of [verifier]).
        detector: an integrator's, asked besides.
        metrics: where recordings are counted that look like a film of a screen, refused or not.
    """

    def __init__(
        self, settings: ReplaySettings, refuse: bool, detector: AttackDetector | None, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._refuse = refuse
        self._detector = detector
        self._metrics = metrics
        metrics.count(SUSPICIONS, 0)

    @property
    def keeps_pictures(self) -> bool:
        """Whether recordings must hold frames for the integrator's detector."""
        return self._detector is not None

    def count(self, recording: Recording) -> None:
        """Count a recording that looks like a film of a screen, once it is settled."""
        if recording.acquisition.quality.suspicion:
            self._metrics.count(SUSPICIONS)

    def attack(self, recording: Recording) -> str:
        """The outcome of an attempt that shows no living person; "" for one that may."""
        if frozen(recording, self._settings):
            return "frozen"
        features = recording.acquisition.features
        if looped(features, self._settings):
            return "loop"
        if two_faces(recording, self._settings):
            return "two faces"
        if self._refuse and recording.acquisition.quality.suspicion:
            return PRESENTATION_ATTACK
        if self._detector is not None and self._detector.is_attack(recording.pictures, features):
            return PRESENTATION_ATTACK
        return ""

    def check_takes(self, recordings: Sequence[Recording], same: Callable[[Recording, Recording], bool]) -> None:
        """Refuse takes of an enrolment that aren't live, each a recording of its own.

        Args:
            recordings: the takes, in order.
            same: whether two recordings are one.
        Raises:
            EnrolmentError: the first such take is named.
        """
        for number, recording in enumerate(recordings):
            self.count(recording)
            if attack := self.attack(recording):
                raise EnrolmentError(f"Take {number + 1} isn't a live recording ({attack}); record it again.")
            for other in range(number):
                if same(recording, recordings[other]):
                    raise EnrolmentError(
                        f"Take {number + 1} is the same recording as take {other + 1}; record each take anew."
                    )


def refuse_seen(takes: Iterable[bool]) -> None:
    """Refuse takes of an enrolment that the service saw before: whoever enrols again must be there.

    Args:
        takes: of each take in order, whether it was seen.
    Raises:
        EnrolmentError: the first such take is named.
    """
    for number, seen in enumerate(takes, 1):
        if seen:
            raise EnrolmentError(f"Take {number} isn't a live recording (replay); record it again.")


def frozen(recording: Recording, settings: ReplaySettings) -> bool:
    """Whether the picture stands still, to the last pixel, for longer than a camera's hiccup."""
    start = 0
    for number in range(1, len(recording.frame_digests)):
        if recording.frame_digests[number] != recording.frame_digests[number - 1]:
            start = number
        elif recording.times[number] - recording.times[start] > settings.frozen_seconds:
            return True
    return False


def two_faces(recording: Recording, settings: ReplaySettings) -> bool:
    """Whether a part of a clip, or the step after it, shows somebody else.

    A slow camera shows less of how a face gets from here to there, so its frames may be less alike.
    """
    if not len(recording.surface):
        return False
    surface, times = recording.surface, recording.acquisition.features.times
    if len(recording.step_surface):
        surface = np.concatenate([surface, recording.step_surface])
        begin = times[-1] + STEP_LATER
        times = np.concatenate([times, begin + recording.step_times - recording.step_times[0]])
    slow = recording.acquisition.quality.rate < SLOW_RATE
    return stranger_seconds(surface, times, settings.one_face - SLOWER * slow) >= STRANGER_SECONDS


def looped(features: FeatureSequence, settings: ReplaySettings) -> bool:
    """Whether the face one period later differs less than between neighbouring frames: a video that repeats.

    A person who repeats a motion misses by more than the motion of a 25th of a second.
    """
    values = resample(features.values, features.times)
    change = _change(values, 1)
    shortest = round(SHORTEST_PERIOD_SECONDS * RATE)
    for lag in range(shortest, int(LONGEST_PERIOD_SHARE * len(values)) + 1):
        if change > 0 and _change(values, lag) < settings.loop_ratio * change:
            return True
    return False


def _change(values: FloatArray, lag: int) -> float:
    return float(np.mean(np.linalg.norm(values[lag:] - values[:-lag], axis=1)))
