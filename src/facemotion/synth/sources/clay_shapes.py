"""How the clay head moves and how clay heads differ: expressions and identities as a few smooth bumps each.

Sizes were set by looking at drawings; nothing measured is behind them. Lengths are cm; `side` is 1 for the
subject's left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

MOUTH, MOUTH_HALF = (0.0, -3.4), 2.4
JAW_AXIS = (1.5, 1.0)  # y and z of the axis that the jaw turns round
JAW_OPEN = 16.0  # degrees, at weight 1
JAW_ASIDE, JAW_FORWARD = 1.0, 0.9
SEED = 20_250


@dataclass(frozen=True, eq=False)
class Skin:
    """Points that move alike: the skin, what lies in the mouth, or the eyeballs.

    Attributes:
        points: (V, 3) float64 at rest.
        closed: (V, 3) float64 with closed lids.
        lids: (2, V) float64 by which the lids of each eye are parted: above 0 the upper lid, below 0 the lower one.
        lower: (V,) bool, what the jaw carries below the gap between the lips.
        soft: skin, which expressions move; teeth and gums follow the jaw alone, eyeballs nothing.
    """

    points: Float64Array
    closed: Float64Array
    lids: Float64Array
    lower: NDArray[np.bool_]
    soft: bool = True

    @classmethod
    def inside(cls, points: Float64Array, lower: NDArray[np.bool_] | None) -> Skin:
        """What lies behind the skin.

        Args:
            points: (V, 3) float64.
            lower: (V,) bool, what the jaw carries; nothing if not given.
        """
        none = np.zeros(len(points), bool)
        return cls(points, points, np.zeros((2, len(points))), none if lower is None else lower, soft=False)


class Bump(NamedTuple):
    """A move that fades smoothly round a place.

    Attributes:
        at: x towards the moving side, and y, of its middle.
        size: distances along x and y at which it has faded to 1/e.
        move: along x towards the moving side, y and z.
        lip: "upper" or "lower" for a move of one lip alone.
    """

    at: tuple[float, float]
    size: tuple[float, float]
    move: tuple[float, float, float]
    lip: str = ""


# Of one side of the face.
SIDED: dict[str, tuple[Bump, ...]] = {
    "browDown": (Bump((2.6, 5.9), (2.4, 1.0), (-0.2, -0.7, 0.1)),),
    "browInnerUp": (Bump((1.4, 5.9), (1.5, 1.2), (0, 0.8, 0.05)),),
    "browOuterUp": (Bump((4.3, 5.9), (1.7, 1.2), (0, 0.9, 0)),),
    "cheekPuff": (Bump((4.0, -3.0), (2.2, 2.0), (0.5, 0, 1.1)),),
    "cheekRaiser": (Bump((4.0, 1.6), (2.0, 1.1), (0, 0.45, 0.2)),),
    "cheekSquint": (Bump((4.1, 1.3), (2.0, 1.2), (0, 0.5, 0.3)),),
    "eyeSquint": (Bump((3.3, 2.2), (1.6, 0.8), (0, 0.3, 0.1)),),
    "mouthDimple": (Bump((2.5, -3.4), (1.2, 1.0), (0.3, 0, -0.35)),),
    "mouthFrown": (Bump((2.4, -3.6), (1.3, 1.1), (0.1, -0.75, -0.15)),),
    "mouthLowerDown": (Bump((1.2, -3.8), (1.3, 0.9), (0, -0.75, -0.05), "lower"),),
    "mouthPress": (
        Bump((1.2, -3.0), (1.6, 0.6), (0, -0.18, -0.12), "upper"),
        Bump((1.2, -3.9), (1.6, 0.6), (0, 0.25, -0.18), "lower"),
    ),
    "mouthSmile": (
        Bump((2.6, -3.3), (1.6, 1.4), (0.75, 0.95, -0.6)),
        Bump((4.2, -0.5), (1.8, 1.6), (0.05, 0.3, 0.3)),
    ),
    "mouthStretch": (Bump((2.6, -3.6), (1.6, 1.4), (0.9, -0.3, -0.5)),),
    "mouthUpperUp": (Bump((1.1, -2.9), (1.3, 1.0), (0, 0.7, 0), "upper"),),
    "noseSneer": (
        Bump((1.2, 0.0), (1.1, 1.5), (0.05, 0.6, 0.1)),
        Bump((1.2, -2.7), (1.2, 0.9), (0, 0.35, 0), "upper"),
    ),
}
# Of both sides at once.
CENTRAL: dict[str, tuple[Bump, ...]] = {
    "mouthFunnel": (
        Bump((0, -2.8), (2.4, 1.0), (0, 0.35, 0.8), "upper"),
        Bump((0, -4.0), (2.4, 1.0), (0, -0.45, 0.8), "lower"),
    ),
    "mouthPucker": (Bump(MOUTH, (2.2, 1.4), (0, 0, 0.9)),),
    "mouthLeft": (Bump(MOUTH, (2.8, 1.7), (0.95, 0, -0.1)),),
    "mouthRight": (Bump(MOUTH, (2.8, 1.7), (-0.95, 0, -0.1)),),
    "mouthRollLower": (Bump((0, -3.8), (2.2, 0.6), (0, 0.25, -0.5), "lower"),),
    "mouthRollUpper": (Bump((0, -3.0), (2.2, 0.6), (0, -0.25, -0.5), "upper"),),
    "mouthShrugLower": (
        Bump((0, -4.6), (2.4, 1.5), (0, 0.5, 0.2), "lower"),
        Bump((0, -3.0), (1.8, 0.7), (0, 0.25, 0.1), "upper"),
    ),
    "mouthShrugUpper": (Bump((0, -2.7), (2.0, 0.9), (0, 0.4, 0.3), "upper"),),
}
# How far the corners of the mouth come together: share of their distance from the middle.
NARROWED = {"mouthFunnel": 0.3, "mouthPucker": 0.45}
# Moves of the upper and the lower lid, as a share of its distance from the middle at rest; -1 closes it to the middle.
LIDS = {
    "eyeBlink": (-1.6, -0.1),
    "eyeLookDown": (-0.6, 0.3),
    "eyeLookUp": (0.35, -0.2),
    "eyeLookIn": (0.0, 0.05),
    "eyeLookOut": (0.0, 0.05),
    "eyeSquint": (-0.3, -0.6),
    "eyeWide": (0.5, 0.15),
}
LID_ASIDE = {"eyeLookIn": -0.12, "eyeLookOut": 0.12}  # as a share of a lid's distance from the middle

# How heads differ: one standard deviation each; mirrored to the other side.
IDENTITY: tuple[tuple[Bump, ...], ...] = (
    (Bump((7.5, 0.0), (5.0, 9.0), (0.45, 0, 0)),),  # width
    (Bump((0, -7.0), (9.0, 4.5), (0, -0.45, 0)),),  # length
    (Bump((0, 8.0), (9.0, 4.5), (0, 0.35, -0.2)),),  # forehead
    (Bump((0, 0.4), (1.6, 2.4), (0, 0, 0.35)),),  # nose, how far it stands out
    (Bump((0, 0.0), (1.8, 1.6), (0, -0.3, 0.05)),),  # nose, length
    (Bump((1.2, -0.4), (0.9, 1.1), (0.22, 0, 0)),),  # nose, width
    (Bump((5.5, -4.5), (2.4, 2.6), (0.4, 0, 0)),),  # jaw, width
    (Bump((0, -6.9), (2.2, 1.4), (0, -0.15, 0.35)),),  # chin
    (Bump((3.1, 3.5), (2.4, 2.0), (0.2, 0, 0)),),  # distance of the eyes
    (Bump((2.2, -3.4), (1.8, 1.3), (0.25, 0, 0)),),  # mouth, width
    (Bump((0, -2.9), (2.4, 0.8), (0, 0.12, 0.15)), Bump((0, -4.0), (2.4, 0.8), (0, -0.12, 0.15))),  # lips
    (Bump((3.0, 6.0), (3.0, 1.2), (0, 0.25, 0.15)),),  # brows
    (Bump((4.4, 0.2), (2.2, 2.2), (0.15, 0, 0.3)),),  # cheeks
    (Bump((0, -3.4), (4.0, 3.0), (0, 0, 0.25)),),  # how far the mouth stands out
)
WAVE_SIZE = 0.05  # size of the first of the other shapes: waves over the whole head, each smaller than the last


def _fade(skin: Skin, bump: Bump, side: int) -> Float64Array:
    """Share (V,) of a bump in every point."""
    x, y = skin.closed[:, 0] * side, skin.closed[:, 1]
    share = np.exp(-(((x - bump.at[0]) / bump.size[0]) ** 2) - ((y - bump.at[1]) / bump.size[1]) ** 2)
    share = share * _smooth((skin.closed[:, 2] - 0.5) / 4.0)
    if bump.lip:
        share = share * _parted(skin) * (skin.lower == (bump.lip == "lower"))
    return np.asarray(share)


def _smooth(value: Float64Array) -> Float64Array:
    held = np.clip(value, 0, 1)
    return np.asarray(held * held * (3 - 2 * held))


def _parted(skin: Skin) -> Float64Array:
    """How far lips can part at a point: 1 in the middle of the mouth, 0 at its corners and beyond."""
    return np.sqrt(np.clip(1 - (skin.closed[:, 0] / MOUTH_HALF) ** 2, 0, 1))


def _jaw(skin: Skin) -> Float64Array:
    """Share (V,) of the jaw's move in every point."""
    if not skin.soft:
        return skin.lower.astype(np.float64)
    y, z = skin.closed[:, 1], skin.closed[:, 2]
    base = _smooth((-1.6 - y) / 4.4) * _smooth((y + 12.5) / 4.0) * (0.25 + 0.75 * _smooth(z / 6.0))
    near = _parted(skin) * np.exp(-np.abs(y - MOUTH[1]) / 1.6)
    return np.asarray(np.where(skin.lower, base + (1 - base) * near, base * (1 - near)))


