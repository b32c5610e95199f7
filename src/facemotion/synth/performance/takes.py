"""How one person repeats one motion: never twice alike.

`Habits` is what a person keeps from take to take (reach, asymmetry, tempo, what moves along); `make_take` is what
changes between takes. Spreads were fitted as docs/synth.md tells (`facemotion synth priors` measures them again).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.config import option
from facemotion.synth.people.head import INDEX, SHAPES, FloatArray
from facemotion.synth.performance.lips import Speech, SpeechSpreads, articulate, spell, vary
from facemotion.synth.performance.motion import Program

TICK = 1 / 120  # seconds between the points at which a take is worked out
# A whole minimum-jerk rise or fall in units of onset_seconds or offset_seconds. These were measured from 10% to 80% of
# the apex, which is RISE_SHARE of the whole: takes rise and fall in 1.6 x 0.427 = 0.68 of the measured time. A factor
# of 2.34 would meet it, but takes of every seed, Synth-59's too, would be others.
WHOLE = 1.6
RISE_SHARE = 0.427
FLAGS = ("flash", "other-ending", "intensity", "inconsistent", "unfinished")


@dataclass(frozen=True)
class Spreads:
    """Spreads of people and takes; sigmas are of the logarithm."""

    onset_seconds: float = option(
        0.23,
        "median rise of a step as captured, 10% to 80%; simulated ones take 0.68 of it",
        unit="s",
        minimum=0.05,
        maximum=1,
    )
    offset_seconds: float = option(
        0.27,
        "median fall of a step as captured, 80% to 10%; simulated ones take 0.68 of it",
        unit="s",
        minimum=0.05,
        maximum=1,
    )
    person_tempo: float = option(0.2, "sigma of a person's tempo", minimum=0, maximum=1)
    person_reach: float = option(0.22, "sigma of how far a person moves a shape", minimum=0, maximum=1)
    person_asymmetry: float = option(0.16, "sigma of left against right", minimum=0, maximum=1)
    person_companions: int = option(4, "shapes that move along with others", minimum=0, maximum=20)
    take_intensity: float = option(0.2, "sigma of a take's size", minimum=0, maximum=1)
    step_intensity: float = option(0.14, "sigma of a step's size within a take", minimum=0, maximum=1)
    shape_intensity: float = option(0.12, "sigma of a shape's size within a step", minimum=0, maximum=1)
    take_tempo: float = option(0.16, "sigma of a take's tempo", minimum=0, maximum=1)
    step_timing: float = option(0.2, "sigma of each length within a take", minimum=0, maximum=1)
    tremor: float = option(0.023, "standard deviation of a held weight, relative", minimum=0, maximum=0.2)
    stray: float = option(0.025, "mean size of movements that mean nothing", minimum=0, maximum=0.2)
    blinks: float = option(0.22, "spontaneous blinks", unit="1/s", minimum=0, maximum=2)
    head_degrees: float = option(
        2.2, "standard deviation of the head's drift within a take", unit="degrees", minimum=0, maximum=10
    )
    flash: float = option(0.05, "share of takes of over 70% neutral", minimum=0, maximum=1)
    other_ending: float = option(0.05, "share of takes that stop at the apex", minimum=0, maximum=1)
    other_intensity: float = option(0.05, "share of takes much weaker or stronger", minimum=0, maximum=1)
    inconsistent: float = option(
        0.04, "share of takes with a step left out, repeated or out of order", minimum=0, maximum=1
    )
    unfinished: float = option(0.04, "share of steps that reach half their size", minimum=0, maximum=1)
    speech: SpeechSpreads = field(default_factory=SpeechSpreads)


# Trigger, companion and how much of it at most: the strongest couplings of the range-of-motion capture that the head's
# own shapes don't hold already.
COMPANIONS = (
    ("eyeBlink_L", "cheekSquint_L", 0.45), ("eyeBlink_R", "cheekSquint_R", 0.45), ("eyeBlink_L", "mouthSmile_L", 0.25),
    ("eyeBlink_R", "mouthSmile_R", 0.25), ("eyeBlink_L", "browDown_L", 0.4), ("eyeBlink_R", "browDown_R", 0.4),
    ("eyeBlink_L", "eyeSquint_R", 0.35), ("eyeBlink_R", "eyeSquint_L", 0.35), ("eyeBlink_L", "jawLeft", 0.12),
    ("mouthSmile_L", "cheekSquint_L", 0.45), ("mouthSmile_R", "cheekSquint_R", 0.45), ("mouthSmile_L", "eyeSquint_L",
    0.3),
    ("mouthSmile_R", "browOuterUp_R", 0.25), ("mouthSmile_R", "eyeSquint_R", 0.3), ("mouthPress_L", "browDown_L", 0.4),
    ("mouthPress_R", "browDown_R", 0.4), ("mouthPress_L", "mouthDimple_L", 0.4), ("mouthPress_R", "mouthShrugLower",
    0.4),
    ("noseSneer_L", "browDown_L", 0.45), ("noseSneer_R", "browDown_R", 0.45), ("noseSneer_L", "eyeSquint_L", 0.4),
    ("noseSneer_R", "mouthUpperUp_R", 0.4), ("mouthPucker", "browInnerUp_L", 0.2), ("mouthPucker", "eyeSquint_L", 0.15),
    ("mouthPucker", "jawForward", 0.25), ("mouthLeft", "cheekSquint_L", 0.3), ("mouthRight", "cheekSquint_R", 0.3),
    ("mouthLeft", "mouthDimple_L", 0.35), ("mouthRight", "mouthDimple_R", 0.35), ("jawOpen", "browInnerUp_L", 0.3),
    ("jawOpen", "browInnerUp_R", 0.3), ("jawOpen", "mouthLowerDown_L", 0.4), ("jawOpen", "eyeWide_L", 0.3),
    ("jawLeft", "mouthLeft", 0.4), ("jawRight", "mouthRight", 0.4), ("jawLeft", "eyeSquint_L", 0.2),
    ("browInnerUp_L", "eyeWide_L", 0.4), ("browInnerUp_R", "eyeWide_R", 0.4), ("browOuterUp_L", "mouthShrugUpper",
    0.15),
    ("browDown_L", "noseSneer_L", 0.35), ("browDown_R", "noseSneer_R", 0.35), ("browDown_L", "mouthPress_L", 0.25),
    ("cheekPuff_L", "browInnerUp_L", 0.25), ("cheekPuff_R", "eyeWide_R", 0.25), ("mouthFunnel", "browInnerUp_R", 0.2),
    ("mouthFrown_L", "browDown_L", 0.3), ("mouthFrown_R", "browInnerUp_R", 0.3), ("mouthStretch_L", "jawOpen", 0.2),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Habits:
    """What a person keeps from take to take.

    Attributes:
        reach: (S,) factors on weights, asymmetry included. tempo: factor on all lengths.
        companions: (S, S) weight of column's shape per unit of row's.
        rest: (S,) weights that stay on at rest.
        nod: (3,) degrees of pitch, yaw, roll per unit of effort. still: factor on the head's drift.
        slur: spread of coarticulation. lips: factor on lip movements.
    """

    reach: FloatArray
    tempo: float
    companions: FloatArray
    rest: FloatArray
    nod: FloatArray
    still: float
    slur: float
    lips: float


def make_habits(random: np.random.Generator, spreads: Spreads) -> Habits:
    """Draw a person's habits."""
    reach = np.exp(random.normal(0, spreads.person_reach, len(SHAPES)))
    sides = np.exp(random.normal(0, spreads.person_asymmetry / 2, len(SHAPES)))
    for left, right in _pairs():
        reach[right] = reach[left] / sides[left]
        reach[left] *= sides[left]
    for name in ("eyeBlink_L", "eyeBlink_R"):  # a lid that is told to close closes
        reach[INDEX[name]] = 1.0
    companions = np.zeros((len(SHAPES), len(SHAPES)))
    for row in random.permutation(len(COMPANIONS))[: spreads.person_companions * 3]:
        trigger, companion, most = COMPANIONS[row]
        companions[INDEX[trigger], INDEX[companion]] = most * random.uniform(0.3, 1.0)
    rest = np.zeros(len(SHAPES))
    rest[random.permutation(len(SHAPES))[:4]] = random.uniform(0, 0.06, 4)
    rest[[INDEX["eyeBlink_L"], INDEX["eyeBlink_R"], INDEX["jawOpen"]]] = 0
    return Habits(
        np.clip(reach, 0.5, 1.6).astype(np.float32),
        float(np.exp(random.normal(0, spreads.person_tempo))),
        companions.astype(np.float32),
        rest.astype(np.float32),
        (random.standard_normal(3) * [1.6, 1.2, 1.0]).astype(np.float32),
        float(np.exp(random.normal(0, 0.4))),
        float(random.uniform(0.6, 1.1)),
        float(np.exp(random.normal(0, 0.2))),
    )


