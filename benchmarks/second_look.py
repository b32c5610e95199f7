"""Would a second look at the score pay: a template that keeps a short course of the motion, warped beside the cosine?

    python benchmarks/second_look.py DATA/grid33 --runs runs/grid33 --folds 3 --first 1 [--write]

Takes the networks that benchmarks/grid33.py trained with the same arguments, on speakers held out. The course of a take
is its points in six components of those trained on, 25 a second; two courses are compared by time warping. The joint
score is the cosine plus a share of the warping's, brought to the spread of the cosines. With --write the table goes
into docs/results/grid33_second_look.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from grid33 import RESULTS, Clips, join, make_splits, recipe
from grid33_trials import DRAWS, Tested, draw
from numpy.typing import NDArray

from facemotion.evaluation.measures import average_precision, curve, equal_error_rate
from facemotion.evaluation.trials import join_trials, matrix_trials
from facemotion.signals import dtw_scores, resample
from facemotion.system.files import write_whole
from facemotion.training.encoder.train import embed, load_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import FloatArray, ScoredTrials

COMPONENTS = 6
SHARES = (0.1, 0.2, 0.3, 0.5, 1.0)
SMALL = 0.3  # pixels; a clip that moves less isn't amplified further
EVERY = 20  # of the clips trained on, one in so many says which components there are
PAGE = RESULTS / "grid33_second_look.md"


@dataclass(frozen=True, eq=False)
class Components:
    """Directions in which the points of people move most: (D, COMPONENTS) float64, and (COMPONENTS,) the
    deviation along each, in pixels."""

    basis: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @classmethod
    def of(cls, clips: Clips) -> Components:
        """Those of clips that were trained on."""
        moved = np.concatenate([c.values - c.values.mean(axis=0) for c in clips.sequences[::EVERY]]).astype(np.float64)
        _, sizes, directions = np.linalg.svd(moved, full_matrices=False)
        return cls(directions[:COMPONENTS].T, sizes[:COMPONENTS] / np.sqrt(len(moved)))

    def plain(self, points: FloatArray) -> FloatArray:
        """The course, each component as far as it moves."""
        return np.asarray((points - points.mean(axis=0)) @ self.basis, np.float32)

    def evened(self, points: FloatArray) -> FloatArray:
        """The course, small components heard more."""
        return np.asarray(self.plain(points) / np.sqrt(self.deviations), np.float32)

    def sized(self, points: FloatArray) -> FloatArray:
        """The course, divided by how far the take moves."""
        course = self.plain(points)
        return np.asarray(course / (np.sqrt(np.square(course).sum(axis=1).mean()) + SMALL), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the speakers, sN.npz each")
    parser.add_argument("--runs", type=Path, default=Path("runs/grid33"), help="run folders of benchmarks/grid33.py")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write docs/results/grid33_second_look.md")
    parser.set_defaults(test=None)
    options = parser.parse_args()
    splits = make_splits(options)
    vectors = []
    for split in splits:
        run = RunFolder(options.runs / "ours" / split.name)
        net, _ = load_encoder(run)
        if recipe("ours", split, 0).encoder != net.settings:
            parser.error(f"{run.path} was trained by other settings; run benchmarks/grid33.py again")
        vectors.append(embed(net, split.test.sequences))
    text = page(measure(np.concatenate(vectors), join(splits), [Components.of(split.train) for split in splits]))
    print(text)
    if options.write:
        write_whole(PAGE, text)


def measure(vectors: FloatArray, tested: Tested, components: Sequence[Components]) -> dict[str, tuple[float, float]]:
    """AP and EER of the paper's protocol, mean over its draws, by what makes the score."""
    courses: dict[str, Callable[[Components, FloatArray], FloatArray]] = {
        "as it is": Components.plain,
        "small components heard more": Components.evened,
        "divided by its size": Components.sized,
    }
    draws: list[dict[str, ScoredTrials]] = [{} for _ in range(DRAWS)]
    for number, found in enumerate(draws):
        chosen = draw(tested.records, number)
        parts: dict[str, list[ScoredTrials]] = {}
        for subject in sorted({tested.records[i].subject for i in chosen}):
            own = [i for i in chosen if tested.records[i].subject == subject]
            records = [tested.records[i] for i in own]
            points = [resample(tested.sequences[i].values, tested.sequences[i].times) for i in own]
            scores = {"cosine": vectors[own] @ vectors[own].T}
            for name, course in courses.items():
                fitted = components[int(tested.groups[own[0]])]
                scores[name] = dtw_scores([course(fitted, one) for one in points])
            for name, matrix in scores.items():
                parts.setdefault(name, []).append(matrix_trials(matrix, records, "within-subject", tested.records))
        for name, trials in parts.items():
            found[name] = join_trials(trials)
    rows = {"the cosine alone": _figures([found["cosine"] for found in draws])}
    for name in courses:
        rows[f"the course alone, {name}"] = _figures([found[name] for found in draws])
        for share in SHARES:
            joint = [_joined(found["cosine"], found[name], share) for found in draws]
            rows[f"cosine and {share:g} of the course, {name}"] = _figures(joint)
    return rows


def page(rows: dict[str, tuple[float, float]]) -> str:
    """The table and what it means."""
    base = rows["the cosine alone"][0]
    best = max((name for name in rows if name.startswith("cosine and")), key=lambda name: rows[name][0])
    lines = [
        "# A second look at the score",
        "",
        "Would it pay to keep a short course of the motion in the template too? The figures are of held-out speakers "
        "of GRID by the paper's protocol of [grid33.md](grid33.md), means of its draws. The course has six components, "
        "25 times a second: 600 numbers for 4 s, where the vector has 128. Written by `benchmarks/second_look.py`.",
        "",
        "| score | AP | EER |",
        "|---|---|---|",
        *(f"| {name} | {precision:.3f} | {error:.3f} |" for name, (precision, error) in rows.items()),
        "",
        f"The best joint score ({best}) gains {rows[best][0] - base:+.3f} AP over the cosine alone; its share was "
        "chosen on the same speakers. A verdict by a course would cost five times the template's size, and a matrix "
        "of a thousand distances for every take. A rotation protects a course less than a vector, since its steps "
        "reveal the tempo. So we don't keep a course.",
    ]
    return "\n".join(lines) + "\n"


def _joined(cosine: ScoredTrials, other: ScoredTrials, share: float) -> ScoredTrials:
    scaled = (other.scores - other.scores.mean()) / other.scores.std() * cosine.scores.std()
    return replace(cosine, scores=np.asarray(cosine.scores + share * scaled, np.float32))


def _figures(draws: Sequence[ScoredTrials]) -> tuple[float, float]:
    curves = [curve(trials) for trials in draws]
    return (
        float(np.mean([average_precision(own) for own in curves])),
        float(np.mean([equal_error_rate(own)[0] for own in curves])),
    )


if __name__ == "__main__":
    main()
