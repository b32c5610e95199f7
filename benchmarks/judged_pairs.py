"""The best row of the tables, judged pair by pair at one threshold; for benchmarks/failed_pairs.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.cli.learning.runs import held_out_clips
from facemotion.data.manifest import Manifest
from facemotion.errors import DataError
from facemotion.evaluation.failures import Failure, find_failures
from facemotion.evaluation.measures import curve, equal_error_rate
from facemotion.evaluation.trials import pair_clips, score_pairs
from facemotion.synth.performance.takes import FLASH, INCONSISTENT, INTENSITY, OTHER_ENDING
from facemotion.synth.sets.truth import Truth, load_truth
from facemotion.types import ClipKind, FeatureSequence, FloatArray, TrialKind

CATEGORY_OF = {
    FLASH: "flash motions",
    OTHER_ENDING: "other ending",
    INTENSITY: "other intensity",
    INCONSISTENT: "inconsistent repetition",
}


@dataclass(frozen=True, eq=False)
class Judged:
    """All pairs of one person's clips, judged at one threshold.

    Attributes:
        row: name of the row of the tables.
        vectors: (N, E) float32 unit vectors.
        clips: the N clips, with the programs of their motions.
        truths: what the engine knows of each.
        sequences: their features.
        first, second: (P,) positions of both clips of a pair.
        genuine, accepted: (P,) bool.
        scores: (P,) cosines.
        threshold: that of the EER of these pairs.
        failures: every pair that was judged wrongly, explained by its features.
        performed: the same pairs in the same order, explained by the engine's own weights of each frame.
    """

    row: str
    vectors: FloatArray
    clips: Manifest
    truths: Sequence[Truth]
    sequences: Sequence[FeatureSequence]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    genuine: NDArray[np.bool_]
    scores: NDArray[np.floating]
    threshold: float
    failures: Sequence[Failure]
    performed: Sequence[Failure]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """(P,) whether a pair reaches the threshold."""
        return self.scores >= self.threshold

    def flagged(self, flag: str) -> NDArray[np.intp]:
        """(P,) in how many clips of each pair this went wrong on purpose: 0, 1 or 2."""
        own = np.array([flag in truth.flags for truth in self.truths], int)
        return own[self.first] + own[self.second]


def best_row(run: Path) -> str:
    """The row with the highest average precision on facial motions.

    Raises:
        DataError: the tables aren't there, or have no such row.
    """
    path = run / "tables.json"
    if not path.is_file():
        raise DataError(f"{run} has no tables.json; let `facemotion tables` end first.")
    tables = json.loads(path.read_text("utf-8"))
    found = {
        row["run"]: row["within-subject"]["mean"]["average_precision"]
        for key in ("table 1", "table 2", "features", "networks", "ours")
        for row in tables[key]
        if row["tested on"] == ClipKind.FACIAL and (run / "runs" / row["run"] / "fold-0" / "config.toml").is_file()
    }
    if not found:
        raise DataError(f"{run} has no trained row that was tested on facial motions.")
    return max(found, key=lambda name: found[name])


def judge(run: Path, manifest: Path, features: Path) -> Judged:
    """Judge all pairs of the best row, and explain those that fail.

    Args:
        run: folder of the tables.
        manifest: of the clips.
        features: folder of the cache.
    Raises:
        DataError, TrainingError: as in `best_row` and `held_out_clips`.
    """
    row = best_row(run)
    vectors, clips, sequences = facial(*held_out_clips(run / "runs" / row, manifest, features))
    truths = [load_truth(truth_path(clips, place)) for place in range(len(clips))]
    threshold = equal_error_rate(curve(score_pairs(vectors, clips.records, "within-subject")))[1]
    return explain(row, vectors, clips, truths, sequences, threshold=threshold)


def explain(
    row: str,
    vectors: FloatArray,
    clips: Manifest,
    truths: Sequence[Truth],
    sequences: Sequence[FeatureSequence],
    *,
    threshold: float,
) -> Judged:
    """All pairs of N clips at a threshold; those that fail are sorted by features and by what was performed.

    Args:
        row: name of the row.
        vectors: (N, n) float32 unit vectors.
        clips: their records and motions.
        truths: of each clip.
        sequences: features of each clip.
        threshold: cosine from which a pair is accepted.
    """
    first, second, kinds = pair_clips(clips.records, "within-subject")
    weights = [FeatureSequence(truth.weights, truth.times, "weights") for truth in truths]
    failures, performed = (
        find_failures(vectors, clips.records, own, threshold, most=None, policy="within-subject")
        for own in (sequences, weights)
    )
    return Judged(
        row=row,
        vectors=vectors,
        clips=clips,
        truths=truths,
        sequences=sequences,
        first=first,
        second=second,
        genuine=kinds == TrialKind.GENUINE.code,
        scores=score_pairs(vectors, clips.records, "within-subject").scores,
        threshold=threshold,
        failures=failures,
        performed=performed,
    )


def facial(
    vectors: FloatArray, clips: Manifest, sequences: Sequence[FeatureSequence]
) -> tuple[FloatArray, Manifest, list[FeatureSequence]]:
    """The facial motions among clips."""
    chosen = [k for k, record in enumerate(clips.records) if record.kind == ClipKind.FACIAL]
    return vectors[chosen], clips.select(kinds=[ClipKind.FACIAL]), [sequences[k] for k in chosen]


def truth_path(clips: Manifest, place: int) -> Path:
    """Where the ground truth of a clip lies."""
    path = Path(clips.records[place].path)
    return clips.folder / "truth" / path.relative_to(path.parts[0]).with_suffix(".npz")


def is_known(judged: Judged, pair: Failure, flag: str) -> bool:
    """Whether a failed pair is of a sort on purpose: two flashes taken for one, or one take with this fault alone."""
    flags = [set(judged.truths[place].flags) for place in (pair.first, pair.second)]
    wanted = 2 if flag == FLASH else 1
    return pair.accepted is (flag == FLASH) and sum(own == {flag} for own in flags) == wanted == sum(map(bool, flags))
