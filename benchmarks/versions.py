"""How well the motions of both versions of Synth-59 can be told apart within a sitting, before anything is trained.

    python benchmarks/versions.py --cache FOLDER [--people 20] [--write]

The engine's own weights of facial motions by people of the benchmark (nothing is drawn), and what the front end saw of
the `version 1` and `version 2` columns of benchmarks/recordings.py, whose cache FOLDER is: time warping, and the
shipped encoder. Pairs within a person and a session. With --write the table goes into docs/results/recordings.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from recording_measures import COMPONENTS, Recorded, grouped
from recordings import COLUMNS, EXTRACTORS, kept
from recordings_page import VERSIONS, write_page

from facemotion.config import Settings
from facemotion.encoder import Encoder
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate, prevalence
from facemotion.evaluation.trials import join_trials, matrix_trials
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.signals import dtw_scores, resample
from facemotion.synth.sets.frozen import SETS, FrozenSet
from facemotion.synth.sets.plan import FACIAL, Excerpt, make_performers, make_plan, perform
from facemotion.types import ClipKind, ClipRecord, FeatureSequence, FloatArray, ScoredTrials

Figures = dict[str, float]


def own_weights(frozen: FrozenSet, people: int) -> list[list[tuple[ClipRecord, FloatArray]]]:
    """The weights of the shapes in every facial take of session 1, by person, at RATE."""
    performers = make_performers(frozen.settings)
    plan = Excerpt(people=people, kinds=(ClipKind.FACIAL,), sessions=(1,)).of(make_plan(frozen.settings))
    found: dict[str, list[tuple[ClipRecord, FloatArray]]] = {}
    for clip in plan:
        moments = perform(frozen.settings, clip, performers[clip.record.subject])[1]
        found.setdefault(clip.record.subject, []).append((clip.record, resample(moments.weights, moments.times)))
    return list(found.values())


def seen(column: Sequence[Recorded], extractor: str) -> list[list[tuple[ClipRecord, FeatureSequence]]]:
    """Facial takes of a column, by person, as an extractor sees them."""
    frontend = load_extractor(extractor, Models.configured()).frontend_id
    return [
        [
            (
                ClipRecord(str(number), one.subject, one.motion, ClipKind.FACIAL, number, 1),
                FeatureSequence(one.features[extractor], one.times, frontend),
            )
            for number, one in enumerate(own)
            if FACIAL.letters in one.motion.partition("-")[2]
        ]
        for own in grouped(column)
    ]


def warped(people: Iterable[list[tuple[ClipRecord, FloatArray]]]) -> Figures:
    """Time warping."""
    return figures([matrix_trials(dtw_scores([v for _, v in own]), [r for r, _ in own]) for own in people])


def warped_features(people: list[list[tuple[ClipRecord, FeatureSequence]]]) -> Figures:
    """Time warping over principal components, each person's own takes centred by `dtw_scores`."""
    moved = np.concatenate([s.values - s.values.mean(axis=0) for own in people for _, s in own])
    axes = np.linalg.svd(moved, full_matrices=False)[2][:COMPONENTS].T.astype(np.float32)
    return warped([[(r, resample(s.values @ axes, s.times)) for r, s in own] for own in people])


def encoded(people: list[list[tuple[ClipRecord, FeatureSequence]]]) -> Figures:
    """The shipped encoder."""
    encoder = Encoder.load(Settings().verifier.encoder, Models.shipped())
    trials = []
    for own in people:
        vectors = np.stack([encoder(sequence).vector for _, sequence in own])
        trials.append(matrix_trials(vectors @ vectors.T, [record for record, _ in own]))
    return figures(trials)


def figures(trials: list[ScoredTrials]) -> Figures:
    """Of all people's trials together."""
    together = join_trials(trials)
    accepted = curve(together)
    return {
        "AP": average_precision(accepted),
        "EER": equal_error_rate(accepted)[0],
        "prevalence": prevalence(accepted),
        "genuine": float(together.labels.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="that of benchmarks/recordings.py")
    parser.add_argument("--people", type=int, default=20, help="people of the benchmark, for the engine's own weights")
    parser.add_argument("--write", action="store_true", help="write the table into docs/results/recordings.md")
    given = parser.parse_args()
    results: dict[str, dict[str, Figures]] = {}
    for version, frozen in SETS.items():
        rows = results.setdefault(f"version {version}", {})
        people = own_weights(frozen, given.people)
        rows["the engine's own weights, time warping"] = warped(people)
        sized = [[(r, v / np.linalg.norm(v - v.mean(axis=0), axis=1).mean()) for r, v in own] for own in people]
        rows["the same, each clip divided by its own size"] = warped(sized)
        column = kept(given.cache, f"version-{version}", iter(()))
        rows["the mesh, the shipped encoder"] = encoded(seen(column, "face-mesh"))
        for extractor in EXTRACTORS:
            rows[f"{extractor}, time warping"] = warped_features(seen(column, extractor))
        print(version, json.dumps(rows, indent=1), flush=True)
    if given.write:
        VERSIONS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        write_page({}, COLUMNS)


if __name__ == "__main__":
    main()