def _jaw_turn(skin: Skin) -> Float64Array:
    """Move (V, 3) of an open jaw, before it is shared out."""
    turn = np.radians(JAW_OPEN)
    y, z = skin.points[:, 1] - JAW_AXIS[0], skin.points[:, 2] - JAW_AXIS[1]
    return np.stack(
        [np.zeros(len(y)), y * (np.cos(turn) - 1) - z * np.sin(turn), y * np.sin(turn) + z * (np.cos(turn) - 1)], 1
    )


def move_shape(name: str, skin: Skin) -> Float64Array:
    """Move of every point by an expression shape at weight 1.

    Args:
        name: one of `people.head.SHAPES`.
        skin: points.
    Returns:
        (V, 3) float64 cm.
    """
    jaw = _jaw(skin)[:, None]
    if name == "jawOpen":
        return jaw * _jaw_turn(skin)
    if name in ("jawLeft", "jawRight", "jawForward"):
        aside = {"jawLeft": JAW_ASIDE, "jawRight": -JAW_ASIDE}.get(name, 0.0)
        return np.asarray(jaw * [aside, 0.0, JAW_FORWARD if name == "jawForward" else 0.0])
    moved = np.zeros_like(skin.points)
    if not skin.soft:
        return moved
    if name == "mouthClose":  # the lips of an open jaw meet
        back = np.exp(-((np.abs(skin.closed[:, 1] - MOUTH[1]) / 1.3) ** 2)) * _parted(skin) * skin.lower
        return np.asarray(-0.85 * back[:, None] * jaw * _jaw_turn(skin))
    base, _, suffix = name.partition("_")
    side = {"L": 1, "R": -1}.get(suffix, 0)
    for bump in (SIDED if side else CENTRAL).get(base, ()):
        moved += _fade(skin, bump, side or 1)[:, None] * (np.array(bump.move) * [side or 1, 1, 1])
    if base in NARROWED:
        around = _fade(skin, Bump(MOUTH, (3.2, 1.6), (0, 0, 0)), 1)
        moved[:, 0] -= NARROWED[base] * around * skin.closed[:, 0]
    if base in LIDS:
        lid = skin.lids[0 if side == 1 else 1]
        moved[:, 1] += np.where(lid > 0, LIDS[base][0], LIDS[base][1]) * lid
        moved[:, 0] += side * LID_ASIDE.get(base, 0.0) * np.abs(lid)
    return moved


