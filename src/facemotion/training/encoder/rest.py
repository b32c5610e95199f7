"""Rest round a motion and slower cameras, as augmentations: what users do and webcams deliver, and tight clips lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.signals import RATE, Times, interpolate
from facemotion.training.encoder.augment import SHORTEST, AugmentSettings, Moving, TimedValues
from facemotion.types import FeatureSequence, FloatArray

DIRECTIONS = 12  # in which a still face seems to move most; what is left is noise of single points
MOST_CLIPS = 600  # of which still faces are taken
MARGIN = 2  # frames next to the motion that aren't called still
STILL_SECONDS = (0.1, 0.8)  # after which a tremor of the mesh, and a drift of the head, have changed
HELD = 0.3  # share of rests that are the first or last frame held, as a frozen camera or a padded recording gives them
BREATHS = 0.3  # share of rests in which the face moves a little and comes back
POSE = (-0.1, 0.25)  # how far the resting face lies towards a pose of the motion, as a share of that pose
RAMP = (0.08, 0.4)  # seconds in which a resting face goes over into the first pose of the motion
BREATH = (-0.2, 0.3)  # size of a breath, as a share of a pose of the motion
BREATH_SECONDS = (0.1, 0.3)  # standard deviation of a breath in time
LONG = 8  # frames of a rest that is kept as a piece
REAL = 0.6  # share of rests that move as a real one did, where there are such pieces
SIZE = (0.5, 1.5)  # of what a real rest did
LIVELY = (0.3, 1.3)  # how lively a still face is, in standard deviations of those in the training set
JITTER = 0.2  # of a slow camera's frames, in frames


@dataclass(frozen=True, eq=False)
class StillFaces:
    """How features of a face at rest seem to move.

    Attributes:
        directions: (K, D) float32, each as long as its standard deviation.
        pieces: (T_i, D) float32 each, faces that really rested, about their mean.
    """

    directions: FloatArray
    pieces: tuple[FloatArray, ...] = ()

    @classmethod
    def fit(cls, sequences: Sequence[FeatureSequence], spans: Sequence[tuple[int, int]]) -> StillFaces:
        """Take the frames before and after the motions of clips; pieces of LONG frames and more are kept as they are.

        Args:
            sequences: N clips. spans: first and last frame of the motion in each, see `signals.active_span`.
        """
        pieces = [np.zeros((2, sequences[0].values.shape[1]), np.float32)]
        for sequence, (onset, offset) in zip(sequences, spans, strict=True):
            for piece in (sequence.values[: max(onset - MARGIN, 0)], sequence.values[offset + MARGIN + 1 :]):
                if len(piece) > MARGIN:
                    pieces.append(piece - piece.mean(axis=0))
        still = np.concatenate(pieces)
        _, sizes, directions = np.linalg.svd(still, full_matrices=False)
        deviations = sizes[:DIRECTIONS] / np.sqrt(len(still))
        kept = tuple(piece for piece in pieces if len(piece) >= LONG)
        return cls(np.asarray(directions[:DIRECTIONS] * deviations[:, None], np.float32), kept)

    def draw(self, rng: np.random.Generator, times: Times) -> FloatArray:
        """(T, D) float32 what a face at rest seems to do at (T,) seconds: what one really did, to and fro, or a tremor
        and a drift, each of half the variance."""
        if self.pieces and rng.random() < REAL:
            piece = self.pieces[int(rng.integers(len(self.pieces)))]
            turns = (times - times[0]) * RATE + rng.uniform(0, 2 * len(piece))
            places = len(piece) - 1 - np.abs(turns % (2 * (len(piece) - 1)) - (len(piece) - 1))
            drawn = interpolate(piece, np.arange(len(piece), dtype=np.float64), places)
            return np.asarray(rng.uniform(*SIZE) * drawn, np.float32)
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


def add_rest(
    values: FloatArray, times: Times, settings: AugmentSettings, still: StillFaces, rng: np.random.Generator
) -> TimedValues:
    """Rest before and after a motion, each of up to `rest_seconds`: held frames, or a resting face near the first or
    last pose that trembles, drifts, sometimes breathes and goes over into the motion.

    Returns:
        Values and times of the longer clip; the motion keeps its times.
    """
    spacing = float(np.median(np.diff(times)))
    held = rng.random() < HELD
    pieces: list[FloatArray] = [values]
    moments: list[Times] = [times]
    for edge, at_start in ((values[0], True), (values[-1], False)):
        count = int(rng.uniform(0, settings.rest_seconds) / spacing)
        if not count:
            continue
        piece = (
            np.asarray(np.repeat(edge[None], count, axis=0))
            if held
            else _resting(values, edge, count, spacing, rng=rng)
        )
        since = spacing * np.arange(1, count + 1)
        if at_start:
            pieces.insert(0, piece[::-1])
            moments.insert(0, times[0] - since[::-1])
        else:
            pieces.append(piece)
            moments.append(times[-1] + since)
    longer, longer_times = np.concatenate(pieces), np.concatenate(moments)
    if not held:
        longer = longer + still.draw(rng, longer_times)
    return np.asarray(longer, np.float32), longer_times


def film_slower(values: FloatArray, times: Times, settings: AugmentSettings, rng: np.random.Generator) -> TimedValues:
    """The clip as a camera of fewer frames a second sees it, which doesn't keep its pace to the frame."""
    rate = rng.uniform(settings.lowest_rate, settings.highest_rate)
    count = int((times[-1] - times[0]) * rate)
    if count < SHORTEST:
        return values, times
    moments = times[0] + (np.arange(count) + rng.uniform(0, 1) + rng.uniform(-JITTER, JITTER, count)) / rate
    moments = np.unique(moments.clip(times[0], times[-1]))
    return interpolate(values, times, moments), moments


def mark_moving(moving: Moving, edges: Moving, times: Times) -> NDArray[np.float32]:
    """(T,) float32 what a gate should say at (T,) seconds: 1 within the motion, 0 in rest that was added, and NaN
    between, where a face may rest or begin to move.

    Args:
        moving: first and last second of the motion. edges: of the clip before rest was added. times: seconds.
    """
    wanted = np.where((times >= moving[0]) & (times <= moving[1]), np.float32(1), np.float32(np.nan))
    slack = 1e-6
    wanted[(times < edges[0] - slack) | (times > edges[1] + slack)] = 0
    return wanted


def _resting(
    values: FloatArray, edge: FloatArray, count: int, spacing: float, *, rng: np.random.Generator
) -> FloatArray:
    """(count, D) frames that lead from the pose at the edge of a motion to a resting face and stay there."""
    poses = (values - values.mean(axis=0))[rng.integers(len(values), size=2)]
    goal = edge + rng.uniform(*POSE) * poses[0]
    steps = max(1, int(rng.uniform(*RAMP) / spacing))
    share = (1 - np.cos(np.pi * np.minimum(np.arange(1, count + 1) / (steps + 1), 1))) / 2
    piece = edge + (goal - edge) * share[:, None]
    if rng.random() < BREATHS:
        middle, width = rng.integers(count), rng.uniform(*BREATH_SECONDS) / spacing
        bump = np.exp(-0.5 * ((np.arange(count) - middle) / width) ** 2)
        piece = piece + rng.uniform(*BREATH) * bump[:, None] * poses[1]
    return np.asarray(piece, np.float32)
