"""From pictures to features, frame by frame: one chain for files and for live cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from time import perf_counter
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facemotion.appearance import Portraits
from facemotion.config import Settings, load_settings
from facemotion.errors import TooShortError, UsageError
from facemotion.face import BlazeFace, Detections, FaceLook, FaceTracker, FarLook, TrackedFace, carry, look_at
from facemotion.features import FeatureExtractor, Observation, load_extractor
from facemotion.frontend.acquisition import Acquisition, FrameAnswer, FrameWatcher, Guidance
from facemotion.frontend.look import frames_of, look_at_frames
from facemotion.frontend.sighting import (
    CUT,
    Sighting,
    check_motion,
    check_take,
    face_features,
    leave_out_cut_faces,
    mostly_whole,
    share_inside,
)
from facemotion.media import (
    ClipLike,
    Footage,
    FrameGate,
    FrameReader,
    check_frame,
    footage_of,
    named,
    scale_to_analysis,
)
from facemotion.models import Models
from facemotion.presentation import NO_SUSPICION, PresentationDetector, Suspicion, TraceTaker, load_attack_detector
from facemotion.signals import RestWatch
from facemotion.system.threads import ahead
from facemotion.types import FeatureSequence, QualityReport

LOOK_EVERY = 3  # frames between two measures of light and sharpness, which change slowly and cost a crop each


class Frontend:
    """Detector and extractor, loaded once; acquirers share it. Safe to use from several threads."""

    def __init__(
        self,
        detector: BlazeFace,
        extractor: FeatureExtractor,
        settings: Settings,
        attacks: PresentationDetector | None = None,
    ) -> None:
        self.detector = detector
        self.extractor = extractor
        self.settings = settings
        self.attacks = attacks

    @classmethod
    def load(cls, settings: Settings | None = None) -> Frontend:
        """Load the detector and the extractor that the settings name.

        Args:
            settings: default: those of this machine (`facemotion.load_settings`), as for `Verifier.load`.
        Raises:
            SettingsError: the settings file of this machine is wrong.
            UnknownModelError, MissingModelError, ModelHashError: see Models.path.
        """
        settings = settings or load_settings()
        models = Models.of(settings.runtime)
        attacks = load_attack_detector(settings.verifier.presentation, models)
        extractor = load_extractor(settings.verifier.extractor, models)
        return cls(BlazeFace(models, settings.face), extractor, settings, attacks)

    def acquire(self, source: ClipLike | Footage, rate: float | None = None) -> Acquisition:
        """Read a clip through the whole front end, one frame in memory at a time.

        Args:
            source: path of a video or of a folder of images, bytes, an open binary file, a Clip, or frames with their
                times; see facemotion.media.given.
            rate: frames/s of what has no times; see facemotion.media.read_frames.
        Raises:
            UsageError: something else.
            MediaError and its kinds: the clip can't be read.
            AcquisitionError and its kinds: no usable face motion.
        """
        footage, acquirer = footage_of(source, self.settings.media), Acquirer(self)
        with named(footage.name):
            return acquirer.finish(acquirer.push_all(frames_of(footage, self.settings, rate)))

    def features(self, source: ClipLike | Footage, rate: float | None = None) -> FeatureSequence:
        """The features alone, for data sets; see acquire.

        A clip in which nothing moves is no error here: training learns from takes as they are, and code that sets
        thresholds calls `check_motion`. An AcquisitionError doesn't name the clip, since a feature cache keeps its
        text under the digest of the clip's bytes.
        """
        acquirer = Acquirer(self, attacks=False)
        acquirer.push_all(frames_of(footage_of(source, self.settings.media), self.settings, rate))
        return acquirer.sequence()

    def watch(
        self, source: ClipLike | Footage, rate: float | None = None, watcher: FrameWatcher | None = None
    ) -> Sighting:
        """What is seen of a clip, whether or not it is fit to be compared; it raises what acquire does on reading."""
        acquirer = Acquirer(self, attacks=False, watcher=watcher)
        with suppress(TooShortError):  # the caller judges the length of the sighting
            acquirer.push_all(frames_of(footage_of(source, self.settings.media), self.settings, rate))
        return acquirer.sighting()

    def check_motion(self, features: FeatureSequence) -> float:
        """How much moves, in the unit of `QualityReport.motion_energy`.

        Raises:
            NoMotionError: less than the verifier asks of a clip.
        """
        return check_motion(features, self.extractor, self.settings)


class Acquirer:
    """Acquires one motion frame by frame, from a file or a camera. So memory doesn't grow with the clip, and a live
    verdict costs only the last frame and the encoder.

    Args:
        frontend: shared by all acquirers.
        colours: order of the channels of the frames to come: "BGR" as OpenCV gives them, else "RGB".
        attacks: whether to look for screens, where the front end has a detector of them.
        watcher: gets every frame with a face, too.
    Raises:
        UsageError: another order.
    """

    def __init__(
        self,
        frontend: Frontend,
        colours: Literal["RGB", "BGR"] = "RGB",
        *,
        attacks: bool = True,
        watcher: FrameWatcher | None = None,
    ) -> None:
        if colours not in ("RGB", "BGR"):
            raise UsageError(f"The order of colours must be RGB or BGR, got {colours!r}.")
        self._turned = colours == "BGR"
        self._frontend = frontend
        self._settings = frontend.settings
        self._gate = FrameGate(frontend.settings.media)
        self._tracker = FaceTracker(frontend.settings.face)
        self._far = FarLook(frontend.detector)
        self._since = 0  # frames since the detector's last look
        self._detected: tuple[TrackedFace, NDArray[np.float32]] | None = None  # what it found, and the landmarks there
        self._small: list[bool] = []
        self._found: list[bool] = []
        self._rivals: list[bool] = []
        self._used: list[bool] = []
        self._values: list[NDArray[np.float32]] = []
        self._points: list[NDArray[np.float32]] = []
        self._inside: list[float] = []
        self._seen: list[float] = []
        self._looks: list[FaceLook] = []
        self._portraits = {True: Portraits(), False: Portraits()}  # of frames in which the face is whole, or cut
        self._latest = FrameAnswer(Guidance.NO_FACE, None, False)
        self._centres: list[tuple[float, float, float]] = []
        self._rest = RestWatch()
        self._traces = TraceTaker() if attacks and frontend.attacks is not None else None
        self._watchers = [one for one in (self._traces, watcher) if one is not None]
        self._milliseconds = {"decode": 0.0, "detect": 0.0, "extract": 0.0, "quality": 0.0}

    def push(self, frame: NDArray[np.uint8], seconds: float) -> FrameAnswer:
        """Take in one frame of a camera.

        Args:
            frame: (H, W, 3) uint8, unmirrored, in the acquirer's order of colours; scaled down to `analysis_side_px`
                as the frames of a file are.
            seconds: its capture time on any clock that doesn't run backwards.
        Returns:
            What the user should do now. A frame beyond the highest rate gets the last answer, with `used` false.
        Raises:
            MediaError: not an RGB frame.
            TimestampError: the clock ran backwards.
            MediaLimitError: a side too long, or the take longer than the settings allow.
        """
        check_frame(frame, self._settings.media)
        if not self._gate.admit(seconds):
            return replace(self._latest, used=False)  # what was true a few milliseconds ago still is
        if self._turned:
            frame = np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_BGR2RGB), np.uint8)
        small = scale_to_analysis(frame, self._settings.media)
        answer = self.push_admitted(small, seconds)
        if answer.box is not None and small.shape != frame.shape:
            grown = np.array([frame.shape[1] / small.shape[1], frame.shape[0] / small.shape[0]] * 2, np.float32)
            self._latest = answer = replace(answer, box=answer.box * grown)
        return answer

    def push_all(
        self,
        frames: Iterator[tuple[NDArray[np.uint8], float]],
        after: Callable[[NDArray[np.uint8], float, FrameAnswer], object] | None = None,
    ) -> float:
        """Take in a whole clip; the time of its decoding counts in `milliseconds`.

        Args:
            frames: (H, W, 3) uint8 RGB with their seconds, as facemotion.media.read_frames gives them.
            after: called with each frame, its seconds and the answer to it.
        Returns:
            The share of the clip's frames that were left out because they are damaged, 0..1; for `finish`.
        Raises:
            MediaError and its kinds: the clip can't be read to its end.
        """
        runtime, detect = self._settings.runtime, self._frontend.detector.detect
        looks = look_at_frames(frames, detect if runtime.detect_every == 1 else None)
        if runtime.look_ahead:
            looks = ahead(looks, runtime.look_ahead)
        with closing(looks):
            for look in looks:
                self._milliseconds["decode"] += look.decode_ms
                self._milliseconds["detect"] += look.detect_ms
                answer = self._take(look.frame, look.seconds, look.detections)
                if after is not None:
                    after(look.frame, look.seconds, answer)
        return frames.damaged_share if isinstance(frames, FrameReader) else 0.0

    def push_admitted(self, frame: NDArray[np.uint8], seconds: float) -> FrameAnswer:
        """Take in one frame of a clip, which passed the gate when it was read; see facemotion.media.read_frames.

        Args:
            frame: (H, W, 3) uint8 RGB, unmirrored, within the limits of size and scaled for the analysis.
            seconds: its time, after those of the frames before.
        Returns:
            As push.
        """
        return self._take(frame, seconds)

    def _take(self, frame: NDArray[np.uint8], seconds: float, detections: Detections | None = None) -> FrameAnswer:
        self._seen.append(seconds)
        with self._clock("detect"):
            face = self._find(frame, seconds, detections)
        with self._clock("extract"):
            face, observed = self._observe(frame, face)
        self._used.append(face is not None)
        self._found.append(face is not None and face.found)
        self._rivals.append(self._tracker.rival_now)
        if face is None or observed is None:
            with self._clock("detect"):
                far = self._far.look(frame, seconds, self._least_side(frame))
            self._small.append(far)
            self._latest = FrameAnswer(Guidance.CLOSER if far else Guidance.NO_FACE, None, False)
            return self._latest
        self._values.append(observed.values)
        self._points.append(observed.points)
        self._inside.append(share_inside(observed.points, frame))
        if self._since == 0 and face.found:
            self._detected = face, observed.points
        with self._clock("quality"):
            for one in self._watchers:
                one.push(frame, face.box, observed.points, seconds)
            look = self._look(frame, face)
            guidance = self._guide(frame, face, look, seconds)
            self._small.append(guidance is Guidance.CLOSER)
        self._latest = FrameAnswer(guidance, face.box, True, self._rest.push(observed.values, seconds))
        return self._latest

    def newest(self, frames: int) -> NDArray[np.float32]:
        """(T, D) features of the newest frames that gave some, at most `frames`."""
        return np.array(self._values[-frames:])

    def sighting(self) -> Sighting:
        """What was seen so far, whether or not it is fit to be compared."""
        extractor = self._frontend.extractor
        seen = Sighting(
            times=np.array(self._seen, np.float64),
            found=np.array(self._found, bool),
            rivals=np.array(self._rivals, bool),
            small=np.array(self._small, bool),
            used=np.array(self._used, bool),
            values=np.stack(self._values) if self._values else np.zeros((0, extractor.dimension), np.float32),
            points=np.stack(self._points) if self._points else np.zeros((0, 0, 2), np.float32),
            frontend_id=extractor.frontend_id,
        )
        return leave_out_cut_faces(seen, np.array(self._inside, np.float32))

    def sequence(self) -> FeatureSequence:
        """The features so far.

        Raises:
            NoFaceError, SeveralFacesError, TooShortError: not fit to be compared.
        """
        return face_features(self.sighting(), self._settings)

    def finish(self, damaged_share: float = 0.0) -> Acquisition:
        """End the take.

        Args:
            damaged_share: share of the source's frames that were left out because they are damaged, 0..1.
        Raises:
            NoFaceError, SeveralFacesError, TooShortError: see sequence.
            NoMotionError: nothing moves.
            RigidMotionError: nothing moves but the picture as a whole.
            TooFewFramesError: the motion happened between the frames.
        """
        take = check_take(self.sighting(), self._frontend.extractor, self._settings)
        suspicion = self._suspicion()
        quality = QualityReport(
            frames=self._tracker.frames,
            seconds=float(self._seen[-1] - self._seen[0]),
            face_share=float(np.mean(self._found)),
            face_px=float(np.median([look.face_px for look in self._looks])),
            brightness=float(np.median([look.brightness for look in self._looks])),
            sharpness=float(np.median([look.sharpness for look in self._looks])),
            rate=take.rate,
            motion_energy=take.energy,
            damaged_share=damaged_share,
            attack_score=suspicion.score,
            suspicion=suspicion.reason,
        )
        return Acquisition(take.features, quality, self.milliseconds, self._portrait())

    @property
    def milliseconds(self) -> dict[str, float]:
        """Wall time that each stage has taken so far."""
        return dict(self._milliseconds)

    def _suspicion(self) -> Suspicion:
        attacks, traces = self._frontend.attacks, self._traces
        if attacks is None or traces is None:
            return NO_SUSPICION
        return attacks.judge(traces.traces())

    def _find(self, frame: NDArray[np.uint8], seconds: float, detections: Detections | None) -> TrackedFace | None:
        """The face of the next frame: detected, or carried along by its landmarks where the detector rests."""
        self._since += 1
        if self._detected is not None and self._since < self._settings.runtime.detect_every:
            return self._tracker.follow(carry(*self._detected, self._points[-1]), seconds)
        self._since, self._detected = 0, None
        return self._tracker.push(self._frontend.detector.detect(frame) if detections is None else detections, seconds)

    def _observe(
        self, frame: NDArray[np.uint8], face: TrackedFace | None
    ) -> tuple[TrackedFace | None, Observation | None]:
        """What the extractor sees at the face; nothing where the detector missed it or rests, and no face is there:
        somebody left, or a hand is before the face."""
        if face is None:
            return None, None
        observed = self._frontend.extractor.observe(frame, face.box, face.keypoints)
        carried = self._since > 0
        if observed.is_face or (face.found and not carried) or (carried and observed.is_face is None):
            return face, observed
        self._detected = None
        return None, None

    def _portrait(self) -> NDArray[np.uint8]:
        """Pictures from the frames whose features are used: else somebody's motion would go with another one's face."""
        whole, cut = self._portraits[True], self._portraits[False]
        return whole.best() if mostly_whole(self._inside) else whole.best(cut)

    def _look(self, frame: NDArray[np.uint8], face: TrackedFace) -> FaceLook:
        """How well the face can be seen, measured now and then; what is measured may also be a portrait. The first
        whole face is measured in any case: else a clip whose face is cut now and then might have no portrait."""
        portraits = self._portraits[self._inside[-1] >= CUT]
        if (len(self._values) - 1) % LOOK_EVERY == 0 or not len(portraits):
            self._looks.append(look_at(frame, face.box))
            portraits.push(frame, face.keypoints, self._looks[-1].sharpness)
        return self._looks[-1]

    def _guide(self, frame: NDArray[np.uint8], face: TrackedFace, look: FaceLook, seconds: float) -> Guidance:
        side = float(max(face.box[2] - face.box[0], face.box[3] - face.box[1]))
        x, y = (face.box[:2] + face.box[2:]) / 2
        self._centres = [c for c in self._centres if seconds - c[0] <= 0.5] + [(seconds, float(x), float(y))]
        places = np.array(self._centres)[:, 1:]
        travel = float(np.linalg.norm(places.max(axis=0) - places.min(axis=0)))
        quality = self._settings.quality
        if self._tracker.rival_now:
            return Guidance.SEVERAL_FACES
        if side < self._least_side(frame):
            return Guidance.CLOSER
        if look.brightness < quality.dark_luma:
            return Guidance.TOO_DARK
        if travel > quality.still_travel * side:
            return Guidance.HOLD_STILL
        return Guidance.GO

    def _least_side(self, frame: NDArray[np.uint8]) -> float:
        """Side of a face box below which the user should come closer, pixels."""
        return float(max(self._settings.quality.near_face * max(frame.shape[:2]), self._settings.face.min_face_px))

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        start = perf_counter()
        try:
            yield
        finally:
            self._milliseconds[stage] += 1000 * (perf_counter() - start)
