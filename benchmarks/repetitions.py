"""How real speakers repeat a phrase (`grid33`): size, tempo and timing, and what the words of a take share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEFT, RIGHT, UPPER, LOWER = 0, 1, 2, 3  # columns of the points: corners and inner lips
UNIT = 32  # stored numbers to a pixel
WORDS = 3  # of a phrase: command, colour, preposition
FEWEST_TAKES = 10
FEWEST_FRAMES = 9
LEAST_PIXELS = 0.3  # of a movement whose logarithm is taken
QUANTISED = 1 / 6  # variance of a word's length that whole frames at both ends make, frames
Floats = NDArray[np.floating]


def repetition_figures(folder: Path) -> dict[str, float]:
    """Medians over all groups of takes of one phrase by one speaker.

    Args:
        folder: of `sN.npz` as docs/reference/data.md describes them.
    """
    rows = [_spreads(takes) for path in sorted(folder.glob("s*.npz")) for takes in _phrases(path)]
    names = list(rows[0])
    table = {name: np.array([row[name] for row in rows]) for name in names}
    found = {"groups": float(len(rows))}
    for name in names[:3]:
        found[f"sigma of {name}"] = float(np.median(table[name]))
        low, high = np.percentile(table[name], [25, 75])
        found |= {f"sigma of {name}, lower quartile": float(low), f"sigma of {name}, upper quartile": float(high)}
    for name in names[3:]:
        found[f"sigma of {name}"] = float(np.sqrt(max(float(np.median(table[name])), 0.0)))
    return found


Take = tuple[Floats, list[tuple[int, int]]]  # (T, 9, 2) points, and the frames of each word


def _phrases(path: Path) -> Iterator[list[Take]]:
    """The takes of each phrase of a speaker, FEWEST_TAKES or more."""
    with np.load(path) as data:
        points = data["points"].astype(np.float64) / UNIT
        words, frames, first = data["words"], data["frames"], data["first"]
    phrases: dict[tuple[str, ...], list[Take]] = {}
    for clip, begin in enumerate(first):
        spoken = [str(word) for word in words[clip, : WORDS + 1]]
        if "sp" in spoken or "" in spoken:
            continue
        ends = np.cumsum(frames[clip, :WORDS])
        spans = [(int(end - length), int(end)) for end, length in zip(ends, frames[clip, :WORDS], strict=True)]
        own = points[begin : begin + ends[-1]]
        if len(own) >= FEWEST_FRAMES and min(length for length in frames[clip, :WORDS]) > 0:
            phrases.setdefault(tuple(spoken[:WORDS]), []).append((own, spans))
    yield from (takes for takes in phrases.values() if len(takes) >= FEWEST_TAKES)


def _spreads(takes: list[Take]) -> dict[str, float]:
    """Three sigmas of whole takes; then variances of what their words share and of what each word has of its own."""
    opening = [points[:, LOWER, 1] - points[:, UPPER, 1] for points, _ in takes]
    width = [points[:, RIGHT, 0] - points[:, LEFT, 0] for points, _ in takes]
    whole = [
        np.log([curve.std() for curve in opening]),
        np.log([curve.std() for curve in width]),
        np.log([len(curve) for curve in opening]),
    ]
    spans = [own for _, own in takes]
    gaps = np.array(
        [[c[a:b].max() - np.percentile(c, 5) for a, b in own] for c, own in zip(opening, spans, strict=True)]
    )
    widths = np.array([[np.ptp(c[a:b]) for a, b in own] for c, own in zip(width, spans, strict=True)])
    lengths = np.array([[b - a for a, b in own] for own in spans], np.float64)
    open_shared, _ = _parts(np.log(np.maximum(gaps, LEAST_PIXELS)))
    wide_shared, _ = _parts(np.log(np.maximum(widths, LEAST_PIXELS)))
    tempo, timing = _parts(np.log(lengths))
    return {
        "the opening's size": _sigma(whole[0]),
        "the width's size": _sigma(whole[1]),
        "length": _sigma(whole[2]),
        "the opening's size that the words of a take share": open_shared,
        "the width's size that the words of a take share": wide_shared,
        "tempo, which the words of a take share": tempo,
        "each word's own length": timing - float(np.mean(QUANTISED / np.square(lengths.mean(axis=0)))),
    }


def _parts(values: Floats) -> tuple[float, float]:
    """Of values (takes, words): the covariance between words, and what is left of a word's variance."""
    table = np.cov(values.T)
    shared = float(table[np.triu_indices(len(table), 1)].mean())
    return shared, float(np.diag(table).mean()) - shared


def _sigma(values: Floats) -> float:
    """Standard deviation, from the quartiles."""
    return 0.7413 * float(np.subtract(*np.percentile(values, [75, 25])))