def move_identity(number: int, skin: Skin) -> Float64Array:
    """Move of every point by one standard deviation of an identity shape.

    Args:
        number: from 0.
        skin: points.
    Returns:
        (V, 3) float64 cm.
    """
    moved = np.zeros_like(skin.points)
    if number < len(IDENTITY):
        for bump in IDENTITY[number]:
            for side in (1, -1):
                share = _identity_fade(skin, bump, side) * (0.5 if bump.at[0] == 0 else 1.0)
                moved += share[:, None] * (np.array(bump.move) * [side, 1, 1])
        return moved
    random = np.random.default_rng([SEED, number])
    direction = random.standard_normal(3)
    phases, waves = random.uniform(0, 2 * np.pi, 2), random.uniform(0.1, 0.45, 2)
    size = WAVE_SIZE * (len(IDENTITY) / number) ** 0.8
    wave = np.cos(waves[0] * skin.closed[:, 0] + phases[0]) * np.cos(waves[1] * skin.closed[:, 1] + phases[1])
    return np.asarray(size * wave[:, None] * direction / np.linalg.norm(direction))


def _identity_fade(skin: Skin, bump: Bump, side: int) -> Float64Array:
    x, y = skin.closed[:, 0] * side, skin.closed[:, 1]
    return np.asarray(np.exp(-(((x - bump.at[0]) / bump.size[0]) ** 2) - ((y - bump.at[1]) / bump.size[1]) ** 2))
