"""The nouns of facemotion: frozen dataclasses that check themselves when made, and raise ValueError (Clip: UsageError).

Pixels: x to the right, y down, in pixels of the frame, the centre of the top-left pixel at (0.5, 0.5).
Colour: RGB, uint8. Frames are never mirrored: the subject's left is on the right of the frame.
Time: seconds, float64, from the time stamps of the clip; never a frame count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import ModelMismatchError, UsageError

Factor = Literal["motion", "appearance"]
FloatArray = NDArray[np.float32]


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _freeze(*arrays: NDArray[np.generic]) -> None:
    for array in arrays:
        array.flags.writeable = False


def _check_times(times: NDArray[np.float64], length: int) -> None:
    shape, kind = times.shape, times.dtype
    _check(kind == np.float64 and shape == (length,), f"times must be ({length},) float64, got {shape} {kind}")
    _check(bool(np.isfinite(times).all()), "times must be finite")
    _check(bool((np.diff(times) > 0).all()), "times must increase strictly")


@dataclass(frozen=True, eq=False)
class Clip:
    """A short video, decoded.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, unmirrored, T >= 1.
        times: (T,) float64 seconds, strictly increasing; the first is usually 0.
    Raises:
        UsageError: when it is made of anything else.
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, value in (("frames", self.frames), ("times", self.times)):
            if not isinstance(value, np.ndarray):
                raise UsageError(
                    f"The {name} of a Clip are an array, got {type(value).__name__}: give np.stack(frames), "
                    "(T, H, W, 3) uint8 RGB, and np.array(seconds, np.float64), (T,)."
                )
        shape = self.frames.shape
        try:
            usual = self.frames.dtype == np.uint8 and len(shape) == 4 and shape[3] == 3 and min(shape) > 0
            _check(usual, f"frames must be (T, H, W, 3) uint8, got {shape} {self.frames.dtype}")
            _check_times(self.times, shape[0])
        except ValueError as error:
            raise UsageError(f"No Clip can be made of these arrays: {error}.") from error
        _freeze(self.frames, self.times)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def seconds(self) -> float:
        """Time from the first frame to the last, in seconds."""
        return float(self.times[-1] - self.times[0])


@dataclass(frozen=True, eq=False)
class FeatureSequence:
    """One feature vector per frame, by one front end.

    Attributes:
        values: (T, D) float32, finite.
        times: (T,) float64 seconds, strictly increasing.
        frontend_id: what made them (detector, crop and extractor); sequences of two front ends are never compared.
    """

    values: FloatArray
    times: NDArray[np.float64]
    frontend_id: str

    def __post_init__(self) -> None:
        _check(self.values.ndim == 2 and self.values.dtype == np.float32, "values must be (T, D) float32")
        _check(min(self.values.shape) > 0, "values must have at least one frame and one feature")
        _check(bool(np.isfinite(self.values).all()), "values must be finite")
        _check(bool(self.frontend_id), "frontend_id must not be empty")
        _check_times(self.times, len(self.values))
        _freeze(self.values, self.times)

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Embedding:
    """A unit vector. Two of the same model are compared by `cosine`.

    Attributes:
        vector: (E,) float32, norm 1 within 1e-3.
        model_id: the network that made it.
    """

    vector: FloatArray
    model_id: str

    def __post_init__(self) -> None:
        _check(self.vector.ndim == 1 and self.vector.dtype == np.float32, "vector must be (E,) float32")
        _check(abs(float(np.linalg.norm(self.vector)) - 1) < 1e-3, "vector must have norm 1")
        _check(bool(self.model_id), "model_id must not be empty")
        _freeze(self.vector)

    def cosine(self, other: Embedding) -> float:
        """Cosine with another embedding, -1..1 (eq. 4 of the paper).

        Raises:
            ModelMismatchError, UsageError: of different models; the other one isn't an Embedding.
        """
        if not isinstance(other, Embedding):
            raise UsageError(f"An Embedding is compared with another one, got {type(other).__name__}.")
        if self.model_id != other.model_id:
            raise ModelMismatchError(f"A vector of {self.model_id} can't be compared with one of {other.model_id}.")
        return float(np.clip(self.vector @ other.vector, -1, 1))