def _pairs() -> list[tuple[int, int]]:
    return [(INDEX[name], INDEX[name[:-1] + "R"]) for name in SHAPES if name.endswith("_L")]


@dataclass(frozen=True, eq=False)
class Take:
    """One performance, as a function of time.

    Attributes:
        times: (N,) float64 seconds, TICK apart, from 0. weights: (N, S) float32, 0..1.5.
        head: (N, 3) float32 degrees of pitch (up), yaw (to the subject's left), roll; relative to the session's pose.
        phase: (N,) uint8, 0 neutral, 1 onset, 2 apex, 3 offset.
        flags: of FLAGS, what went wrong on purpose.
    """

    times: NDArray[np.float64]
    weights: FloatArray
    head: FloatArray
    phase: NDArray[np.uint8]
    flags: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length."""
        return float(self.times[-1])


def make_take(motion: Program | Speech | str, habits: Habits, spreads: Spreads, random: np.random.Generator) -> Take:
    """Perform a motion once.

    Args:
        motion: a program, or a lip movement as its words or its sounds.
    """
    if isinstance(motion, str):
        motion = spell(motion)
    flags: list[str] = []
    for name, share in (
        ("flash", spreads.flash),
        ("other-ending", spreads.other_ending),
        ("intensity", spreads.other_intensity),
        ("inconsistent", spreads.inconsistent),
    ):
        if random.random() < share:
            flags.append(name)
    varies = spreads.speech.tempo if isinstance(motion, Speech) else spreads.take_tempo
    tempo = habits.tempo * float(np.exp(random.normal(0, varies)))
    size = float(np.exp(random.normal(0, spreads.take_intensity)))
    if "intensity" in flags:
        size *= 0.45 if random.random() < 0.6 else 1.45
    if "flash" in flags:
        tempo *= 0.45
    lead = random.uniform(0.25, 0.8)
    if isinstance(motion, Speech):
        weights, phase, end = _speak(motion, habits, spreads, random, tempo, size, lead, flags)
    else:
        weights, phase, end = _perform(motion, habits, spreads, random, tempo, size, lead, flags)
    tail = 0.03 if "other-ending" in flags else float(random.uniform(0.25, 0.7))
    if "flash" in flags:
        active = float((phase > 0).sum()) * TICK
        tail = max(tail, active * 2.6 - lead)
    length = max(int((end + tail) / TICK), int(0.9 / TICK)) + 1
    weights, phase = _resize(weights, length), _resize(phase, length)
    # In float64: a digest of what follows must not hang on how a processor adds up float32.
    weights = weights.astype(np.float64)
    weights += weights @ habits.companions.astype(np.float64) * (0.6 + 0.4 * random.random())
    effort = np.clip(weights.sum(1) / 1.5, 0, 1)
    weights = weights * (1 + _noise(random, length, len(SHAPES), 0.25) * spreads.tremor * 2)
    weights += np.abs(_noise(random, length, len(SHAPES), 0.9)) * spreads.stray * _stray_mask(random) + habits.rest
    _blink(weights, random, spreads)
    _gaze(weights, random)
    head = _noise(random, length, 3, 1.1) * [spreads.head_degrees, spreads.head_degrees, spreads.head_degrees * 0.6]
    head = head * habits.still + np.outer(_smooth(effort, 12), habits.nod) * random.uniform(0.5, 1.2)
    return Take(
        np.arange(length, dtype=np.float64) * TICK,
        np.clip(weights, 0, 1.3).astype(np.float32),
        np.clip(head, -18, 18).astype(np.float32),
        phase,
        tuple(flags),
    )


def _perform(
    program: Program,
    habits: Habits,
    spreads: Spreads,
    random: np.random.Generator,
    tempo: float,
    size: float,
    lead: float,
    flags: list[str],
) -> tuple[FloatArray, NDArray[np.uint8], float]:
    order = list(range(len(program.steps)))
    if "inconsistent" in flags:
        if len(order) == 1:
            order = [0, 0]
        elif random.random() < 0.5:
            order.pop(int(random.integers(len(order))))
        else:
            order = order[::-1]
    start = lead
    rows: list[tuple[float, float, float, float, FloatArray]] = []
    for place, index in enumerate(order):
        step = program.steps[index]
        vary = np.exp(random.normal(0, spreads.step_timing, 4)) * tempo
        onset, hold, offset = (
            spreads.onset_seconds * WHOLE * vary[0],
            step.hold * vary[1],
            spreads.offset_seconds * WHOLE * vary[2],
        )
        apex = step.weights() * habits.reach * np.exp(random.normal(0, spreads.shape_intensity, len(SHAPES)))
        factor = size * float(np.exp(random.normal(0, spreads.step_intensity)))
        if random.random() < spreads.unfinished:
            factor *= 0.5
            if "unfinished" not in flags:
                flags.append("unfinished")
        apex = apex * factor
        for name in ("eyeBlink_L", "eyeBlink_R"):  # lids meet or they don't; strength shows in the squeeze
            if step.weights()[INDEX[name]] > 0.7:
                apex[INDEX[name]] = min(1.0, 0.55 + 0.6 * factor)
        last = place == len(order) - 1
        if last and "other-ending" in flags:
            offset = 9.0
        rows.append((start, onset, hold, offset, np.clip(apex, 0, 1.25).astype(np.float32)))
        # People start the next step while the last one still fades, or pause.
        start += onset + hold + offset * float(random.uniform(0.35, 1.1)) * (0 if last else 1)
    start_, onset, hold, offset, _ = rows[-1]
    end = start_ + onset + hold + (0 if "other-ending" in flags else offset)
    times = np.arange(int((end + 0.5) / TICK) + 1) * TICK
    weights = np.zeros((len(times), len(SHAPES)), np.float32)
    phase = np.zeros(len(times), np.uint8)
    for begin, onset, hold, offset, apex in rows:
        rise = _ease((times - begin) / onset)
        fall = 1 - _ease((times - begin - onset - hold) / offset)
        sag = 1 - 0.12 * np.clip((times - begin - onset) / max(hold, 0.2), 0, 1)
        weights = np.maximum(weights, (rise * fall * sag)[:, None].astype(np.float32) * apex)
        phase[(times >= begin) & (times < begin + onset)] = 1
        phase[(times >= begin + onset) & (times < begin + onset + hold)] = 2
        phase[(times >= begin + onset + hold) & (times < begin + onset + hold + offset)] = 3
    return weights, phase, end


def _speak(
    speech: Speech,
    habits: Habits,
    spreads: Spreads,
    random: np.random.Generator,
    tempo: float,
    size: float,
    lead: float,
    flags: list[str],
) -> tuple[FloatArray, NDArray[np.uint8], float]:
    manner = spreads.speech
    count = len(speech.seconds)
    seconds = speech.seconds * (tempo * manner.pace) * np.exp(random.normal(0, spreads.step_timing, count))
    if "inconsistent" in flags:  # a hesitation
        seconds[int(random.integers(count))] += 0.35
    effort = (
        np.exp(random.normal(0, spreads.step_intensity, count)) * (1 - manner.size + manner.size * size) * habits.lips
    )
    end = lead + float(seconds.sum())
    cut = lead + 0.75 * float(seconds.sum()) if "other-ending" in flags else end + 0.3
    times = np.arange(int(cut / TICK) + 1) * TICK
    slur = habits.slur * manner.slur * float(np.exp(random.normal(0, 0.1)))
    spoken = vary(speech, manner, random)
    weights = (
        articulate(spoken, seconds.astype(np.float32), lead, times, slur, effort.astype(np.float32)) * habits.reach
    )
    phase = np.zeros(len(times), np.uint8)
    phase[(times >= lead - 0.1) & (times < lead + 0.1)] = 1
    phase[(times >= lead + 0.1) & (times < end - 0.1)] = 2
    phase[(times >= end - 0.1) & (times < end + 0.12)] = 3
    return weights.astype(np.float32), phase, min(cut, end + 0.15)


def _resize(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Cut, or hold the last row."""
    if length <= len(values):
        return values[:length].copy()
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])


