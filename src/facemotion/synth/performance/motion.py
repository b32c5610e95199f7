"""Motions as small readable programs.

`brow_raise > wink_left@0.5 > pout_right*0.8 + jaw_open*0.3` is three steps: poses joined by `+` are made together, `>`
is "then", `*` gives strength (default 1), `@` the seconds that a step is held (default 0.45). A pose is a name of POSES
or one of the head's shapes (head.SHAPES).
"""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass, replace

import numpy as np

from facemotion.errors import MotionProgramError
from facemotion.synth.people.head import INDEX, SHAPES, FloatArray

MAX_STRENGTH = 1.5
MAX_HOLD = 5.0  # seconds
HOLD_SECONDS = 0.45  # where a program gives none
# How people choose motions; all four are guesses. Shares of motions of one, two and three steps. Shares of the groups
# of a step's first pose, in the order of GROUPS. Share of steps for which a second pose is tried: one that clashes with
# the first is given up, so that a sixth of the steps are compound. Sigma of the logarithm of holds.
STEP_SHARES = (0.3, 0.45, 0.25)
GROUP_SHARES = (0.24, 0.16, 0.1, 0.36, 0.14)
SECOND_POSE_TRIED = 0.33
HOLD_SIGMA = 0.35


def _both(shape: str, weight: float) -> dict[str, float]:
    return {shape + "_L": weight, shape + "_R": weight}


def _sided(name: str, weights: dict[str, float]) -> dict[str, dict[str, float]]:
    """Two poses from one: `weights` are of the subject's left side."""
    swap = {"_L": "_R", "_R": "_L"}
    other: dict[str, float] = {}
    for shape, weight in weights.items():
        if shape[-2:] in swap:
            other[shape[:-2] + swap[shape[-2:]]] = weight
        else:
            other[shape.replace("Left", "Right")] = weight
    return {f"{name}_left": weights, f"{name}_right": other}


POSES: dict[str, dict[str, float]] = {
    "eyes_shut": {**_both("eyeBlink", 1.0), **_both("cheekSquint", 0.2)},
    "eyes_wide": {**_both("eyeWide", 0.9), **_both("browOuterUp", 0.35), **_both("browInnerUp", 0.3)},
    "squint": {**_both("eyeSquint", 0.9), **_both("cheekSquint", 0.4), **_both("browDown", 0.3)},
    "brow_raise": {**_both("browInnerUp", 0.85), **_both("browOuterUp", 0.85), **_both("eyeWide", 0.25)},
    "brow_frown": {**_both("browDown", 0.95), **_both("eyeSquint", 0.3)},
    "brow_worry": {**_both("browInnerUp", 0.95), **_both("browDown", 0.15)},
    "nose_wrinkle": {**_both("noseSneer", 0.9), **_both("browDown", 0.4), **_both("cheekSquint", 0.35)},
    "smile": {**_both("mouthSmile", 0.8), **_both("cheekSquint", 0.4), **_both("mouthDimple", 0.15)},
    "grin": {**_both("mouthSmile", 0.85), **_both("mouthUpperUp", 0.45), **_both("cheekSquint", 0.45), "jawOpen": 0.08},
    "teeth": {**_both("mouthUpperUp", 0.7), **_both("mouthLowerDown", 0.7), **_both("mouthStretch", 0.35)},
    "frown": {**_both("mouthFrown", 0.9), "mouthShrugLower": 0.45},
    "pout": {"mouthPucker": 0.6, "mouthShrugLower": 0.5},
    "kiss": {"mouthPucker": 1.0, "mouthFunnel": 0.15},
    "funnel": {"mouthFunnel": 0.9, "jawOpen": 0.2},
    "lips_in": {"mouthRollLower": 0.75, "mouthRollUpper": 0.7, **_both("mouthPress", 0.4)},
    "lip_bite": {"mouthRollLower": 0.95, **_both("mouthUpperUp", 0.2), "jawOpen": 0.06},
    "press": {**_both("mouthPress", 0.9), **_both("mouthDimple", 0.35)},
    "stretch": {**_both("mouthStretch", 0.9), **_both("mouthLowerDown", 0.3)},
    "jaw_open": {"jawOpen": 0.6},
    "jaw_wide": {"jawOpen": 0.9, **_both("mouthLowerDown", 0.2)},
    "jaw_forward": {"jawForward": 0.9, "mouthShrugLower": 0.2},
    "cheek_puff": {**_both("cheekPuff", 0.9), **_both("mouthPress", 0.35), "mouthRollLower": 0.1},
    "chin_raise": {"mouthShrugLower": 0.9, "mouthShrugUpper": 0.5},
    "look_up": _both("eyeLookUp", 0.9),
    "look_down": {**_both("eyeLookDown", 0.8)},
    "look_left": {"eyeLookOut_L": 0.85, "eyeLookIn_R": 0.85},
    "look_right": {"eyeLookOut_R": 0.85, "eyeLookIn_L": 0.85},
    **_sided("wink", {"eyeBlink_L": 1.0, "cheekSquint_L": 0.6, "eyeSquint_L": 0.3, "mouthSmile_L": 0.2,
        "browDown_L": 0.2}),
    **_sided("brow", {"browOuterUp_L": 1.0, "browInnerUp_L": 0.5, "browDown_R": 0.35}),
    **_sided("sneer", {"noseSneer_L": 0.9, "mouthUpperUp_L": 0.8, "cheekSquint_L": 0.4}),
    **_sided("smirk", {"mouthSmile_L": 0.85, "mouthDimple_L": 0.35, "cheekSquint_L": 0.35}),
    **_sided("puff", {"cheekPuff_L": 1.0, "mouthPress_L": 0.3, "mouthPress_R": 0.2}),
    **_sided("pout", {"mouthPucker": 0.7, "mouthLeft": 0.6}),
    **_sided("mouth", {"mouthLeft": 0.85}),
    **_sided("jaw", {"jawLeft": 0.9, "mouthLeft": 0.15, "jawOpen": 0.1}),
}  # fmt: skip

