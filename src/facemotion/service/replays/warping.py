"""How much of a recording lies on the way that another one took, whatever its clock does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facemotion.service.replays.likeness import BLOCK, FINE, NOTHING_MOVES, Grain, dots, whitening
from facemotion.system.threads import product
from facemotion.types import FloatArray


def warped_likenesses(course: FloatArray, others: Sequence[FloatArray], grain: Grain = FINE) -> NDArray[np.float64]:
    """How much of a course lies on the way that others took, however its clock runs: pauses, gaps, another pace.

    Each frame goes to a place on the other course, between two of its frames too, and never back. The distances that
    remain are measured against those of the frames from their mean. Nobody moves along the same way twice.

    Args:
        course, others: (L, K) float32 at one rate.
        grain: for this rate.
    Returns:
        (N,) 1 less the ratio of both sums of squares, at most 1; 0 where a recording is too short.
    Reference: Mueller, Information Retrieval for Music and Motion (2007), section 4.4, subsequence time warping.
    """
    best = np.zeros(len(others))
    lengths = np.array([len(other) for other in others])
    fitting = np.flatnonzero(lengths >= grain.least)
    if not grain.thinned or len(course) < grain.least or not len(fitting):
        return best
    mixed = whitening(course)
    own = (course @ mixed)[:: grain.thinned]
    energy = max(float(np.square(own - own.mean(axis=0)).sum()), NOTHING_MOVES)
    order = fitting[np.argsort(lengths[fitting], kind="stable")]  # so that little is filled up
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        apart = _to_ways(own, [others[number][:: grain.thinned] @ mixed for number in block])
        ways = apart[0]
        for row in apart[1:]:
            ways = row + np.minimum.accumulate(ways, axis=1)
        best[block] = 1 - ways.min(axis=1) / energy
    return best


def _to_ways(own: FloatArray, others: Sequence[FloatArray]) -> FloatArray:
    """(L, N, M) squared distances of the frames of a course (L, K) from the ways between two frames of others; infinite
    beyond the end of one."""
    lengths = np.array([len(other) for other in others])
    frames = np.zeros((len(others), lengths.max(), own.shape[1]), np.float32)
    for row, other in zip(frames, others, strict=True):
        row[: len(other)] = other
    begin, way = frames[:, :-1], np.diff(frames, axis=1)
    length = np.maximum(dots(way, way), NOTHING_MOVES)
    along = _products(way, own) - dots(way, begin)
    from_begin = np.square(own).sum(axis=1)[:, None, None] - 2 * _products(begin, own) + dots(begin, begin)
    place = (along / length).clip(0, 1)
    apart = (from_begin - place * (2 * along - place * length)).clip(0)
    apart[:, np.arange(apart.shape[2]) >= lengths[:, None] - 1] = np.inf
    return np.asarray(apart, np.float32)


def _products(ways: FloatArray, own: FloatArray) -> FloatArray:
    """(L, N, M) products of vectors (N, M, K) with those of a course (L, K)."""
    count, long, wide = ways.shape
    return product(ways.reshape(-1, wide), own.T).T.reshape(-1, count, long)