def _ease(x: NDArray[Any]) -> NDArray[Any]:
    """Minimum-jerk rise from 0 to 1 (Flash and Hogan, 1985)."""
    x = np.clip(x, 0, 1)
    return np.asarray(x**3 * (10 - 15 * x + 6 * x * x))


def _noise(random: np.random.Generator, length: int, count: int, seconds: float) -> FloatArray:
    """(length, count) smooth noise of unit variance that forgets itself in `seconds`: cubic-smoothed random knots."""
    knots = max(4, int(length * TICK / seconds) + 4)
    values = random.standard_normal((knots, count))
    place = random.uniform(0, 0.999) + np.arange(length) * TICK / seconds
    index = np.minimum(place.astype(int), knots - 2)
    t = _ease(np.clip(place - index, 0, 1))[:, None]
    return np.asarray((1 - t) * values[index] + t * values[index + 1], np.float32)


def _smooth(values: NDArray[np.floating], ticks: int) -> NDArray[np.floating]:
    padded = np.pad(values, ticks, mode="edge")
    return np.convolve(padded, np.ones(2 * ticks + 1) / (2 * ticks + 1), mode="valid")


def _stray_mask(random: np.random.Generator) -> FloatArray:
    """A few shapes stray in each take; lids and gaze have their own habits."""
    mask = np.where(random.random(len(SHAPES)) < 0.25, random.exponential(1.0, len(SHAPES)), 0)
    for name in SHAPES:
        if name.startswith(("eyeBlink", "eyeLook")):
            mask[INDEX[name]] = 0
    return mask.astype(np.float32)