# Poses of one group move the same part; a compound step takes its parts from different groups.
GROUPS: dict[str, tuple[str, ...]] = {
    "eyes": ("eyes_shut", "eyes_wide", "squint", "wink_left", "wink_right", "look_up", "look_down", "look_left",
        "look_right"),
    "brows": ("brow_raise", "brow_frown", "brow_worry", "brow_left", "brow_right"),
    "nose": ("nose_wrinkle", "sneer_left", "sneer_right"),
    "mouth": (
        "smile", "grin", "teeth", "frown", "pout", "kiss", "funnel", "lips_in", "lip_bite", "press", "stretch",
            "smirk_left",
        "smirk_right", "pout_left", "pout_right", "mouth_left", "mouth_right", "cheek_puff", "puff_left", "puff_right",
        "chin_raise",
    ),
    "jaw": ("jaw_open", "jaw_wide", "jaw_left", "jaw_right", "jaw_forward"),
}  # fmt: skip
# Parts that one mouth can't make together.
_CLASHES = ({"mouth", "jaw"}, {"nose", "mouth"}, {"eyes", "nose"})


@dataclass(frozen=True)
class Step:
    """One step: poses made together.

    Attributes:
        poses: name and strength of each; strengths are 0..1.5.
        hold: seconds at full strength, 0..5.
    """

    poses: tuple[tuple[str, float], ...]
    hold: float = HOLD_SECONDS

    def weights(self) -> FloatArray:
        """(S,) float32 weights at the apex; above 1 only where the program asks for it."""
        total = np.zeros(len(SHAPES), np.float32)
        for name, strength in self.poses:
            for shape, weight in POSES.get(name, {name: 1.0}).items():
                total[INDEX[shape]] += strength * weight
        return np.clip(total, 0, MAX_STRENGTH)

    def __str__(self) -> str:
        parts = [name if strength == 1 else f"{name}*{strength:g}" for name, strength in self.poses]
        held = "" if self.hold == HOLD_SECONDS else f"@{self.hold:g}"
        return " + ".join(parts) + held


