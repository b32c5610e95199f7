"""GRID-33: lips of real people, the paper's protocol on speakers that no system was trained on.

    python benchmarks/grid33.py DATA/grid33 --runs runs/grid33 [--folds 10] [--first K] [--steps N ...]
    python benchmarks/grid33.py DATA/grid33 --test OTHERS [--write]

Cuts the speakers of a folder into folds and trains three recipes once a fold: the paper's (configs/paper.toml), that
with the paper's other loss and no trimming, and ours (configs/grid33.toml). Measures them on the speakers held out,
beside time warping and the controls that see no order. With --test one training on the whole folder is measured on
another folder, which may share no speaker with it. A fold is a run folder: what was cut off, by --minutes or by Ctrl-C,
goes on when the same command is run again. With --write it writes docs/results/grid33.json and .md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from grid33_page import page
from grid33_trials import Tested, first_takes, kind_trials, protocol_trials, warped_mimics, warped_trials
from numpy.typing import NDArray

from facemotion.config import read_toml
from facemotion.data.series.base import PointSeries
from facemotion.data.series.checks import check_apart
from facemotion.data.series.importing import make_records, read_series
from facemotion.data.splits import subject_folds
from facemotion.errors import EvidenceError
from facemotion.evaluation.bootstrap import bootstrap
from facemotion.evaluation.controls import last_frame, peak_frame, pooled_vectors, shuffle_frames
from facemotion.evaluation.enrolment_takes import enrolment_trials
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
    fnmr_at_fmr,
    peak_f1,
    prevalence,
)
from facemotion.evaluation.trials import join_trials
from facemotion.system.files import write_whole
from facemotion.thresholds import independent_impostors
from facemotion.training.encoder.material.dataset import TrainingSource
from facemotion.training.encoder.material.sources import join_sources
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence, FloatArray, ScoredTrials

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
FMRS = (0.01, 0.001)
MOST_TAKES = 5
REPLICATES = 300
WIDTH = 128  # the paper's recipe takes the width of its input, 136 or 512; the 18 numbers here are brought to this
HEADS = 8
RECIPES = {
    "paper": ROOT / "configs" / "paper.toml",
    "paper-n-pair": ROOT / "configs" / "paper.toml",
    "ours": ROOT / "configs" / "grid33.toml",
}
ENDS = "ends"  # name of the second source: the ends of the same sentences, to train on alone
ROBBED: dict[str, Callable[[int, FeatureSequence], FeatureSequence]] = {
    "frames shuffled": lambda i, clip: shuffle_frames(clip, np.random.default_rng(i)),
    "last frame": lambda _, clip: last_frame(clip),
    "peak frame": lambda _, clip: peak_frame(clip),
}


@dataclass(frozen=True, eq=False)
class Clips:
    """Takes of a folder: N records and sequences in one order."""

    records: Sequence[ClipRecord]
    sequences: Sequence[FeatureSequence]

    @classmethod
    def of(cls, series: Sequence[PointSeries]) -> Clips:
        """Records and features of series."""
        return cls(make_records(series), [one.features() for one in series])

    def at(self, positions: Sequence[int] | NDArray[np.int64]) -> Clips:
        """The clips at some positions."""
        return Clips([self.records[i] for i in positions], [self.sequences[i] for i in positions])

    def by(self, subjects: set[str]) -> Clips:
        """The clips of some subjects."""
        return self.at([i for i, record in enumerate(self.records) if record.subject in subjects])


@dataclass(frozen=True, eq=False)
class Split:
    """What one network is trained on and what it is tested on.

    Attributes:
        name: of its run folders.
        train, test: phrases.
        ends: further motions of the people trained on.
    """

    name: str
    train: Clips
    test: Clips
    ends: Clips


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the speakers, sN.npz each")
    parser.add_argument("--test", type=Path, help="train on all of DATA and test on the speakers of this folder")
    parser.add_argument("--runs", type=Path, default=Path("runs/grid33"), help="where the run folders go")
    parser.add_argument("--folds", type=int, default=10, help="folds by speaker")
    parser.add_argument("--first", type=int, default=0, help="only so many of the folds; 0 for all")
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[0], help="steps of each recipe, or one number for all; 0: its own"
    )
    parser.add_argument("--minutes", type=float, default=110, help="stop after so long; the same command goes on")
    parser.add_argument("--recipes", nargs="+", default=["paper", "paper-n-pair", "ours"], help="or a TOML file")
    parser.add_argument("--write", action="store_true", help="write docs/results/grid33.json and .md")
    options = parser.parse_args()

    splits = make_splits(options)
    steps = options.steps * len(options.recipes) if len(options.steps) == 1 else options.steps
    if len(steps) != len(options.recipes):
        parser.error(f"{len(steps)} numbers of steps for {len(options.recipes)} recipes; give one, or one for each")
    recipes = {name: recipe(name, splits[0], own) for name, own in zip(options.recipes, steps, strict=True)}
    until = time.monotonic() + 60 * options.minutes
    tested = join(splits)
    try:
        vectors = {name: run_recipe(name, own, splits, options.runs, until) for name, own in recipes.items()}
    except KeyboardInterrupt:
        print("Stopped; the same command goes on where it was.")
        raise SystemExit(130) from None
    results = describe(options, splits) | measure(vectors, tested, splits)
    results["steps"] = {name: own.optimiser.steps for name, own in recipes.items()}
    print(page(results))
    if options.write:
        write_whole(RESULTS / "grid33.json", json.dumps(results, indent=1) + "\n")
        write_whole(RESULTS / "grid33.md", page(results))


def make_splits(options: argparse.Namespace) -> list[Split]:
    """Read and check the folders, and cut them.

    Raises:
        SharedSubjectError: the test folder has a speaker of the other one. SeriesError: see `read_series`.
    """
    series = read_series("grid33", options.data)
    if options.test:
        others = read_series("grid33", options.test)
        check_apart(series, others)
    ends = Clips.of(read_series("grid33-ends", options.data))
    clips = Clips.of(series)
    if options.test:
        return [Split("all", clips, Clips.of(others), ends)]
    splits = []
    for number, fold in enumerate(subject_folds(clips.records, options.folds)):
        train = clips.at(fold.train)
        people = {record.subject for record in train.records}
        splits.append(Split(f"fold-{number + 1}-of-{options.folds}", train, clips.at(fold.test), ends.by(people)))
    return splits[: options.first or None]


def recipe(name: str, split: Split, steps: int) -> TrainingSettings:
    """The settings of a recipe over the points of the folder."""
    path = RECIPES.get(name, Path(name))
    settings = read_toml(TrainingSettings, path)
    settings = dataclasses.replace(settings, extractor=split.train.sequences[0].frontend_id, threads=1)
    if path == RECIPES["paper"]:
        encoder = dataclasses.replace(settings.encoder, width=WIDTH, heads=HEADS)
        settings = dataclasses.replace(settings, encoder=encoder)
    if name == "paper-n-pair":
        loss = dataclasses.replace(settings.loss, name="n-pair")
        augmentation = dataclasses.replace(settings.augmentation, trimming=0.0)
        settings = dataclasses.replace(settings, loss=loss, augmentation=augmentation)
    if steps:
        settings = dataclasses.replace(settings, optimiser=dataclasses.replace(settings.optimiser, steps=steps))
    return settings


def run_recipe(
    name: str, settings: TrainingSettings, splits: Sequence[Split], runs: Path, until: float
) -> dict[str, FloatArray]:
    """Train a recipe on every split and embed what each holds out, robbed of its order too, unless it is there.

    Returns:
        By the name of the control, "" for clips as they are, (N, n) vectors in the order of `join`.
    Raises:
        KeyboardInterrupt: the time is over; every run keeps what it has.
    """
    parts: list[dict[str, FloatArray]] = []
    for split in splits:
        run = RunFolder(runs / Path(name).stem / split.name)
        sources = [TrainingSource(split.train.records, split.train.sequences, settings.sources[0].batch)]
        for source in settings.sources[1:]:
            if ENDS in source.manifest:
                sources.append(TrainingSource(split.ends.records, split.ends.sequences, source.batch))
        net = train_encoder(settings, join_sources(sources, settings), run, teller(f"{name}, {split.name}", until))
        whole = split.test.sequences
        robbed = {how: [rob(i, clip) for i, clip in enumerate(whole)] for how, rob in ROBBED.items()}
        parts.append({how: embed(net, clips) for how, clips in {"": whole, **robbed}.items()})
    return {how: np.concatenate([part[how] for part in parts]) for how in parts[0]}


def teller(name: str, until: float) -> Callable[[int, float], None]:
    def tell(step: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"{name}: step {step}, loss {loss:.3f}", flush=True)
        if time.monotonic() > until:
            raise KeyboardInterrupt

    return tell


def join(splits: Sequence[Split]) -> Tested:
    """All clips held out, fold after fold."""
    groups = np.concatenate([np.full(len(split.test.records), number) for number, split in enumerate(splits)])
    return Tested(
        [record for split in splits for record in split.test.records],
        [sequence for split in splits for sequence in split.test.sequences],
        groups,
    )


def measure(
    vectors: dict[str, dict[str, FloatArray]], tested: Tested, splits: Sequence[Split]
) -> dict[str, dict[str, object]]:
    """Every figure of the page."""
    records = tested.records
    protocol = {"time warping, nothing learned": protocol_figures(warped_trials(tested))}
    pooled = {
        how: np.concatenate([pooled_vectors(s.test.sequences, s.train.sequences, how) for s in splits])
        for how in ("maximum", "mean")
    }
    for how, own in pooled.items():
        protocol[f"control: {how} over time, nothing learned"] = protocol_figures(protocol_trials(own, records))
    kinds: dict[str, object] = {"time warping": {"other person, same phrase": kind_figures(warped_mimics(tested))}}
    enrolment: dict[str, object] = {}
    limited = first_takes(records, 2 * MOST_TAKES)
    for name, own in vectors.items():
        for how, embedded in own.items():
            called = f"control: {name}, {how}" if how else name
            protocol[called] = protocol_figures(protocol_trials(embedded, records))
        kinds[name] = {kind: kind_figures(trials) for kind, trials in kind_trials(own[""], tested).items()}
        few = [records[i] for i in limited]
        trials = enrolment_trials(own[""][limited], few, MOST_TAKES, records, ClipKind.LIP)
        enrolment[name] = [kind_figures(one, replicates=0) | {"takes": n} for n, one in enumerate(trials, 1)]
    return {"protocol": protocol, "kinds": kinds, "enrolment": enrolment}


def protocol_figures(draws: Sequence[ScoredTrials]) -> dict[str, object]:
    """Mean over the draws, each draw's AP, and the interval over speakers of all draws together."""
    curves = [curve(trials) for trials in draws]
    interval = bootstrap(join_trials(draws), average_precision, REPLICATES)
    precisions = [average_precision(own) for own in curves]
    return {
        "AP": round(float(np.mean(precisions)), 4),
        "AP interval": [round(interval.low, 4), round(interval.high, 4)],
        "AP of each draw": [round(one, 4) for one in precisions],
        "peak F1": round(float(np.mean([peak_f1(own)[0] for own in curves])), 4),
        "EER": round(float(np.mean([equal_error_rate(own)[0] for own in curves])), 4),
        "prevalence": round(prevalence(curves[0]), 4),
        "genuine": int(draws[0].labels.sum()),
        "impostor": int((~draws[0].labels).sum()),
    }


