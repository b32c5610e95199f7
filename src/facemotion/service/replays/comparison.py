"""A recording compared with all earlier ones: quickly with each, exactly with those that come closest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facemotion.service.replays.likeness import COARSE, FINE, WARPED, Grain, agreements, likenesses, movement
from facemotion.service.replays.surface import THINNED
from facemotion.service.replays.warping import warped_likenesses
from facemotion.types import FloatArray

PIECE_FOUND = 0.95
"""Agreement from which a long piece counts as found in an earlier recording. In 4,588 pairs of real takes of one phrase
no piece reached it (docs/results/security.md)."""
QUICKLY = 2
"""One of how many frames is compared with all recordings, where the grain has a quick one."""
CLOSEST = 5
"""Recordings that come closest by each measure, as every second frame shows them, with which all frames are compared.
A replay is the closest of all, or nearly."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """How a recording compares with N earlier ones; of the picture as it is and mirrored, what fits better.

    Attributes:
        whole: (N,) see likenesses, -1..1.
        pieces: (N,) the mean agreement of its short pieces, 0..1, in which each frame counts by its movement.
        joined: the same where each piece may lie in either of two of the recordings, of the two that explain it best.
        found: (2, L) bool, which frames lie in a long piece of one of them, as the picture is and mirrored.
        share: the share of its movement in these frames, 0..1.
        warped: (N,) see warped_likenesses, at most 1; 0 where the grain leaves it out.
    """

    whole: NDArray[np.float64]
    pieces: NDArray[np.float64]
    joined: float
    found: NDArray[np.bool_]
    share: float
    warped: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Comparison:
        """With no earlier recording, of one about which nothing is known."""
        return cls(np.zeros(0), np.zeros(0), 0.0, np.zeros((2, 0), bool), 0.0, np.zeros(0))


def compare(
    turned: Sequence[FloatArray],
    others: Sequence[FloatArray],
    found: NDArray[np.bool_] | None = None,
    filled: int = 0,
    grain: Grain = FINE,
) -> Comparison:
    """Compare a recording with earlier ones, whole and by pieces.

    Args:
        turned: two courses (L, K) of the recording, as its picture is and mirrored.
        others: (L, K) of the earlier ones.
        found: what was found of it in others before.
        filled: the number of comparisons that are made at least, whose outcome doesn't count.
        grain: for the rate of the courses.
    """
    asked = len(others)
    others = [*others, *[turned[0]] * (filled - asked)]
    quick, every = (grain.quick, QUICKLY) if grain.quick else (grain, 1)
    thinned = [other[::every] for other in others]

    def fits(course: FloatArray) -> tuple[NDArray[np.float64], float, NDArray[np.bool_], FloatArray]:
        thin = course[::every]
        local, agreed, _ = _locally(thin, thinned, quick, quick.stride)
        values = np.stack([likenesses(thin, thinned, quick), *local])
        ranks = [np.argsort(-row[:asked], kind="stable") for row in (*values, agreed[-1].max(axis=1))]
        # What only fills up comes last.
        closest = np.unique([[*rank, *range(asked, len(others))][:CLOSEST] for rank in ranks])
        few = [others[number] for number in closest]
        values[1:, closest], agreed, moved = _locally(course, few, grain)
        if every > 1:
            values[0, closest] = likenesses(course, few, grain)
        counted = closest < asked
        there = (agreed[-1][counted].max(axis=0, initial=0.0) >= PIECE_FOUND) & bool(grain.long)
        return values[:, :asked], _joined(agreed[0][counted], moved), there, moved

    with ThreadPoolExecutor(len(turned)) as threads:  # somebody waits for the verdict
        both, joined, there, moved = zip(*threads.map(fits, turned), strict=True)
    seen = np.array(there) if found is None else np.array(there) | found
    share = max(float(share[where].sum()) for share, where in zip(moved, seen, strict=True))
    whole, pieces, warped = np.max(both, axis=0)
    return Comparison(whole, pieces, max(joined), seen, share, warped)


def compare_surfaces(
    turned: Sequence[FloatArray],
    looks: Sequence[FloatArray],
    others: Sequence[FloatArray],
    other_looks: Sequence[FloatArray],
    filled: int = 0,
) -> Comparison:
    """Compare how faces change, and how they look frame by frame.

    Args:
        turned: two courses (L, J) at RATE, as the picture is and mirrored; J = 0: nothing is known of the face.
        looks: two courses (L, I), the same of how it looks.
        others, other_looks: (L, J) and (L, I) of earlier recordings.
        filled: see compare.
    """
    if not turned[0].shape[1]:
        return Comparison.nothing()
    thinned = [[course[::THINNED] for course in courses] for courses in (turned, others, looks, other_looks)]
    filled_up = [*thinned[3], *[thinned[2][0]] * (filled - len(others))]
    with ThreadPoolExecutor(len(looks)) as threads:
        warped = np.max([*threads.map(lambda look: warped_likenesses(look, filled_up, WARPED), thinned[2])], axis=0)
    return replace(compare(thinned[0], thinned[1], None, filled, COARSE), warped=warped[: len(others)])


def _locally(
    course: FloatArray, others: Sequence[FloatArray], grain: Grain, stride: int = 1
) -> tuple[NDArray[np.float64], list[FloatArray], FloatArray]:
    """A course (L, K) compared with N others: (2, N) by pieces that begin every `stride` frames, and warped. Then what
    agreements gives for these pieces, and the (L,) movement of each frame."""
    moved = movement(course, grain)
    agreed = agreements(course, others, *grain.lengths, stride=stride)
    return np.stack([agreed[0] @ moved, warped_likenesses(course, others, grain)]), agreed, moved


def _joined(agreed: FloatArray, moved: FloatArray) -> float:
    """See Comparison.joined, of agreements (N, L) with a few recordings and the movement (L,) of each frame."""
    both = (np.maximum(one, agreed[number:]) @ moved for number, one in enumerate(agreed))
    return float(max((each.max() for each in both), default=0.0))
