"""Made-up motions: the beginning of one motion and the end of another of the same person, as many takes as both have.

Labels alone give few motions to distinguish, and each of these differs from the others from beginning to end. A made-up
motion shares its beginning with one motion of the batch and its end with another. So the encoder must use the whole
motion, and its order. The idea is that of CutMix (Yun et al., 2019), along time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.training.encoder.material.augment import SHORTEST, TimedValues
from facemotion.training.encoder.material.sampling import Labels

CUT = (0.3, 0.7)  # where a motion may be cut, as a share of its frames
BLEND = 0.12  # seconds in which the jump at the cut dies away; a face can't jump


@dataclass(frozen=True, eq=False)
class MadeUp:
    """One made-up motion.

    Attributes:
        heads, tails: (K,) positions of the clips that its takes begin and end with.
        cut: share of the frames.
    """

    heads: NDArray[np.int64]
    tails: NDArray[np.int64]
    cut: float


def make_up(
    chosen: NDArray[np.int64], labels: Labels, count: int, rng: np.random.Generator
) -> Iterator[tuple[int, MadeUp]]:
    """Make up so many motions of each subject of a batch, out of the clips that are in it.

    Args:
        chosen: (B,) positions of the batch's clips.
        labels: of all clips.
        count: motions for each subject.
        rng: source of the draws.
    Yields:
        The subject's number and the motion; nothing for a subject with a single motion in the batch. A motion and its
        own near miss are never joined: they may share their beginning or end, so the result could equal one of them.
    """
    for subject in np.unique(labels.subjects[chosen]):
        own = chosen[labels.subjects[chosen] == subject]
        original = dict(zip(labels.motions[own].tolist(), labels.originals[own].tolist(), strict=True))
        motions = np.array(sorted(original))
        for _ in range(count if len(set(original.values())) > 1 else 0):
            first, *others = rng.permutation(motions).tolist()
            second = next(other for other in others if original[other] != original[first])
            heads = rng.permutation(own[labels.motions[own] == first])
            tails = rng.permutation(own[labels.motions[own] == second])
            takes = min(len(heads), len(tails))
            yield int(subject), MadeUp(heads[:takes], tails[:takes], rng.uniform(*CUT))


def splice(head: TimedValues, tail: TimedValues, cut: float) -> TimedValues | None:
    """The beginning of one clip and the end of another, each cut at the same share of its frames.

    Args:
        head, tail: values (T, D) float32 and times (T,) float64 seconds each; the two lengths may differ.
        cut: 0..1, share of the frames.
    Returns:
        (L, D) float32 values and (L,) float64 seconds, which continue at the tail's own pace; None if the clips
        are too short to be cut.
    """
    (before, first_times), (after, times) = head, tail
    stop, start = round(cut * len(before)), round(cut * len(after))
    if stop < SHORTEST or len(after) - start < SHORTEST or not start:
        return None
    jump = before[stop - 1] - after[start - 1]
    since = times[start:] - times[start - 1]
    fading = np.exp(-since / BLEND)[:, None].astype(np.float32)
    values = np.concatenate([before[:stop], after[start:] + jump * fading])
    return values, np.concatenate([first_times[:stop], first_times[stop - 1] + since])