def kind_figures(trials: ScoredTrials, replicates: int = REPLICATES // 3) -> dict[str, object]:
    """AP, EER with its interval over speakers, and FNMR at fixed FMR where the trials support it."""
    own = curve(trials)
    found: dict[str, object] = {
        "AP": round(average_precision(own), 4),
        "EER": round(equal_error_rate(own)[0], 4),
        "prevalence": round(prevalence(own), 4),
        "genuine": int(trials.labels.sum()),
        "impostor": int((~trials.labels).sum()),
        "pairs of motions": independent_impostors(trials),
    }
    if replicates:
        interval = bootstrap(trials, lambda c: equal_error_rate(c)[0], replicates)
        found["EER interval"] = [round(interval.low, 4), round(interval.high, 4)]
    for fmr in FMRS:
        try:
            found[f"FNMR at FMR {fmr:g}"] = round(fnmr_at_fmr(trials, fmr)[0], 4)
        except EvidenceError:
            found[f"FNMR at FMR {fmr:g}"] = None
    return found


def describe(options: argparse.Namespace, splits: Sequence[Split]) -> dict[str, object]:
    """What was trained on and tested on."""
    return {
        "split": "two folders" if options.test else f"{len(splits)} of {options.folds} folds by speaker",
        "folds": 0 if options.test else options.folds,
        "folds run": len(splits),
        "trained on": [sorted({r.subject for r in split.train.records}) for split in splits],
        "tested on": [sorted({r.subject for r in split.test.records}) for split in splits],
        "clips tested": sum(len(split.test.records) for split in splits),
    }


if __name__ == "__main__":
    main()
