"""Grammatical Facial Expressions of the UCI repository: tracked points of two people who repeat nine expressions.

`a_affirmative_datapoints.txt` holds a heading and one row a frame: the time, then x, y (pixels) and z (millimetres) of
each of 100 points. `a_affirmative_targets.txt` says of each frame whether the expression is shown. Each stretch of
frames that show it is a take. Frames came unevenly, and some of them late. Takes with a hole are left out; the others
are interpolated to one rate. The data set: Freitas, Peres, Lima and Barbosa, Grammatical Facial Expressions
Recognition with Machine Learning, FLAIRS 2014.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.series.base import LONGEST_STEP, PointSeries
from facemotion.errors import SeriesFormatError
from facemotion.signals import interpolate
from facemotion.types import ClipKind

POINTS = 100
EYES = (slice(0, 8), slice(8, 16))  # points round each eye
AROUND = 0.4  # seconds before and after a stretch that belong to its take
SHORTEST = 0.5  # seconds of a take
RATE = 15.0  # frames/s of takes; the recordings have 9 to 23, unevenly
MILLISECONDS = 1.0  # times with longer steps are in milliseconds; others are in seconds
NAMES = tuple(f"gfe.{number}" for number in range(POINTS))
_FILE = re.compile(r"([ab])_(\w+)_datapoints")


def read_expressions(folder: Path) -> list[PointSeries]:
    """All takes of a folder.

    Args:
        folder: holds the text files, as they are published.
    Raises:
        SeriesFormatError: no such file, one without its targets, or rows that aren't as the module says.
        SeriesError: see PointSeries.
    """
    found = [
        (path, match) for path in sorted(folder.rglob("*_datapoints.txt")) if (match := _FILE.fullmatch(path.stem))
    ]
    if not found:
        raise SeriesFormatError(f"{folder} holds no file such as a_affirmative_datapoints.txt.")
    return [series for path, match in found for series in _takes(path, match[1], match[2])]


def _takes(path: Path, subject: str, expression: str) -> list[PointSeries]:
    targets = path.with_name(path.name.replace("_datapoints", "_targets"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty file, which is named below
            rows = np.loadtxt(path, skiprows=1, ndmin=2)
            shown = np.loadtxt(targets, ndmin=1) > 0
    except (OSError, ValueError) as error:
        raise SeriesFormatError(f"{path} and {targets.name} can't be read: {error}.") from error
    if rows.shape[1] != 1 + 3 * POINTS or len(rows) != len(shown):
        raise SeriesFormatError(
            f"{path}: {rows.shape} numbers and {len(shown)} targets; each frame needs a time, {POINTS} points of three "
            "and one target."
        )
    # Some frames have the time of the one before, or an earlier one; what they show is no news.
    latest = np.maximum.accumulate(rows[:, 0])
    news = np.concatenate([[True], rows[1:, 0] > latest[:-1]])
    rows, shown = rows[news], shown[news]
    if len(rows) < 2:
        return []
    times = rows[:, 0] * (1e-3 if np.median(np.diff(rows[:, 0])) > MILLISECONDS else 1.0)
    values = _upright(rows[:, 1:].reshape(-1, POINTS, 3)[:, :, :2])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], shown.astype(int), [0]])))
    takes: list[PointSeries] = []
    for first, last in edges.reshape(-1, 2):
        near = np.flatnonzero((times >= times[first] - AROUND) & (times <= times[last - 1] + AROUND))
        if times[near[-1]] - times[near[0]] < SHORTEST or np.diff(times[near]).max() > LONGEST_STEP:
            continue  # a hole of the recording: nobody knows what happened there
        steady = np.arange(times[near[0]], times[near[-1]], 1 / RATE)
        takes.append(
            PointSeries(
                interpolate(_flat(values[near]), times[near], steady).reshape(-1, POINTS, 2),
                steady - steady[0],
                NAMES,
                "eye distance",
                f"user_{subject}",
                expression,
                ClipKind.FACIAL,
                len(takes),
                source=f"{path.name}, frames {near[0]} to {near[-1]}",
            )
        )
    return takes


def _flat(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.reshape(len(values), -1).astype(np.float32)


def _upright(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (T, N, 2) freed of the head's place, tilt and size: the eyes lie level, one unit apart."""
    one, other = (points[:, eye].mean(1) for eye in EYES)
    across = np.where((one[:, :1] < other[:, :1]), other - one, one - other)
    length = np.linalg.norm(across, axis=1)[:, None, None]
    right = across[:, None, :] / np.maximum(length, 1e-9)
    down = np.stack([-right[..., 1], right[..., 0]], -1)
    centred = points - ((one + other) / 2)[:, None, :]
    return np.asarray(np.stack([(centred * right).sum(-1), (centred * down).sum(-1)], -1) / np.maximum(length, 1e-9))
