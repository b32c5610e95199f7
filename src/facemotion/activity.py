"""When a face moves within a clip, how far, and how the clip ends; told from features alone."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.types import FeatureSequence, FloatArray

Times = NDArray[np.float64]

WINDOWS = (0.16, 0.32, 0.64)  # seconds over which the standard deviation is taken
QUIET_SHARE = 0.15  # of the range between the stillest and the liveliest windows, still counted as neutral
REST_SECONDS = 0.4  # over which a live face is looked at for whether it rests
REST_SHARE = 0.35  # of the farthest and of the liveliest so far, below which a live face rests
HELD_SECONDS = 1.0  # a live face that is still for longer rests, wherever it stopped


@dataclass(frozen=True)
class Cues:
    """What may explain an error on a clip.

    Attributes:
        neutral_share: share of frames near the resting face, 0..1; above .7 the paper calls the motion a flash.
        ending: distance of the last frames from the resting face over the largest of the clip, 0..1; near 1 the clip
            stops at the apex.
        intensity: largest distance from the resting face (95th percentile), in units of the features.
    """

    neutral_share: float
    ending: float
    intensity: float


def measure_cues(features: FeatureSequence) -> Cues:
    """Cues of one clip. The resting face is the median of the frames outside the active span, or the first frame."""
    onset, offset = active_span(features.values, features.times)
    outside = np.r_[0:onset, offset + 1 : len(features)]
    rest = np.median(features.values[outside], axis=0) if len(outside) >= 3 else features.values[0]
    away = np.linalg.norm(features.values - rest, axis=1)
    intensity = float(np.percentile(away, 95))
    if intensity == 0:
        return Cues(1.0, 0.0, 0.0)
    return Cues(float(np.mean(away < 0.35 * intensity)), min(float(away[-3:].mean()) / intensity, 1.0), intensity)


class RestWatch:
    """Tells while frames arrive whether a face is back at rest: near where it began, and still.

    Both are needed: a motion held at its apex is still, and one on its way from one side to the other passes by the
    resting face. The resting face is that of the first frames. Who stops elsewhere and stays there rests too.
    """

    FIRST = 5  # frames that show the resting face

    def __init__(self) -> None:
        self._recent: deque[tuple[FloatArray, float]] = deque()
        self._first: list[FloatArray] = []
        self._farthest = self._liveliest = 0.0
        self._moved = -math.inf

    def push(self, values: FloatArray, seconds: float) -> bool:
        """Take in the features (D,) of one frame; whether the face rests now. Before it has moved, noise decides."""
        if len(self._first) < self.FIRST:
            self._first.append(values)
        self._recent.append((values, seconds))
        while seconds - self._recent[0][1] > REST_SECONDS:
            self._recent.popleft()
        window = np.stack([one for one, _ in self._recent]).astype(np.float64)
        away = float(np.linalg.norm(window.mean(axis=0) - np.median(self._first, axis=0)))
        deviation = float(window.std(axis=0).mean())
        self._farthest = max(self._farthest, away)
        self._liveliest = max(self._liveliest, deviation)
        if deviation > REST_SHARE * self._liveliest:
            self._moved = seconds
            return False
        return away <= REST_SHARE * self._farthest or seconds - self._moved >= HELD_SECONDS


def active_span(values: FloatArray, times: Times) -> tuple[int, int]:
    """First and last frame of the motion itself; what lies outside is a neutral face.

    A frame is active if, for any of several window sizes, the standard deviation of the features round it stands out
    from that of the clip's stillest windows.

    Args:
        values: (T, D). times: (T,) seconds.
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
    found = np.flatnonzero(active)
    return (int(found[0]), int(found[-1])) if len(found) else (0, len(values) - 1)


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