def _blink(weights: FloatArray, random: np.random.Generator, spreads: Spreads) -> None:
    """Spontaneous blinks, rarer while the lids are part of the motion."""
    lids = [INDEX["eyeBlink_L"], INDEX["eyeBlink_R"]]
    busy = weights[:, lids].max() > 0.5
    length = len(weights)
    for _ in range(random.poisson(spreads.blinks * length * TICK * (0.4 if busy else 1.0))):
        start, seconds = random.uniform(0, length * TICK), random.uniform(0.16, 0.32)
        depth = random.uniform(0.85, 1.0)
        t = (np.arange(length) * TICK - start) / seconds
        curve = depth * _ease(t / 0.35) * (1 - _ease((t - 0.45) / 0.55))
        weights[:, lids] = np.maximum(weights[:, lids], curve[:, None])


def _gaze(weights: FloatArray, random: np.random.Generator) -> None:
    """Small saccades about the camera, both eyes together; they yield to a gaze that the motion asks for."""
    length = len(weights)
    names = [name for name in SHAPES if name.startswith("eyeLook")]
    asked = weights[:, [INDEX[name] for name in names]].max(1)
    x, y = np.zeros(length), np.zeros(length)
    tick = 0
    at = random.normal(0, 0.06, 2)
    while tick < length:
        stay = int(random.exponential(0.8) / TICK) + 20
        x[tick : tick + stay], y[tick : tick + stay] = at
        tick += stay
        at = random.normal(0, 0.06, 2)
    x, y = _smooth(x, 3) * (1 - np.clip(asked * 3, 0, 1)), _smooth(y, 3) * (1 - np.clip(asked * 3, 0, 1))
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
