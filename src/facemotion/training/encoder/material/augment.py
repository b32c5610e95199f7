"""Changes that a repetition may make to a clip while its motion stays the same. Each augmentation is a function on
(values, times), used in training only. None mirrors, since left and right are part of the secret.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemotion.config import option
from facemotion.signals import Times, active_span, median_face
from facemotion.types import FloatArray

TimedValues = tuple[FloatArray, Times]  # (T, D) and (T,) seconds
Span = tuple[int, int]
Moving = tuple[float, float]  # first and last second of a motion

SHORTEST = 4  # frames that every augmentation leaves


@dataclass(frozen=True)
class AugmentSettings:
    """Strength of each augmentation; 0 leaves it out."""

    trimming: float = option(
        1.0, "share of clips whose neutral ends are cut at random, as in the paper", minimum=0, maximum=1
    )
    tempo: float = option(0.0, "range of the logarithm of the tempo, the same over a clip", minimum=0, maximum=1.5)
    warp: float = option(0.0, "range of the logarithm of the tempo, changing within a clip", minimum=0, maximum=1.5)
    drop: float = option(0.0, "largest share of frames dropped from a clip", minimum=0, maximum=0.9)
    amplitude: float = option(0.0, "spread of the logarithm of the motion's size", minimum=0, maximum=1)
    shift: float = option(0.0, "spread of a constant offset of each feature", unit="standard deviations", minimum=0)
    noise: float = option(0.0, "spread of noise on each feature and frame", unit="standard deviations", minimum=0)
    rest: float = option(0.0, "share of clips that get rest before and after the motion", minimum=0, maximum=1)
    rest_seconds: float = option(2.0, "longest rest on either side", unit="seconds", minimum=0.04, maximum=30)
    slower: float = option(0.0, "share of clips that are seen by a slower camera", minimum=0, maximum=1)
    lowest_rate: float = option(8.0, "of slower cameras", unit="frames/s", minimum=1, maximum=60)
    highest_rate: float = option(25.0, "of slower cameras", unit="frames/s", minimum=1, maximum=60)

    def __post_init__(self) -> None:
        if self.highest_rate < self.lowest_rate:
            raise ValueError("highest_rate must not lie below lowest_rate")


def augment(
    values: FloatArray,
    times: Times,
    settings: AugmentSettings,
    spread: FloatArray,
    rng: np.random.Generator,
    span: Span | None = None,
) -> tuple[FloatArray, Times, Moving]:
    """All augmentations of the motion itself, one after the other; rest and slower cameras come after (`rest`).

    Args:
        values: (T, D) float32.
        times: (T,) seconds.
        settings: strengths.
        spread: (D,) standard deviation of each feature over the training set.
        rng: source of the draws.
        span: of the motion, see `signals.active_span`; measured if it is needed and not given.
    Returns:
        A new sequence, whose length may differ, and when its motion begins and ends (the whole clip if no span is
        given). The arguments aren't changed.
    """
    first, last = span or (0, len(values) - 1)
    if settings.trimming and rng.random() < settings.trimming:
        start, stop = trim(values, times, rng, span)
        values, times, first, last = values[start:stop], times[start:stop], first - start, last - start
    if settings.tempo:
        values, times = change_tempo(values, times, settings.tempo, rng)
    if settings.warp:
        values, times = warp_time(values, times, settings.warp, rng)
    moving = (float(times[max(first, 0)]), float(times[min(last, len(times) - 1)]))
    if settings.drop:
        values, times = drop_frames(values, times, settings.drop, rng)
    if settings.amplitude:
        values, times = scale_motion(values, times, settings.amplitude, rng)
    if settings.shift:
        values = values + (settings.shift * spread * rng.standard_normal(values.shape[1])).astype(np.float32)
    if settings.noise:
        values = values + (settings.noise * spread * rng.standard_normal(values.shape)).astype(np.float32)
    return values, times, moving


def trim(values: FloatArray, times: Times, rng: np.random.Generator, span: Span | None = None) -> Span:
    """Random trimming: drop any number of the neutral frames before the onset and after the offset (section 3.4).

    Returns:
        The first frame that stays, and the one after the last.
    """
    onset, offset = span or active_span(values, times)
    start = int(rng.integers(0, onset + 1))
    stop = int(rng.integers(offset, len(values))) + 1
    return (start, stop) if stop - start >= SHORTEST else (0, len(values))


def change_tempo(values: FloatArray, times: Times, strength: float, rng: np.random.Generator) -> TimedValues:
    """The whole motion faster or slower, by a factor whose logarithm is within +-strength."""
    return values, times[0] + (times - times[0]) * np.exp(rng.uniform(-strength, strength))


def warp_time(values: FloatArray, times: Times, strength: float, rng: np.random.Generator) -> TimedValues:
    """Parts of the motion faster or slower: the logarithm of the tempo runs on lines between random knots."""
    if len(times) < 2:
        return values, times
    knots = np.linspace(times[0], times[-1], 5)
    log_tempo = np.interp(times[1:], knots, rng.uniform(-strength, strength, size=len(knots)))
    return values, times[0] + np.append(0.0, np.cumsum(np.diff(times) * np.exp(log_tempo)))


def drop_frames(values: FloatArray, times: Times, share: float, rng: np.random.Generator) -> TimedValues:
    """Lose frames as a busy camera does, up to `share` of them; the first and the last stay, and so do all times."""
    kept = rng.random(len(values)) >= rng.uniform(0, share)
    kept[[0, -1]] = True
    return (values[kept], times[kept]) if kept.sum() >= SHORTEST else (values, times)


def scale_motion(values: FloatArray, times: Times, strength: float, rng: np.random.Generator) -> TimedValues:
    """A larger or smaller motion round the clip's median face, by a log-normal factor."""
    median = median_face(values)
    return (median + (values - median) * np.float32(np.exp(strength * rng.standard_normal()))).astype(np.float32), times
