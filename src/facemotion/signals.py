"""Features of one clip as a signal in time: sampling, the span of the motion, the face at rest, time warping.

Training, inference, evaluation and the service share these functions, so one clip means one motion everywhere.

There are three faces at rest, for callers who know different things:

- `opening_face`, the median of the first frames: while frames arrive, nothing else is known.
- `neutral_face`, the median outside the active span: for whole clips, whose motion may begin in the first frame.
- `median_face`, the median of all frames: a clip without any rest has one, too. It is used to measure how large a
  motion is. If a face moves in most frames, it is the middle of the motion rather than the rest.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facemotion.types import FeatureSequence, FloatArray

Times = NDArray[np.float64]
Real = TypeVar("Real", bound=np.floating)

RATE = 25.0  # frames/s to which every sequence is brought before it is encoded, warped or compared
SPOT_MARGIN = 0.2  # seconds kept before and after a spotted motion
WINDOWS = (0.16, 0.32, 0.64)  # seconds over which the standard deviation is taken
QUIET_SHARE = 0.15  # of the range between the stillest and the liveliest windows, still counted as neutral
OPENING_FRAMES = 5  # frames that show the opening face, 0.2 s at RATE
LEAST_NEUTRAL_FRAMES = 3  # frames outside the active span that a median can be taken of
REST_SECONDS = 0.4  # over which a live face is looked at for whether it rests
REST_SHARE = 0.35  # of the farthest and of the liveliest of a clip, below which a face rests
MOVING_SECONDS = 0.5  # a shorter motion has too few frames for a rate of its own
HELD_SECONDS = 1.0  # a live face that is still for longer rests, wherever it stopped
LARGE_PERCENTILE = 95  # over the frames of a clip: its size, which one frame of a lost face doesn't change


def resample(values: FloatArray, times: Times, rate: float = RATE) -> FloatArray:
    """Bring a sequence to a fixed rate by its time stamps, on straight lines between neighbouring frames.

    A clip of 15 or of 60 frames/s, or with gaps, means the same motion.

    Args:
        values: (T, D) float32.
        times: (T,) float64 seconds, strictly increasing.
        rate: frames/s of the result.
    Returns:
        (L, D) float32 at times[0], times[0] + 1/rate, ... up to the last time; L >= 1.
    """
    # Half a microsecond of slack: 1.04 s at 25 frames/s is 27 frames, whatever the last bit of the time stamp says.
    length = int(np.floor((times[-1] - times[0]) * rate + 5e-7 * rate)) + 1
    if len(times) == 1:
        return values.copy()
    grid = times[0] + np.arange(length) / rate
    return interpolate(values, times, grid)


def interpolate(values: FloatArray, times: Times, moments: Times) -> FloatArray:
    """A sequence at other moments, on straight lines between neighbouring frames.

    Args:
        values: (T, D) float32, T >= 2.
        times: (T,) float64, strictly increasing, in any unit.
        moments: (M,) float64 in that unit; the first frame stands before it, the last after it.
    Returns:
        (M, D) float32.
    """
    before = np.clip(np.searchsorted(times, moments, side="right") - 1, 0, len(times) - 2)
    places = (moments - times[before]) / (times[before + 1] - times[before])
    share = np.clip(places, 0, 1).astype(np.float32)[:, None]
    return np.asarray(values[before] * (1 - share) + values[before + 1] * share, np.float32)


def frames_to_encode(features: FeatureSequence, *, spotting: bool) -> tuple[FloatArray, Times]:
    """The part of a clip that an encoder gets, in training and in use.

    Args:
        features: of the whole clip.
        spotting: whether the encoder is given the motion alone, see `spot_motion`.
    Returns:
        Values (T, D) float32 and times (T,) seconds, T >= 1.
    """
    if spotting:
        return spot_motion(features.values, features.times)
    return features.values, features.times


def spot_motion(values: FloatArray, times: Times) -> tuple[FloatArray, Times]:
    """Cut a clip to where the face moves, and SPOT_MARGIN on both sides.

    This is the paper's remedy (section 4.3) for motions that are short beside the neutral face around them.

    Args:
        values: (T, D) float32.
        times: (T,) seconds.
    Returns:
        At least one frame; all of them where nothing stands out.
    """
    onset, offset = active_span(values, times)
    slack = 1e-6  # a frame just at the margin stays, whatever the last bit of its time stamp says
    first = int(np.searchsorted(times, times[onset] - SPOT_MARGIN - slack))
    last = int(np.searchsorted(times, times[offset] + SPOT_MARGIN + slack))
    return values[first:last], times[first:last]


def active_span(values: FloatArray, times: Times) -> tuple[int, int]:
    """First and last frame of the motion itself; the frames outside show a neutral face.

    A frame is active if, for any of several window sizes, the standard deviation of the features round it stands out
    from that of the clip's stillest windows.

    Args:
        values: (T, D).
        times: (T,) seconds.
    Returns:
        (onset, offset) with 0 <= onset <= offset < T; the whole clip where nothing stands out.
    Reference: section 3.4 of the paper; the windows and the share are ours.
    """
    active = np.zeros(len(values), bool)
    deviation = _WindowedDeviation(values)
    for window in WINDOWS:
        first = np.searchsorted(times, times - window / 2, side="left")
        last = np.searchsorted(times, times + window / 2, side="right")
        activity = deviation.between(first, last)
        low, high = np.percentile(activity, [5, 95])
        active |= activity > low + QUIET_SHARE * (high - low) + 1e-9
    moving = np.flatnonzero(active)
    return (int(moving[0]), int(moving[-1])) if len(moving) else (0, len(values) - 1)


def frame_rate(features: FeatureSequence) -> float:
    """Frames a second while the face moves, computed from their times.

    In half of the time, frames are at least this dense. Jitter and a single gap hardly change it. If frames come in
    bursts, the pauses between the bursts decide.

    Args:
        features: of the frames with a face.
    Returns:
        Frames/s within the motion, or within the whole clip where that lasts less than MOVING_SECONDS; 0 for fewer
        than two frames.
    """
    onset, offset = active_span(features.values, features.times)
    within = features.times[onset : offset + 1]
    if within[-1] - within[0] < MOVING_SECONDS:
        within = features.times
    gaps = np.sort(np.diff(within))
    passed = np.cumsum(gaps)
    if not len(gaps) or passed[-1] <= 0:
        return 0.0
    return 1 / float(gaps[np.searchsorted(passed, passed[-1] / 2)])


class _WindowedDeviation:
    """Standard deviation of features (T, D) within windows, mean over the features."""

    def __init__(self, values: FloatArray) -> None:
        centred = (values - values.mean(axis=0)).astype(np.float64)
        nothing = np.zeros((1, values.shape[1]))
        self._sums = np.concatenate([nothing, np.cumsum(centred, axis=0)])
        self._squares = np.concatenate([nothing, np.cumsum(centred**2, axis=0)])

    def between(self, first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[np.float64]:
        """(W,) for the windows of frames first[w] to last[w] - 1."""
        count = (last - first)[:, None]
        mean = (self._sums[last] - self._sums[first]) / count
        variance = (self._squares[last] - self._squares[first]) / count - mean**2
        deviation: NDArray[np.float64] = np.sqrt(variance.clip(0)).mean(axis=1)
        return deviation


def opening_face(values: NDArray[np.floating] | Sequence[FloatArray]) -> NDArray[np.floating]:
    """The face at rest as the first OPENING_FRAMES frames show it.

    Args:
        values: (T, ...) frames in order, T >= 1; later ones are passed over.
    Returns:
        (...) of one frame.
    """
    return _middle(np.asarray(values[:OPENING_FRAMES]))


def neutral_face(features: FeatureSequence) -> FloatArray:
    """The face at rest as the frames outside the active span show it.

    Args:
        features: of a whole clip.
    Returns:
        (D,) float32; the first frame where fewer than LEAST_NEUTRAL_FRAMES lie outside.
    """
    onset, offset = active_span(features.values, features.times)
    outside = np.r_[0:onset, offset + 1 : len(features)]
    if len(outside) < LEAST_NEUTRAL_FRAMES:
        return np.asarray(features.values[0])
    return median_face(features.values[outside])


def median_face(values: NDArray[Real]) -> NDArray[Real]:
    """The middle of all frames.

    Args:
        values: (T, ...) frames.
    Returns:
        (...) of one frame.
    """
    return np.asarray(_middle(values), values.dtype)


def _middle(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(...) the median of frames (T, ...); whole frames sorted side by side take a third of the time of NumPy's."""
    ordered = np.sort(values, axis=0)
    return np.asarray((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)


def largest_motion(away: NDArray[np.floating], parts: Sequence[slice | NDArray[np.intp]]) -> float:
    """How far the part of a face that moves most gets from its place.

    Args:
        away: (T, N) distance of each point from its place at rest, in any unit.
        parts: the points of each part of the face.
    Returns:
        The LARGE_PERCENTILE over the frames, in hundredths of the unit.
    """
    return max(float(100 * np.percentile(away[:, part].mean(axis=1), LARGE_PERCENTILE)) for part in parts)


@dataclass(frozen=True)
class Cues:
    """What may explain an error on a clip.

    Attributes:
        neutral_share: share of frames near the resting face, 0..1; above 0.7 the paper calls the motion a flash.
        ending: distance of the last frames from the resting face over the largest of the clip, 0..1; near 1 the clip
            stops at the apex.
        intensity: largest distance from the resting face (95th percentile), in units of the features.
    """

    neutral_share: float
    ending: float
    intensity: float


def measure_cues(features: FeatureSequence) -> Cues:
    """Cues of one clip, whose resting face is its `neutral_face`."""
    away = np.linalg.norm(features.values - neutral_face(features), axis=1)
    intensity = float(np.percentile(away, LARGE_PERCENTILE))
    if intensity == 0:
        return Cues(1.0, 0.0, 0.0)
    return Cues(float(np.mean(away < REST_SHARE * intensity)), min(float(away[-3:].mean()) / intensity, 1.0), intensity)


class RestWatch:
    """Tells while frames arrive whether a face is back at rest: near its `opening_face`, and still.

    Both are needed. A motion that is held at its apex is still. A motion from one side to the other passes through the
    resting face. A face that holds still for HELD_SECONDS counts as resting, even away from its opening face.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[FloatArray, float]] = deque()
        self._first: list[FloatArray] = []
        self._opening: NDArray[np.floating] = np.zeros(0)
        self._farthest = self._liveliest = 0.0
        self._moved = -math.inf

    def push(self, values: FloatArray, seconds: float) -> bool:
        """Take in one frame.

        Args:
            values: (D,) its features.
            seconds: its time.
        Returns:
            Whether the face rests now. Before it has moved, noise decides.
        """
        if len(self._first) < OPENING_FRAMES:
            self._first.append(values)
            self._opening = opening_face(self._first)
        self._recent.append((values, seconds))
        while seconds - self._recent[0][1] > REST_SECONDS:
            self._recent.popleft()
        window = np.stack([recent for recent, _ in self._recent]).astype(np.float64)
        away = float(np.linalg.norm(window.mean(axis=0) - self._opening))
        deviation = float(window.std(axis=0).mean())
        self._farthest = max(self._farthest, away)
        self._liveliest = max(self._liveliest, deviation)
        if deviation > REST_SHARE * self._liveliest:
            self._moved = seconds
            return False
        return away <= REST_SHARE * self._farthest or seconds - self._moved >= HELD_SECONDS


def dtw_scores(sequences: Sequence[FloatArray]) -> FloatArray:
    """Similarity of all pairs of sequences by dynamic time warping, a baseline without training.

    Each sequence is centred on its mean over time, so that the place where the face rests doesn't count. The distance
    is the mean Euclidean distance of the matched frames along the cheapest path; see `dtw_path`.

    Args:
        sequences: N arrays (T_i, D) at one rate.
    Returns:
        (N, N) float32, symmetric: minus the distance, so that a higher score is more alike; 0 on the diagonal.
    Reference: Sakoe and Chiba, Dynamic programming algorithm optimization for spoken word recognition, 1978.
    """
    centred = [np.asarray(s - s.mean(axis=0), np.float64) for s in sequences]
    lengths = np.array([len(s) for s in centred])
    stacked = np.zeros((len(centred), lengths.max(), centred[0].shape[1]))
    for row, sequence in enumerate(centred):
        stacked[row, : len(sequence)] = sequence
    scores = np.zeros((len(centred), len(centred)), np.float32)
    for row in range(len(centred) - 1):
        one, others, ends = centred[row], stacked[row + 1 :], lengths[row + 1 :]
        squares = (one**2).sum(axis=1)[None, :, None] + (others**2).sum(axis=2)[:, None, :]
        products = (others @ one.T).transpose(0, 2, 1)
        total, steps = _warp(np.sqrt((squares - 2 * products).clip(0)))
        each = np.arange(len(others))
        distances = total[each, len(one), ends] / steps[each, len(one), ends]
        scores[row, row + 1 :] = scores[row + 1 :, row] = -distances
    return scores


def dtw_path(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.intp]:
    """The cheapest pairing of two sequences by dynamic time warping: each step advances in one sequence or in both.

    Args:
        one: (T, D).
        other: (U, D).
    Returns:
        (K, 2) frame numbers in both, from the first frames to the last. If steps cost the same, the step in both
        sequences comes first, then the step in `one`.
    Reference: as for `dtw_scores`.
    """
    total = _warp(np.linalg.norm(one[:, None] - other[None], axis=2)[None])[0][0]
    i, j = len(one), len(other)
    path = [(i, j)]
    while (i, j) != (1, 1):
        _, i, j = min((total[i - 1, j - 1], i - 1, j - 1), (total[i - 1, j], i - 1, j), (total[i, j - 1], i, j - 1))
        path.append((i, j))
    return np.array(path[::-1]) - 1


def _warp(costs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cost and number of steps of the cheapest path to each pair of frames.

    Args:
        costs: (M, T, U) of each pair of frames, for M pairs of sequences.
    Returns:
        Two (M, T + 1, U + 1), entry (t, u) for the paths that end in frames t - 1 and u - 1.
    """
    count, rows, columns = costs.shape
    total = np.full((count, rows + 1, columns + 1), np.inf)
    steps = np.zeros((count, rows + 1, columns + 1))
    total[:, 0, 0] = 0
    for diagonal in range(2, rows + columns + 1):  # cells of one don't depend on each other
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.stack([total[:, i - 1, j - 1], total[:, i - 1, j], total[:, i, j - 1]])
        taken = np.stack([steps[:, i - 1, j - 1], steps[:, i - 1, j], steps[:, i, j - 1]])
        best = before.argmin(axis=0)[None]
        total[:, i, j] = np.take_along_axis(before, best, axis=0)[0] + costs[:, i - 1, j - 1]
        steps[:, i, j] = np.take_along_axis(taken, best, axis=0)[0] + 1
    return total, steps