@dataclass(frozen=True, eq=False)
class Template:
    """What is stored of a user for one factor: the embeddings of K enrolment takes.

    Attributes:
        user: name given by the integrator, 1 to 128 characters.
        factor: "motion" or "appearance".
        vectors: (K, E) float32, rows of norm 1.
        model_id: the one network that made all K.
    """

    user: str
    factor: Factor
    vectors: FloatArray
    model_id: str

    def __post_init__(self) -> None:
        _check(1 <= len(self.user) <= 128, "user must have 1 to 128 characters")
        _check(self.factor in ("motion", "appearance"), f"factor must be motion or appearance, got {self.factor!r}")
        _check(self.vectors.ndim == 2 and self.vectors.dtype == np.float32, "vectors must be (K, E) float32")
        _check(len(self.vectors) >= 1, "a template has at least one take")
        norms = np.linalg.norm(self.vectors, axis=1)
        _check(bool((np.abs(norms - 1) < 1e-3).all()), "rows of vectors must have norm 1")
        _check(bool(self.model_id), "model_id must not be empty")
        _freeze(self.vectors)

    @property
    def agreement(self) -> FloatArray:
        """(K,) float32, mean cosine of each take with the others, -1..1; 1 where K is 1."""
        count = len(self.vectors)
        if count == 1:
            return np.ones(1, np.float32)
        scores = self.vectors @ self.vectors.T
        return np.asarray((scores.sum(axis=1) - np.diag(scores)) / (count - 1), np.float32)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and the evidence behind it.

    Attributes:
        name: such as "fmr-1e-2".
        threshold: cosine, -1..1; a probe is accepted where score >= threshold.
        fmr, fnmr: shares of impostor trials accepted and of genuine trials rejected at it on the evidence, 0..1.
        genuine_trials, impostor_trials, subjects: numbers behind the two figures.
        source: the data they come from.
        takes: K, takes of each template in these trials; the score is the mean of K cosines. 1: clip against clip.
    """

    name: str
    threshold: float
    fmr: float
    fnmr: float
    genuine_trials: int
    impostor_trials: int
    subjects: int
    source: str
    takes: int = 1

    def __post_init__(self) -> None:
        _check(-1 <= self.threshold <= 1, f"threshold must be a cosine, got {self.threshold}")
        _check(0 <= self.fmr <= 1 and 0 <= self.fnmr <= 1, "fmr and fnmr must be within 0..1")
        _check(min(self.genuine_trials, self.impostor_trials, self.subjects, self.takes) >= 1, "no evidence is empty")

    def accepts(self, score: float, raised: float = 0.0) -> bool:
        """The one rule of every decision, written once: score >= threshold.

        Args:
            score: cosine, -1..1.
            raised: how far the threshold lies above this one for the user in question, 0 or more.
        """
        return score >= self.threshold + raised


@dataclass(frozen=True)
class QualityReport:
    """How well the face could be seen in one clip.

    Attributes:
        frames: looked at, without those skipped because of the highest rate.
        seconds: from the first to the last.
        face_share: share of frames with a detected face, 0..1.
        face_px: median side of the face box, in pixels of the frame.
        brightness: median luma of the face, 0..255.
        sharpness: median variance of the Laplacian of the face's luma at 112 px.
        rate: frames a second with the face while it moves; see facemotion.signals.frame_rate.
        motion_energy: see FeatureExtractor.motion_energy, in percent of the distance between the outer eye corners.
        damaged_share: share of the file's frames that were damaged and therefore left out, 0..1; 0 of a live session.
        attack_score: how far the clip is beyond genuine ones, see presentation.Suspicion; -1 if nothing was looked for.
        suspicion: what looks as if a screen was filmed, a sentence; empty where nothing does.
    """

    frames: int
    seconds: float
    face_share: float
    face_px: float
    brightness: float
    sharpness: float
    rate: float
    motion_energy: float
    damaged_share: float = 0.0
    attack_score: float = -1.0
    suspicion: str = ""


@dataclass(frozen=True)
class FactorResult:
    """The comparison of one factor.

    Attributes:
        factor: "motion" or "appearance".
        score: cosine, -1..1 (mean over the takes of a template).
        operating_point: the threshold used, with its evidence.
        raised: cosine by which this user's own threshold lies above the operating point's, 0 or more.
    """

    factor: Factor
    score: float
    operating_point: OperatingPoint
    raised: float = 0.0

    @property
    def threshold(self) -> float:
        """Cosine at or above which the factor passes."""
        return self.operating_point.threshold + self.raised

    @property
    def accepted(self) -> bool:
        """Whether the score reaches the threshold; see OperatingPoint.accepts."""
        return self.operating_point.accepts(self.score, self.raised)


@dataclass(frozen=True)
class Decision:
    """The answer, with its evidence.

    Attributes:
        factors: one result per factor compared; at least one.
        quality: report of the probe clip, or of both clips in the order given.
        milliseconds: wall time of each stage, in order of the chain.
    """

    factors: tuple[FactorResult, ...]
    quality: tuple[QualityReport, ...] = ()
    milliseconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(len(self.factors) >= 1, "a decision compares at least one factor")

    @property
    def accepted(self) -> bool:
        """True only if every factor compared passes."""
        return all(result.accepted for result in self.factors)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why a screen may have been filmed, a sentence each."""
        return tuple(report.suspicion for report in self.quality if report.suspicion)

    @property
    def motion_alone(self) -> bool:
        """Whether no face was compared, since the settings name no recogniser: whoever makes the same motion passes."""
        return all(result.factor == "motion" for result in self.factors)