@dataclass(frozen=True)
class Program:
    """A secret motion: steps in order."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " > ".join(str(step) for step in self.steps)


def parse_program(text: str) -> Program:
    """Read a program from its text.

    Args:
        text: steps parted by ">", see the head of this module.
    Raises:
        MotionProgramError: a pose or shape is unknown (the message suggests the nearest), or a strength or hold is out
            of range.

    >>> str(parse_program("brow_raise>wink_left@0.5 > pout_right*0.8+jaw_open"))
    'brow_raise > wink_left@0.5 > pout_right*0.8 + jaw_open'
    """
    steps = []
    for part in text.split(">"):
        body, _, hold = part.partition("@")
        poses = []
        for item in body.split("+"):
            name, _, strength = (field.strip() for field in item.partition("*"))
            if name not in POSES and name not in INDEX:
                near = difflib.get_close_matches(name, [*POSES, *INDEX], 1)
                hint = f"; did you mean {near[0]}?" if near else "; see docs/explanation/synth.md for the poses."
                raise MotionProgramError(f"Unknown pose or shape {name!r} in the motion {text!r}{hint}")
            poses.append((name, _number(strength, 1.0, MAX_STRENGTH, "strength", text)))
        steps.append(Step(tuple(poses), _number(hold.strip(), HOLD_SECONDS, MAX_HOLD, "hold", text)))
    return Program(tuple(steps))


def _number(text: str, default: float, high: float, what: str, whole: str) -> float:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= high:
        raise MotionProgramError(f"The {what} {text!r} in the motion {whole!r} must be a number from 0 to {high:g}.")
    return value


def invent_program(random: np.random.Generator, taken: set[str]) -> Program:
    """A motion as a person might choose it: one to three steps, a sixth of them compound.

    Args:
        random: generator of the person's own.
        taken: poses of the motions that it must not repeat; those of the new motion are added.
    """
    while True:
        count = int(random.choice([1, 2, 3], p=STEP_SHARES))
        steps: list[Step] = []
        for _ in range(count):
            previous = {name for name, _ in steps[-1].poses} if steps else set()
            steps.append(_invent_step(random, previous))
        program = Program(tuple(steps))
        names = " > ".join(" + ".join(sorted(name for name, _ in step.poses)) for step in steps)
        if names not in taken:
            taken.add(names)
            return program


def _invent_step(random: np.random.Generator, previous: set[str]) -> Step:
    groups = list(GROUPS)
    while True:
        first = groups[int(random.choice(len(groups), p=GROUP_SHARES))]
        chosen = [first]
        if random.random() < SECOND_POSE_TRIED:
            second = groups[int(random.integers(len(groups)))]
            if second != first and {first, second} not in _CLASHES:
                chosen.append(second)
        poses = tuple((str(random.choice(GROUPS[group])), 1.0) for group in chosen)
        if not previous & {name for name, _ in poses}:
            return Step(poses, round(float(np.exp(random.normal(np.log(HOLD_SECONDS), HOLD_SIGMA))), 2))


def near_miss(program: Program, random: np.random.Generator) -> Program:
    """The same motion with one thing wrong: the other side, the other order, or one step swapped.

    Args:
        program: the motion.
        random: generator of the near miss.
    """
    ways = []
    mirrored = [i for i, step in enumerate(program.steps) if _mirror(step) != step]
    if mirrored:
        ways.append("side")
    if len(program.steps) > 1 and program.steps[0].poses != program.steps[-1].poses:
        ways.append("order")
    ways.append("step")
    way = str(random.choice(ways))
    steps = list(program.steps)
    if way == "side":
        index = mirrored[int(random.integers(len(mirrored)))]
        steps[index] = _mirror(steps[index])
    elif way == "order":
        steps = steps[::-1]
    else:
        index = int(random.integers(len(steps)))
        steps[index] = replace(_invent_step(random, {n for s in steps for n, _ in s.poses}), hold=steps[index].hold)
    return Program(tuple(steps))


def reorder(program: Program, random: np.random.Generator) -> Program | None:
    """The hardest near miss for an encoder that doesn't look at time: the same steps in another order.

    Args:
        program: the motion.
        random: generator of the near miss.
    Returns:
        The near miss; None for a single step or steps that are all alike.
    """
    poses = [step.poses for step in program.steps]
    orders = [o for o in itertools.permutations(program.steps) if [step.poses for step in o] != poses]
    return Program(orders[int(random.integers(len(orders)))]) if orders else None


def _mirror(step: Step) -> Step:
    swap = {"_left": "_right", "_right": "_left"}
    poses = []
    for name, strength in step.poses:
        ending = next((end for end in swap if name.endswith(end)), None)
        poses.append((name if ending is None else name[: -len(ending)] + swap[ending], strength))
    return replace(step, poses=tuple(poses))
