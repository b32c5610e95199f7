"""Dynamic time warping over landmarks: the baseline that learns nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facemotion.types import FloatArray


def dtw_scores(sequences: Sequence[FloatArray]) -> FloatArray:
    """Alikeness of all pairs of sequences.

    Each sequence is centred on its mean over time, so that where the face rests doesn't count. The distance is the
    mean Euclidean distance of the matched frames along the cheapest path, in which each step goes on in one sequence
    or in both.

    Args:
        sequences: N arrays (T_i, D) at one rate.
    Returns:
        (N, N) float32, symmetric: minus the distance, so that a higher score is more alike; 0 on the diagonal.
    Reference: Sakoe and Chiba, Dynamic programming algorithm optimization for spoken word recognition, 1978.
    """
    centred = [np.asarray(s - s.mean(axis=0), np.float64) for s in sequences]
    lengths = np.array([len(s) for s in centred])
    stacked = np.zeros((len(centred), lengths.max(), centred[0].shape[1]))
    for row, sequence in enumerate(centred):
        stacked[row, : len(sequence)] = sequence
    scores = np.zeros((len(centred), len(centred)), np.float32)
    for row in range(len(centred) - 1):
        distances = _distances_to(centred[row], stacked[row + 1 :], lengths[row + 1 :])
        scores[row, row + 1 :] = scores[row + 1 :, row] = -distances
    return scores


def _distances_to(
    one: NDArray[np.float64], others: NDArray[np.float64], lengths: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Distance of one sequence (T, D) to M padded ones (M, L, D) of their lengths (M,)."""
    squares = (one**2).sum(axis=1)[None, :, None] + (others**2).sum(axis=2)[:, None, :]
    costs = np.sqrt((squares - 2 * np.einsum("td,mld->mtl", one, others)).clip(0))
    count, rows, columns = costs.shape
    total = np.full((count, rows + 1, columns + 1), np.inf)
    steps = np.zeros((count, rows + 1, columns + 1))
    total[:, 0, 0] = 0
    each = np.arange(count)
    for diagonal in range(2, rows + columns + 1):  # cells of one don't depend on each other
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        before = np.stack([total[:, i - 1, j - 1], total[:, i - 1, j], total[:, i, j - 1]])
        taken = np.stack([steps[:, i - 1, j - 1], steps[:, i - 1, j], steps[:, i, j - 1]])
        best = before.argmin(axis=0)[None]
        total[:, i, j] = np.take_along_axis(before, best, axis=0)[0] + costs[:, i - 1, j - 1]
        steps[:, i, j] = np.take_along_axis(taken, best, axis=0)[0] + 1
    distances: NDArray[np.float64] = total[each, rows, lengths] / steps[each, rows, lengths]
    return distances
