"""What a person keeps from take to take: reach, asymmetry, tempo, what moves along.

Numbers without a reference are guesses that look right in previews.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemotion.synth.people.head import INDEX, SHAPES, FloatArray
from facemotion.synth.performance.involuntary import LIDS
from facemotion.synth.performance.spreads import Spreads

REACH_RANGE = (0.5, 1.6)  # factors on weights
DRAWS_PER_COMPANION = 3  # draws of a pair of COMPANIONS for each shape that shall move along
COMPANION_SHARE = (0.3, 1.0)  # of the most that a companion moves along
REST_SHAPES, MOST_REST = 4, 0.06  # shapes that stay on at rest, and their weight
NOD_DEGREES = (1.6, 1.2, 1.0)  # standard deviation of pitch, yaw and roll for a unit of effort
DRIFT_SIGMA = 0.4  # of the logarithm of the head's drift
SLUR_RANGE = (0.6, 1.1)  # lengths of a viseme
LIPS_SIGMA = 0.2  # of the logarithm of the size of lip movements

# Trigger, companion, and its weight at most for each unit of the trigger: the strongest couplings of the
# range-of-motion capture that the head's own shapes don't contain already.
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
        reach: (S,) float32 factors on weights, asymmetry included.
        tempo: factor on all lengths.
        companions: (S, S) float32 weight of the column's shape for each unit of the row's.
        rest: (S,) float32 weights that stay on at rest.
        nod: (3,) float32 degrees of pitch, yaw and roll for each unit of effort.
        drift: factor on the head's drift.
        slur: spread of coarticulation, lengths of a viseme.
        lips: factor on lip movements.
    """

    reach: FloatArray
    tempo: float
    companions: FloatArray
    rest: FloatArray
    nod: FloatArray
    drift: float
    slur: float
    lips: float


def make_habits(random: np.random.Generator, spreads: Spreads) -> Habits:
    """Draw a person's habits.

    Args:
        random: generator of the person's own.
        spreads: how people differ.
    """
    reach = np.exp(random.normal(0, spreads.person_reach, len(SHAPES)))
    sides = np.exp(random.normal(0, spreads.person_asymmetry / 2, len(SHAPES)))
    for left, right in _pairs():
        reach[right] = reach[left] / sides[left]
        reach[left] *= sides[left]
    for name in LIDS:  # a lid that is meant to close closes
        reach[INDEX[name]] = 1.0
    companions = np.zeros((len(SHAPES), len(SHAPES)))
    for row in random.permutation(len(COMPANIONS))[: spreads.person_companions * DRAWS_PER_COMPANION]:
        trigger, companion, most = COMPANIONS[row]
        companions[INDEX[trigger], INDEX[companion]] = most * random.uniform(*COMPANION_SHARE)
    rest = np.zeros(len(SHAPES))
    rest[random.permutation(len(SHAPES))[:REST_SHAPES]] = random.uniform(0, MOST_REST, REST_SHAPES)
    rest[[INDEX["eyeBlink_L"], INDEX["eyeBlink_R"], INDEX["jawOpen"]]] = 0
    return Habits(
        reach=np.clip(reach, *REACH_RANGE).astype(np.float32),
        tempo=float(np.exp(random.normal(0, spreads.person_tempo))),
        companions=companions.astype(np.float32),
        rest=rest.astype(np.float32),
        nod=(random.standard_normal(3) * NOD_DEGREES).astype(np.float32),
        drift=float(np.exp(random.normal(0, DRIFT_SIGMA))),
        slur=float(random.uniform(*SLUR_RANGE)),
        lips=float(np.exp(random.normal(0, LIPS_SIGMA))),
    )


def _pairs() -> list[tuple[int, int]]:
    return [(INDEX[name], INDEX[name[:-1] + "R"]) for name in SHAPES if name.endswith("_L")]