class ClipKind(StrEnum):
    """What a clip shows, as the manifest writes it."""

    FACIAL = "facial"  # a secret facial motion
    LIP = "lip"  # a spoken phrase
    NEAR_MISS = "near-miss"  # a motion that its owner makes to come near another one, a step or the order changed
    MIMIC = "mimic"  # somebody else's motion, imitated

    @property
    def is_attack(self) -> bool:
        """Whether the clip tries somebody's motion and nobody enrols it."""
        return self in (ClipKind.NEAR_MISS, ClipKind.MIMIC)


@dataclass(frozen=True)
class ClipRecord:
    """The labels of one clip.

    Attributes:
        path: path of the clip, relative to the manifest's folder.
        subject: name of the person who performs.
        motion: name of the motion. The same name by two subjects is two motions, unless one of them mimics.
        kind: what the clip shows.
        repetition: number of the take, from 0.
        session: number of the recording session, from 1.
        split: "train", "validation", "test" or "" where the data set fixes none.
        near_miss_of: name of the motion that a near miss comes near to; "" for clips of other kinds.
        reordered: whether a near miss makes the steps of that motion in another order.
        span: begin and end of the motion, seconds from the first frame; the face rests round it. None: not marked.
    """

    path: str
    subject: str
    motion: str
    kind: ClipKind
    repetition: int
    session: int
    split: str = ""
    near_miss_of: str = ""
    reordered: bool = False
    span: tuple[float, float] | None = None

    @property
    def original(self) -> str:
        """Name of the motion that a near miss comes near to; the clip's own motion for clips of other kinds."""
        return self.near_miss_of or self.motion


class TrialKind(StrEnum):
    """What a comparison of two clips tries, in the order of the codes that `ScoredTrials` holds."""

    GENUINE = "genuine"
    SAME_PERSON = "same person, other motion"
    OTHER_PERSON = "other person, other motion"
    MIMIC = "mimic"
    NEAR_MISS = "near miss"
    OTHER_ORDER = "near miss, other order"

    @property
    def code(self) -> int:
        """Number of the kind, from 0, which is genuine."""
        return TRIAL_KINDS.index(self)


TRIAL_KINDS = tuple(TrialKind)
IMPOSTOR_KINDS = TRIAL_KINDS[1:]


@dataclass(frozen=True, eq=False)
class ScoredTrials:
    """Scores of many comparisons: the seam between a model and its evaluation.

    Attributes:
        scores: (N,) float32: cosine, or another system's score where higher is more alike.
        labels: (N,) bool, true for genuine trials.
        kinds: (N,) uint8 codes of `TrialKind`; 0 exactly where the label is true.
        subjects: (N, 2) int32 subject number of each side, for bootstrap over subjects.
        motions: (N, 2) int32 motion number of each side, unique over subjects; its takes are no independent trials.
    """

    scores: FloatArray
    labels: NDArray[np.bool_]
    kinds: NDArray[np.uint8]
    subjects: NDArray[np.int32]
    motions: NDArray[np.int32]

    def __post_init__(self) -> None:
        count = len(self.scores)
        _check(self.scores.shape == (count,) and self.scores.dtype == np.float32, "scores must be (N,) float32")
        _check(self.labels.shape == (count,) and self.labels.dtype == np.bool_, "labels must be (N,) bool")
        _check(self.kinds.shape == (count,) and self.kinds.dtype == np.uint8, "kinds must be (N,) uint8")
        _check(not count or self.kinds.max() < len(TRIAL_KINDS), f"kinds must be below {len(TRIAL_KINDS)}")
        _check(self.subjects.shape == (count, 2) and self.subjects.dtype == np.int32, "subjects must be (N, 2) int32")
        _check(self.motions.shape == (count, 2) and self.motions.dtype == np.int32, "motions must be (N, 2) int32")
        _check(bool(np.isfinite(self.scores).all()), "scores must be finite: a failed probe is no score")
        _check(bool(((self.kinds == 0) == self.labels).all()), "kind 0 is genuine, and only that")
        _freeze(self.scores, self.labels, self.kinds, self.subjects, self.motions)

    def __len__(self) -> int:
        return len(self.scores)
