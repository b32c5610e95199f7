"""What a face does beside the motion that it means: it trembles, strays, blinks and looks about.

Weights are worked out every `TICK`. Numbers without a reference are guesses that look right in previews.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.people.head import INDEX, SHAPES, FloatArray

TICK = 1 / 120  # seconds between the points at which a take is worked out
LIDS = ("eyeBlink_L", "eyeBlink_R")

STRAYING = 0.25  # share of shapes that stray in a take
BUSY_LID = 0.5  # weight of a blink from which on the lids are part of the motion
BUSY_BLINKS = 0.4  # factor on the rate of spontaneous blinks while the lids are part of the motion
BLINK_SECONDS = (0.16, 0.32)
BLINK_DEPTH = (0.85, 1.0)
# Shares of the time of a blink: until the lid is down, until it begins to rise, and the rise.
BLINK_CLOSED, BLINK_OPENS, BLINK_RISE = 0.35, 0.45, 0.55
GAZE_SIGMA = 0.06  # weight of eyeLook
GAZE_SECONDS, LEAST_GAZE_TICKS = 0.8, 20  # seconds: mean stay of a gaze beyond the least one; ticks: the least one
GAZE_SMOOTHING = 3  # ticks on both sides
GAZE_YIELDS = 3  # chance gazes have faded out where the motion's gaze has a weight of a third


def ease(x: NDArray[Any]) -> NDArray[Any]:
    """Minimum-jerk rise from 0 at 0 to 1 at 1.

    Reference: Flash and Hogan, The coordination of arm movements, 1985.
    """
    x = np.clip(x, 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x * x))


def smooth_noise(random: np.random.Generator, length: int, count: int, seconds: float) -> FloatArray:
    """Smooth noise: random knots, eased into one another.

    Args:
        random: generator of the noise.
        length: ticks.
        count: independent rows of noise.
        seconds: time between two knots, after which the noise has forgotten itself.
    Returns:
        (length, count) float32 of variance 1 at the knots.
    """
    knots = max(4, int(length * TICK / seconds) + 4)
    values = random.standard_normal((knots, count))
    place = random.uniform(0, 0.999) + np.arange(length) * TICK / seconds
    index = np.minimum(place.astype(int), knots - 2)
    t = ease(np.clip(place - index, 0, 1))[:, None]
    return np.asarray((1 - t) * values[index] + t * values[index + 1], np.float32)


def smoothed(values: NDArray[np.floating], ticks: int) -> NDArray[np.floating]:
    """Means (N,) of values (N,) over `ticks` on both sides; beyond an end its value continues."""
    padded = np.pad(values, ticks, mode="edge")
    return np.convolve(padded, np.ones(2 * ticks + 1) / (2 * ticks + 1), mode="valid")


def stray_mask(random: np.random.Generator) -> FloatArray:
    """(S,) how far each shape strays in a take: a few do; lids and gaze have their own habits."""
    mask = np.where(random.random(len(SHAPES)) < STRAYING, random.exponential(1.0, len(SHAPES)), 0)
    for name in SHAPES:
        if name.startswith(("eyeBlink", "eyeLook")):
            mask[INDEX[name]] = 0
    return mask.astype(np.float32)


def add_blinks(weights: NDArray[np.floating], random: np.random.Generator, rate: float) -> None:
    """Add spontaneous blinks, rarer while the lids are part of the motion.

    Args:
        weights: (N, S) weights of a take, changed.
        random: generator of the take.
        rate: blinks in a second.
    """
    lids = [INDEX[name] for name in LIDS]
    busy = weights[:, lids].max() > BUSY_LID
    length = len(weights)
    for _ in range(random.poisson(rate * length * TICK * (BUSY_BLINKS if busy else 1.0))):
        start, seconds = random.uniform(0, length * TICK), random.uniform(*BLINK_SECONDS)
        depth = random.uniform(*BLINK_DEPTH)
        t = (np.arange(length) * TICK - start) / seconds
        curve = depth * ease(t / BLINK_CLOSED) * (1 - ease((t - BLINK_OPENS) / BLINK_RISE))
        weights[:, lids] = np.maximum(weights[:, lids], curve[:, None])


def add_gaze(weights: NDArray[np.floating], random: np.random.Generator) -> None:
    """Add small saccades about the camera, both eyes together; they yield to a gaze that the motion asks for.

    Args:
        weights: (N, S) weights of a take, changed.
        random: generator of the take.
    """
    length = len(weights)
    names = [name for name in SHAPES if name.startswith("eyeLook")]
    asked = weights[:, [INDEX[name] for name in names]].max(1)
    x, y = np.zeros(length), np.zeros(length)
    tick = 0
    gaze = random.normal(0, GAZE_SIGMA, 2)
    while tick < length:
        stay = int(random.exponential(GAZE_SECONDS) / TICK) + LEAST_GAZE_TICKS
        x[tick : tick + stay], y[tick : tick + stay] = gaze
        tick += stay
        gaze = random.normal(0, GAZE_SIGMA, 2)
    free = 1 - np.clip(asked * GAZE_YIELDS, 0, 1)
    x, y = smoothed(x, GAZE_SMOOTHING) * free, smoothed(y, GAZE_SMOOTHING) * free
    for name, value in (
        ("eyeLookOut_L", x),
        ("eyeLookIn_R", x),
        ("eyeLookIn_L", -x),
        ("eyeLookOut_R", -x),
        ("eyeLookUp_L", y),
        ("eyeLookUp_R", y),
        ("eyeLookDown_L", -y),
        ("eyeLookDown_R", -y),
    ):
        weights[:, INDEX[name]] += np.maximum(value, 0).astype(np.float32)
