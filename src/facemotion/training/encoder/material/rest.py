"""Rest round a motion and slower cameras, as augmentations: users rest and webcams are slow, which tight clips don't
show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.signals import RATE, Times, interpolate, resample
from facemotion.training.encoder.material.augment import SHORTEST, AugmentSettings, Moving, TimedValues
from facemotion.types import FeatureSequence, FloatArray

DIRECTIONS = 12  # in which a still face seems to move most; what is left is noise of single points
MARGIN = 2  # frames next to the motion of a clip that aren't called still
MANY_CLIPS = 600  # still faces are taken of at least so many where there are as many, and of fewer than twice as many
STILL_SECONDS = (0.1, 0.8)  # after which a tremor of the mesh, and a drift of the head, have changed
HELD = 0.2  # share of rests that are the first or last frame held, as a frozen camera or a padded recording gives them
BREATHS = 0.3  # share of rests in which the face moves a little and comes back
POSE = (-0.1, 0.25)  # how far the resting face lies towards a pose of the motion, as a share of that pose
ONE_PLACE = 0.6  # share of rests in which the face rests before the motion where it does after it
PLACE = (-0.4, 0.6)  # where that is, as a share of a pose of the motion
SHORT, SHORTLY = 0.6, 0.4  # seconds of a short rest, and the share of rests that are short
RAMP = (0.08, 0.4)  # seconds in which a resting face goes over into the first pose of the motion
BREATH = (-0.2, 0.3)  # size of a breath, as a share of a pose of the motion
BREATH_SECONDS = (0.1, 0.3)  # standard deviation of a breath in time
AT_REST = 0.32  # seconds at both ends of a recording with rest, in which nobody moves on purpose
LONG = 8  # frames of a rest that is kept as a piece
REAL = 0.85  # share of rests that move as a real one did, where there are such pieces
SIZE = (0.5, 2.5)  # of what a real rest did
BACK = 0.8  # seconds after which a resting face is on its way back to its place
FADE = 0.2  # seconds next to the motion in which a resting face grows as restless as it is
LIVELY = (0.3, 1.3)  # how lively a still face is, in standard deviations of those in the training set
JITTER = 0.2  # of a slow camera's frames, in frames


@dataclass(frozen=True, eq=False)
class StillFaces:
    """How the features of a face at rest change over time.

    Attributes:
        directions: (K, D) float32, each as long as its standard deviation.
        pieces: (T_i, D) float32 each, changes from frame to frame of faces that really rested.
    """

    directions: FloatArray
    pieces: tuple[FloatArray, ...] = ()

    @classmethod
    def fit(cls, rests: Sequence[FloatArray]) -> StillFaces:
        """Look at faces at rest; pieces of LONG frames and more are kept as they are.

        Args:
            rests: (T_i, D) float32 each, at `signals.RATE`.
        """
        nothing = np.zeros((2, rests[0].shape[1] if rests else 1), np.float32)
        still = np.concatenate([nothing, *(piece - piece.mean(axis=0) for piece in rests if len(piece) > 1)])
        _, sizes, directions = np.linalg.svd(still, full_matrices=False)
        deviations = sizes[:DIRECTIONS] / np.sqrt(len(still))
        pieces = tuple(np.diff(piece, axis=0) for piece in rests if len(piece) >= LONG)
        return cls(np.asarray(directions[:DIRECTIONS] * deviations[:, None], np.float32), pieces)

    def draw(self, rng: np.random.Generator, times: Times) -> FloatArray:
        """(T, D) float32 changes of a face at rest at (T,) seconds. Either real changes from frame to frame, piece
        after piece, drawn back to the resting face; or a tremor and a drift, each of half the variance."""
        if self.pieces and rng.random() < REAL:
            return self._really(rng, times)
        total = np.zeros((len(times), len(self.directions)))
        steps = np.diff(times, prepend=times[0])
        for seconds in STILL_SECONDS:
            kept = np.exp(-steps / seconds)
            fresh = rng.standard_normal(total.shape) * np.sqrt(1 - kept**2)[:, None]
            state = rng.standard_normal(total.shape[1])
            for row in range(len(times)):
                state = kept[row] * state + fresh[row]
                total[row] += state
        lively = rng.uniform(*LIVELY) / np.sqrt(len(STILL_SECONDS))
        return np.asarray(lively * total @ self.directions, np.float32)

    def _really(self, rng: np.random.Generator, times: Times) -> FloatArray:
        count = int((times[-1] - times[0]) * RATE) + 2
        changes: list[FloatArray] = []
        while sum(map(len, changes)) < count:
            piece = self.pieces[int(rng.integers(len(self.pieces)))]
            changes.append(piece if rng.random() < 0.5 else -piece[::-1])
        moved: FloatArray = np.concatenate(changes)[:count]
        kept = np.float32(np.exp(-1 / (RATE * BACK)))
        for row in range(1, count):
            moved[row] += kept * moved[row - 1]
        size = np.exp(rng.uniform(*np.log(SIZE)))
        return np.asarray(size * interpolate(moved, np.arange(count) / RATE, times - times[0]), np.float32)


def ends_at_rest(recording: FeatureSequence) -> list[FloatArray]:
    """The first and the last AT_REST seconds of a recording that begins and ends with rest, at `signals.RATE`."""
    values = resample(recording.values, recording.times)
    count = min(round(AT_REST * RATE), len(values) // 2)
    return [values[:count], values[len(values) - count :]]


def add_rest(
    values: FloatArray, times: Times, settings: AugmentSettings, still: StillFaces, rng: np.random.Generator
) -> TimedValues:
    """Rest before and after a motion, each of up to `rest_seconds`: held frames, or a resting face that trembles,
    drifts, sometimes breathes and goes over into the motion.

    Args:
        values: (T, D) float32, T >= 2.
        times: (T,) seconds.
        settings: `rest_seconds` counts here.
        still: how resting faces move.
        rng: source of the draws.
    Returns:
        Values and times of the longer clip; the motion keeps its times.
    """
    spacing = float(np.median(np.diff(times)))
    held = rng.random() < HELD
    goals = values[[0, -1]] if held else _resting_poses(values, rng)
    pieces: list[FloatArray] = [values]
    moments: list[Times] = [times]
    for side, goal in enumerate(goals):
        longest = SHORT if rng.random() < SHORTLY else settings.rest_seconds
        count = int(rng.uniform(0, min(longest, settings.rest_seconds)) / spacing)
        if not count:
            continue
        ramp = 0 if held else max(1, int(rng.uniform(*RAMP) / spacing))
        piece = _lead_to(values[-side], goal, count, ramp)
        if not held and rng.random() < BREATHS:
            piece = piece + _breathe(values, count, spacing, rng)
        since = spacing * np.arange(1, count + 1)
        if side:
            pieces.append(piece)
            moments.append(times[-1] + since)
        else:
            pieces.insert(0, piece[::-1])
            moments.insert(0, times[0] - since[::-1])
    longer, longer_times = np.concatenate(pieces), np.concatenate(moments)
    if not held:
        # The motion has a tremor of its own in most clips, and is never drowned in one.
        share = rng.uniform(0, 1)
        away = np.maximum(times[0] - longer_times, longer_times - times[-1]).clip(0)
        tremor = share + (1 - share) * (away / FADE).clip(0, 1)
        longer = longer + tremor[:, None] * still.draw(rng, longer_times)
    return np.asarray(longer, np.float32), longer_times


def film_slower(values: FloatArray, times: Times, settings: AugmentSettings, rng: np.random.Generator) -> TimedValues:
    """The clip as a slower camera sees it, with some jitter in the times; as it is where it is too short for that.

    Args:
        values: (T, D) float32, T >= 2.
        times: (T,) seconds.
        settings: `lowest_rate` and `highest_rate` count here.
        rng: source of the draws.
    """
    rate = rng.uniform(settings.lowest_rate, settings.highest_rate)
    count = int((times[-1] - times[0]) * rate)
    if count < SHORTEST:
        return values, times
    moments = times[0] + (np.arange(count) + rng.uniform(0, 1) + rng.uniform(-JITTER, JITTER, count)) / rate
    moments = np.unique(moments.clip(times[0], times[-1]))
    return interpolate(values, times, moments), moments


def mark_moving(moving: Moving, edges: Moving, times: Times) -> NDArray[np.float32]:
    """(T,) float32 targets of a gate at (T,) seconds: 1 within the motion, 0 in added rest, and NaN between them, where
    a face may rest or begin to move.

    Args:
        moving: first and last second of the motion.
        edges: of the clip before rest was added.
        times: seconds.
    """
    wanted = np.where((times >= moving[0]) & (times <= moving[1]), np.float32(1), np.float32(np.nan))
    slack = 1e-6
    wanted[(times < edges[0] - slack) | (times > edges[1] + slack)] = 0
    return wanted


def _resting_poses(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(2, D) where the face rests before and after a motion: near its edges, or in one place of its own."""
    ends = values[[0, -1]]
    poses = (values - values.mean(axis=0))[rng.integers(len(values), size=2)]
    if rng.random() < ONE_PLACE:
        ends = np.repeat(ends.mean(axis=0, keepdims=True) + rng.uniform(*PLACE) * poses[:1], 2, axis=0)
    return np.asarray(ends + rng.uniform(*POSE, size=(2, 1)) * poses, np.float32)


def _lead_to(edge: FloatArray, goal: FloatArray, count: int, ramp: int) -> FloatArray:
    """(count, D) frames that lead from the pose at the edge of a motion to a resting face and stay there."""
    share = (1 - np.cos(np.pi * np.minimum(np.arange(1, count + 1) / (ramp + 1), 1))) / 2
    return np.asarray(edge + (goal - edge) * share[:, None], np.float32)


def _breathe(values: FloatArray, count: int, spacing: float, rng: np.random.Generator) -> FloatArray:
    """(count, D) a little movement towards a pose of the motion and back."""
    pose = values[rng.integers(len(values))] - values.mean(axis=0)
    middle, width = rng.integers(count), rng.uniform(*BREATH_SECONDS) / spacing
    bump = np.exp(-0.5 * ((np.arange(count) - middle) / width) ** 2)
    return np.asarray(rng.uniform(*BREATH) * bump[:, None] * pose, np.float32)
