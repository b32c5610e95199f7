"""The worst errors at a threshold, sorted by measured cues into the categories of the paper (section 4.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from facemotion.evaluation.trials import PairPolicy, pair_clips
from facemotion.signals import Cues, dtw_scores, measure_cues, resample
from facemotion.types import ClipRecord, FeatureSequence, FloatArray, TrialKind

FLASH_SHARE = 0.7  # the paper's own figure: more than 70% of the frames are neutral
ENDING_GAP = 0.4
INTENSITY_RATIO = 1.5
WARP_RESIDUAL = 0.5
ALIKE_RESIDUAL = 0.35

CATEGORIES = {
    "flash motions": f"both faces rest in more than {FLASH_SHARE:.0%} of the frames",
    "near miss or mimic": "one clip comes near the other's motion, or imitates it",
    "alike motions": f"time warping leaves less than {ALIKE_RESIDUAL:g} of the mean intensity between them",
    "other false accept": "no cue tells why",
    "other ending": f"one clip ends more than {ENDING_GAP:.0%} of its largest distance farther from rest",
    "other intensity": f"one motion is more than {INTENSITY_RATIO:g} times as large",
    "inconsistent repetition": f"time warping leaves more than {WARP_RESIDUAL:g} of the mean intensity between them",
    "other false reject": "no cue tells why",
}
"""Names of the categories, with the cue that tells each; the first that fits counts."""


@dataclass(frozen=True)
class Failure:
    """One wrong decision.

    Attributes:
        first, second: positions of the two clips.
        score: their cosine.
        accepted: true for a false accept, false for a false reject.
        cues: of both clips.
        intensity_ratio: of the larger motion to the smaller, at least 1.
        warp_residual: the difference that remains after time warping, over the mean intensity.
        category: one of CATEGORIES.
    """

    first: int
    second: int
    score: float
    accepted: bool
    cues: tuple[Cues, Cues]
    intensity_ratio: float
    warp_residual: float
    category: str


@dataclass(frozen=True)
class Outcome:
    """The outcome of all trials at a threshold: of every pair of clips in which at least one clip may be enrolled.

    Attributes:
        genuine, impostor: number of trials.
        false_accepts, false_rejects: wrong ones among them.
        lowest_genuine, highest_impostor: scores; NaN where there is no such pair.
    """

    genuine: int
    impostor: int
    false_accepts: int
    false_rejects: int
    lowest_genuine: float
    highest_impostor: float

    def without_failures(self, threshold: float) -> str:
        """What to say where nothing failed, a sentence or two."""
        text = (
            f"No failures: all {self.genuine} genuine and {self.impostor} impostor trials were decided rightly at "
            f"threshold {threshold:.3f}."
        )
        hints = []  # rounded to the side on which the pair does fail
        if self.impostor:
            hints.append(f"{floor(1000 * self.highest_impostor) / 1000:.3f} shows the first false accept")
        if self.genuine:
            hints.append(f"{floor(1000 * self.lowest_genuine + 1) / 1000:.3f} the first false reject")
        return f"{text} To see what came nearest to failing, set another --threshold: {', '.join(hints)}."


def count_outcome(
    vectors: FloatArray, records: Sequence[ClipRecord], threshold: float, policy: PairPolicy = "all"
) -> Outcome:
    """Count right and wrong decisions; the arguments are those of find_failures."""
    _, _, genuine, scores = _pairs(vectors, records, policy)
    accepted = scores >= threshold
    return Outcome(
        genuine=int(genuine.sum()),
        impostor=int((~genuine).sum()),
        false_accepts=int((~genuine & accepted).sum()),
        false_rejects=int((genuine & ~accepted).sum()),
        lowest_genuine=float(scores[genuine].min()) if genuine.any() else float("nan"),
        highest_impostor=float(scores[~genuine].max()) if (~genuine).any() else float("nan"),
    )


def _pairs(
    vectors: FloatArray, records: Sequence[ClipRecord], policy: PairPolicy
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], FloatArray]:
    """Of every trial of `score_pairs`: both positions, whether it is genuine, and its score."""
    first, second, kinds = pair_clips(records, policy)
    return first, second, kinds == TrialKind.GENUINE.code, (vectors @ vectors.T)[first, second]


def find_failures(
    vectors: FloatArray,
    records: Sequence[ClipRecord],
    sequences: Sequence[FeatureSequence],
    threshold: float,
    most: int | None = 20,
    policy: PairPolicy = "all",
) -> list[Failure]:
    """The worst false accepts and the worst false rejects at a threshold.

    Args:
        vectors: (N, E) embeddings, rows of norm 1.
        records, sequences: labels and features of the N clips.
        threshold: accepted = score >= threshold.
        most: of each of the two sorts, None for all, at about 10 ms each; the highest-scored impostor and the
            lowest-scored genuine trials come first.
        policy: which pairs are trials, as in `score_pairs`.
    """
    first, second, genuine, values = _pairs(vectors, records, policy)
    accepted = values >= threshold
    accepts, rejects = np.flatnonzero(~genuine & accepted), np.flatnonzero(genuine & ~accepted)
    accepts = accepts[np.argsort(-values[accepts], kind="stable")][:most]
    rejects = rejects[np.argsort(values[rejects], kind="stable")][:most]
    wrong = [*accepts, *rejects]
    cues = {k: measure_cues(sequences[k]) for k in sorted({int(k) for i in wrong for k in (first[i], second[i])})}
    return [
        _explain((int(first[i]), int(second[i])), float(values[i]), not genuine[i], records, sequences, cues)
        for i in wrong
    ]


def worst(failures: Sequence[Failure], most: int) -> list[Failure]:
    """The first `most` false accepts and the first `most` false rejects, in the order of `find_failures`."""
    accepts = [failure for failure in failures if failure.accepted]
    rejects = [failure for failure in failures if not failure.accepted]
    return [*accepts[:most], *rejects[:most]]


def count_categories(failures: Sequence[Failure]) -> dict[str, int]:
    """Number of failures in each category that has any, in the order of CATEGORIES."""
    counts = Counter(failure.category for failure in failures)
    return {category: counts[category] for category in CATEGORIES if counts[category]}


def _explain(
    places: tuple[int, int],
    score: float,
    accepted: bool,
    records: Sequence[ClipRecord],
    sequences: Sequence[FeatureSequence],
    cues_of: Mapping[int, Cues],
) -> Failure:
    first, second = places
    pair = sequences[first], sequences[second]
    cues = cues_of[first], cues_of[second]
    low, high = sorted(c.intensity for c in cues)
    ratio = max(high, 1e-12) / max(low, 1e-12)  # a face that doesn't move at all has a ratio too, if a large one
    distance = -float(dtw_scores([resample(s.values, s.times) for s in pair])[0, 1])
    residual = distance / max((low + high) / 2, 1e-12)
    if accepted:
        related = records[first].original == records[second].original
        attack = related and (records[first].kind.is_attack or records[second].kind.is_attack)
        if min(c.neutral_share for c in cues) > FLASH_SHARE:
            category = "flash motions"
        elif attack:
            category = "near miss or mimic"
        else:
            category = "alike motions" if residual < ALIKE_RESIDUAL else "other false accept"
    elif abs(cues[0].ending - cues[1].ending) > ENDING_GAP:
        category = "other ending"
    elif ratio > INTENSITY_RATIO:
        category = "other intensity"
    else:
        category = "inconsistent repetition" if residual > WARP_RESIDUAL else "other false reject"
    return Failure(first, second, score, accepted, cues, ratio, residual, category)
