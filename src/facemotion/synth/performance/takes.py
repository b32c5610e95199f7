"""How one person repeats one motion: never twice alike.

`habits` are what a person keeps from take to take; `make_take` is what changes between takes. Spreads were fitted as
docs/explanation/synth.md tells (`facemotion synth priors` measures them again). Other numbers without a reference are
guesses that look right in previews.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.people.head import INDEX, SHAPES, FloatArray
from facemotion.synth.performance.habits import Habits
from facemotion.synth.performance.involuntary import (
    LIDS,
    TICK,
    add_blinks,
    add_gaze,
    ease,
    smooth_noise,
    smoothed,
    stray_mask,
)
from facemotion.synth.performance.lips import Speech, articulate, spell, vary
from facemotion.synth.performance.motion import Program, Step
from facemotion.synth.performance.spreads import Spreads

# A whole minimum-jerk rise or fall in units of onset_seconds or offset_seconds. These were measured from 10% to 80% of
# the apex, which is RISE_SHARE of the whole: takes rise and fall in 1.6 x 0.427 = 0.68 of the measured time. A factor
# of 2.34 would match the measured time. But it would change the takes of every seed, those of Synth-59 too.
WHOLE = 1.6
RISE_SHARE = 0.427
FLAGS = ("flash", "other-ending", "intensity", "inconsistent", "unfinished")
FLASH, OTHER_ENDING, INTENSITY, INCONSISTENT, UNFINISHED = FLAGS
NEUTRAL, ONSET, APEX, OFFSET = range(4)  # phases of a take

# Takes. Failures on purpose are those of the paper's section 4.2; how large they are is ours.
WEAK, STRONG, WEAK_SHARE = 0.45, 1.45, 0.6  # factors on the size of a take of other intensity; share of weak ones
FLASH_TEMPO = 0.45  # factor on the lengths in a flash
FLASH_TAIL = 2.6  # neutral time of a flash over its active time: more than 70% of the frames are neutral
LEAD_SECONDS, TAIL_SECONDS = (0.25, 0.8), (0.25, 0.7)  # of rest before and after the motion
CUT_TAIL = 0.03  # seconds after a take that stops at the apex
LEAST_SECONDS = 0.9  # length of a take
COMPANIONS_KEPT = 0.6  # least share of a person's companion movements that a take has
EFFORT = 1.5  # sum of weights that counts as a whole effort of the head
TREMOR_SECONDS, TREMOR_SIZE = 0.25, 2  # seconds after which a tremor is independent; noise over the measured figure
STRAY_SECONDS, DRIFT_SECONDS = 0.9, 1.1  # the same for stray movements, and for the head's drift
ROLL_DRIFT = 0.6  # drift of roll, over that of pitch and yaw
NOD_SMOOTHING, NOD_SHARE = 12, (0.5, 1.2)  # ticks on both sides; share of a person's nod that a take has
MOST_WEIGHT, MOST_HEAD_DEGREES = 1.3, 18

# Steps of a program.
LEFT_OUT = 0.5  # share of inconsistent takes of several steps that leave one out; the others turn the order round
UNFINISHED_SIZE = 0.5
SHUT_LID = 0.7  # weight of a blink from which on a step closes the lid
LID_LEAST, LID_BY_SIZE = 0.55, 0.6  # weight of a blink that a step asks for: of size 0, and for each unit of size
ENDLESS = 9.0  # seconds of the last fall of a take that stops at the apex
OVERLAP = (0.35, 1.1)  # of a fall: people start the next step while the last one still fades, or pause
MOST_APEX = 1.25
SAG, LEAST_SAG_SECONDS = 0.12, 0.2  # share of an apex lost while it is held; shortest hold that counts
AFTER = 0.5  # seconds worked out after the last step

# Speech.
HESITATION = 0.35  # seconds
CUT_SPEECH = 0.75  # share of a phrase that a take with another ending speaks
SPEECH_AFTER, SPEECH_END = 0.3, 0.15  # seconds worked out after a phrase, and until the lips rest
SLUR_SIGMA = 0.1  # of the logarithm, from take to take
SPEECH_EDGE, SPEECH_FALL = 0.1, 0.12  # seconds round the first sound that are onset; after the last one that are offset


@dataclass(frozen=True, eq=False)
class Take:
    """One performance, as a function of time.

    Attributes:
        times: (N,) float64 seconds, TICK apart, from 0.
        weights: (N, S) float32, 0..MOST_WEIGHT.
        head: (N, 3) float32 degrees of pitch (up), yaw (to the subject's left), roll; relative to the session's pose.
        phase: (N,) uint8, 0 neutral, 1 onset, 2 apex, 3 offset.
        flags: those of FLAGS that tell what went wrong on purpose.
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


@dataclass(frozen=True, eq=False)
class _Manner:
    """How one take is made, whatever the motion.

    Attributes:
        tempo: factor on all lengths.
        size: factor on all weights.
        lead: seconds of rest before the motion.
        flags: what goes wrong on purpose; steps add to it.
    """

    tempo: float
    size: float
    lead: float
    flags: list[str]


class _StepCourse(NamedTuple):
    """One step over time: seconds of its start, onset, hold and offset, and the weights (S,) at its apex."""

    start: float
    onset: float
    hold: float
    offset: float
    apex: FloatArray

    @property
    def held_until(self) -> float:
        """Seconds at which the offset begins."""
        return self.start + self.onset + self.hold


def make_take(motion: Program | Speech | str, habits: Habits, spreads: Spreads, random: np.random.Generator) -> Take:
    """Perform a motion once.

    Args:
        motion: a program, or a lip movement as its words or its sounds.
        habits: those of the performer.
        spreads: how takes differ.
        random: generator of the take's own.
    Raises:
        MotionProgramError: a word isn't in the packaged dictionary.
    """
    if isinstance(motion, str):
        motion = spell(motion)
    manner = _draw_manner(isinstance(motion, Speech), habits, spreads, random)
    if isinstance(motion, Speech):
        weights, phase, end = _speak(motion, habits, spreads, manner, random)
    else:
        weights, phase, end = _perform(motion, habits, spreads, manner, random)
    tail = CUT_TAIL if OTHER_ENDING in manner.flags else float(random.uniform(*TAIL_SECONDS))
    if FLASH in manner.flags:
        active = float((phase > NEUTRAL).sum()) * TICK
        tail = max(tail, active * FLASH_TAIL - manner.lead)
    length = max(int((end + tail) / TICK), int(LEAST_SECONDS / TICK)) + 1
    weights, phase = _resize(weights, length), _resize(phase, length)
    # In float64: a digest of what follows must not hang on how a processor adds up float32.
    weights = weights.astype(np.float64)
    along = COMPANIONS_KEPT + (1 - COMPANIONS_KEPT) * random.random()
    weights += weights @ habits.companions.astype(np.float64) * along
    effort = np.clip(weights.sum(1) / EFFORT, 0, 1)
    tremor = smooth_noise(random, length, len(SHAPES), TREMOR_SECONDS)
    weights = weights * (1 + tremor * spreads.tremor * TREMOR_SIZE)
    strays = smooth_noise(random, length, len(SHAPES), STRAY_SECONDS)
    weights += np.abs(strays) * spreads.stray * stray_mask(random) + habits.rest
    add_blinks(weights, random, spreads.blinks)
    add_gaze(weights, random)
    drift = [spreads.head_degrees, spreads.head_degrees, spreads.head_degrees * ROLL_DRIFT]
    head = smooth_noise(random, length, 3, DRIFT_SECONDS) * drift
    nods = np.outer(smoothed(effort, NOD_SMOOTHING), habits.nod)
    head = head * habits.drift + nods * (spreads.nods * random.uniform(*NOD_SHARE))
    return Take(
        times=np.arange(length, dtype=np.float64) * TICK,
        weights=np.clip(weights, 0, MOST_WEIGHT).astype(np.float32),
        head=np.clip(head, -MOST_HEAD_DEGREES, MOST_HEAD_DEGREES).astype(np.float32),
        phase=phase,
        flags=tuple(manner.flags),
    )


def _draw_manner(spoken: bool, habits: Habits, spreads: Spreads, random: np.random.Generator) -> _Manner:
    flags: list[str] = []
    for name, share in (
        (FLASH, spreads.flash),
        (OTHER_ENDING, spreads.other_ending),
        (INTENSITY, spreads.other_intensity),
        (INCONSISTENT, spreads.inconsistent),
    ):
        if random.random() < share:
            flags.append(name)
    tempo = habits.tempo * float(np.exp(random.normal(0, spreads.speech.tempo if spoken else spreads.take_tempo)))
    size = float(np.exp(random.normal(0, spreads.take_intensity)))
    if INTENSITY in flags:
        size *= WEAK if random.random() < WEAK_SHARE else STRONG
    if FLASH in flags:
        tempo *= FLASH_TEMPO
    return _Manner(tempo, size, random.uniform(*LEAD_SECONDS), flags)


def _perform(
    program: Program, habits: Habits, spreads: Spreads, manner: _Manner, random: np.random.Generator
) -> tuple[FloatArray, NDArray[np.uint8], float]:
    """Weights (N, S) and phases (N,) of a program, and the seconds at which it has ended."""
    cut = OTHER_ENDING in manner.flags
    order = _order(len(program.steps), manner, random)
    start = manner.lead
    courses: list[_StepCourse] = []
    for place, index in enumerate(order):
        step = program.steps[index]
        last = place == len(order) - 1
        # Three of the four are used. To draw one fewer would change the takes of every seed.
        timing = np.exp(random.normal(0, spreads.step_timing, 4)) * manner.tempo
        apex = _apex(step, habits, spreads, manner, random)
        offset = ENDLESS if last and cut else spreads.offset_seconds * WHOLE * timing[2]
        course = _StepCourse(start, spreads.onset_seconds * WHOLE * timing[0], step.hold * timing[1], offset, apex)
        courses.append(course)
        start += course.onset + course.hold + course.offset * float(random.uniform(*OVERLAP)) * (0 if last else 1)
    end = courses[-1].held_until + (0 if cut else courses[-1].offset)
    times = np.arange(int((end + AFTER) / TICK) + 1) * TICK
    weights = np.zeros((len(times), len(SHAPES)), np.float32)
    phase = np.zeros(len(times), np.uint8)
    for begin, onset, hold, offset, apex in courses:
        rise = ease((times - begin) / onset)
        fall = 1 - ease((times - begin - onset - hold) / offset)
        sag = 1 - SAG * np.clip((times - begin - onset) / max(hold, LEAST_SAG_SECONDS), 0, 1)
        weights = np.maximum(weights, (rise * fall * sag)[:, None].astype(np.float32) * apex)
        phase[(times >= begin) & (times < begin + onset)] = ONSET
        phase[(times >= begin + onset) & (times < begin + onset + hold)] = APEX
        phase[(times >= begin + onset + hold) & (times < begin + onset + hold + offset)] = OFFSET
    return weights, phase, end


def _order(count: int, manner: _Manner, random: np.random.Generator) -> list[int]:
    """Steps in the order in which a take makes them."""
    order = list(range(count))
    if INCONSISTENT not in manner.flags:
        return order
    if count == 1:
        return [0, 0]
    if random.random() < LEFT_OUT:
        order.pop(int(random.integers(count)))
        return order
    return order[::-1]


def _apex(step: Step, habits: Habits, spreads: Spreads, manner: _Manner, random: np.random.Generator) -> FloatArray:
    """Weights (S,) at the apex of a step; notes a step that isn't finished."""
    wanted = step.weights()
    apex = wanted * habits.reach * np.exp(random.normal(0, spreads.shape_intensity, len(SHAPES)))
    factor = manner.size * float(np.exp(random.normal(0, spreads.step_intensity)))
    if random.random() < spreads.unfinished:
        factor *= UNFINISHED_SIZE
        if UNFINISHED not in manner.flags:
            manner.flags.append(UNFINISHED)
    apex = apex * factor
    for name in LIDS:  # lids meet or they don't; strength shows in the squeeze
        if wanted[INDEX[name]] > SHUT_LID:
            apex[INDEX[name]] = min(1.0, LID_LEAST + LID_BY_SIZE * factor)
    return np.asarray(np.clip(apex, 0, MOST_APEX), np.float32)


def _speak(
    speech: Speech, habits: Habits, spreads: Spreads, manner: _Manner, random: np.random.Generator
) -> tuple[FloatArray, NDArray[np.uint8], float]:
    """Weights (N, S) and phases (N,) of a phrase, and the seconds at which it has ended."""
    spoken, lead, count = spreads.speech, manner.lead, len(speech.seconds)
    seconds = speech.seconds * (manner.tempo * spoken.pace) * np.exp(random.normal(0, spreads.step_timing, count))
    if INCONSISTENT in manner.flags:
        seconds[int(random.integers(count))] += HESITATION
    size = 1 - spoken.size + spoken.size * manner.size
    effort = np.exp(random.normal(0, spreads.step_intensity, count)) * size * habits.lips
    length = float(seconds.sum())
    end = lead + length
    cut = lead + CUT_SPEECH * length if OTHER_ENDING in manner.flags else end + SPEECH_AFTER
    times = np.arange(int(cut / TICK) + 1) * TICK
    slur = habits.slur * spoken.slur * float(np.exp(random.normal(0, SLUR_SIGMA)))
    varied = vary(speech, spoken, random)
    weights = (
        articulate(varied, seconds.astype(np.float32), lead, times, slur, effort.astype(np.float32)) * habits.reach
    )
    phase = np.zeros(len(times), np.uint8)
    phase[(times >= lead - SPEECH_EDGE) & (times < lead + SPEECH_EDGE)] = ONSET
    phase[(times >= lead + SPEECH_EDGE) & (times < end - SPEECH_EDGE)] = APEX
    phase[(times >= end - SPEECH_EDGE) & (times < end + SPEECH_FALL)] = OFFSET
    return weights.astype(np.float32), phase, min(cut, end + SPEECH_END)


def _resize(values: NDArray[Any], length: int) -> NDArray[Any]:
    """Cut, or hold the last row."""
    if length <= len(values):
        return values[:length].copy()
    return np.concatenate([values, np.repeat(values[-1:], length - len(values), axis=0)])
