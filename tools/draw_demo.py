"""Writes service/static/demo_head.js: the clay head as a few outlines, at rest, with one eye shut and with a pout.

    python -m tools.draw_demo

The page draws from it what a motion is. All numbers come from the head of our own making (synth/sources/clay.py), which
moves linearly: the page adds shares of the two moves to the head at rest. A test fails where the file isn't current.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.synth.people.assets import CLAY_HEAD, Assets
from facemotion.synth.people.head import INDEX, HeadModel, load_head
from facemotion.synth.sources.clay import clay_head

FILE = Path(__file__).parents[1] / "src" / "facemotion" / "service" / "static" / "demo_head.js"
TENTHS = 10  # units of the drawing in a centimetre
WINK = {"eyeBlink_L": 1.0, "cheekSquint_L": 0.7, "browDown_L": 0.6}
POUT = {"mouthPucker": 1.3, "mouthLeft": 1.5}
HAIRLINE = (7.95, 7.37, 1.5)  # half axes of an ellipse and the height of its middle, cm; as the portraits have it
LID_STEP = 3  # every third vertex of a lid is enough

Points = NDArray[np.float64]


def head_script() -> str:
    """The text of the file."""
    head = _clay()
    marks = head.landmarks
    parts = [
        ("face", True, _outline(head)),
        *(("eye", True, lids[::LID_STEP]) for lids in head.lids),
        *(("brow", False, marks[first : first + 5]) for first in (17, 22)),
        ("nose", False, marks[31:36]),
        ("lips", True, marks[48:60]),
        ("seam", False, marks[[60, 61, 62, 63, 64]]),
    ]
    lines = [
        "// Written by `python -m tools.draw_demo` from the clay head of the data engine; change that, not this file.",
        "",
        "/**",
        " * Parts of a face as a mirror shows it, in millimetres, y downwards: what it is, whether its line is closed,",
        " * and x and y of its points at rest; then how far each is moved by a wink of the left eye and by a pout to",
        " * the left, where it is.",
        " * @type {[string, boolean, number[], number[], number[]][]}",
        " */",
        "export const PARTS = [",
        *(f'  ["{kind}", {str(closed).lower()}, {_row(head, where)}],' for kind, closed, where in parts),
        "];",
        "",
        "/** Middles of both eyes. @type {[number, number][]} */",
        f"export const EYES = [{', '.join(_list(_flat(eye)) for eye in head.eyes.astype(np.float64))}];",
    ]
    return "\n".join(lines) + "\n"


def _clay() -> HeadModel:
    with tempfile.TemporaryDirectory() as folder:
        arrays: dict[str, Any] = clay_head()
        np.savez(Path(folder) / CLAY_HEAD, **arrays)
        return load_head(Assets(Path(folder)))


def _outline(head: HeadModel) -> Points:
    """Points (P, 3) of the border of the face: the jaw, and the hairline over it."""
    jaw = head.neutral[np.delete(head.landmarks[:17], (7, 9))].astype(np.float64)  # else the chin gets a point
    across, up, middle = HAIRLINE
    angles = np.linspace(0.12, 0.88, 9) * np.pi
    hairline = np.stack([across * np.cos(angles), middle + up * np.sin(angles), np.zeros(len(angles))], axis=1)
    return np.concatenate([jaw, hairline])


def _row(head: HeadModel, where: NDArray[np.generic]) -> str:
    """Points of a part and their moves: numbers of vertices, or places that nothing moves."""
    if where.ndim == 2:
        return f"{_list(_flat(where))}, [], []"
    moves = [sum(share * head.expression[INDEX[name]] for name, share in move.items()) for move in (WINK, POUT)]
    rest = _flat(head.neutral[where])
    return ", ".join([_list(rest), *(_list(_flat(np.asarray(move)[where])) for move in moves)])


def _flat(points: NDArray[np.generic]) -> list[int]:
    """x and y of points in turn, as a mirror shows them."""
    plane = np.atleast_2d(points)[:, :2].astype(np.float64) * (-TENTHS, -TENTHS)
    return [int(value) for value in np.round(plane).ravel()]


def _list(values: list[int]) -> str:
    return f"[{', '.join(map(str, values))}]" if any(values) else "[]"


if __name__ == "__main__":
    FILE.write_text(head_script(), "utf-8")
