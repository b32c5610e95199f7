"""Cross-validation: every clip is scored by a network that never saw its subject (or motion)."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facemotion.data.splits import Fold
from facemotion.errors import EvidenceError, TrainingError
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
    f1_at,
    peak_f1,
    prevalence,
    rates_at,
)
from facemotion.evaluation.report import make_report
from facemotion.evaluation.trials import PAIR_POLICIES, PairPolicy, join_trials, score_pairs
from facemotion.system.processes import Workers, name_killed, run_tasks
from facemotion.training.encoder.material.dataset import TrainingSource
from facemotion.training.encoder.material.sources import join_sources, load_recorded
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipRecord, FloatArray, ScoredTrials


@dataclass(frozen=True)
class FoldFigures:
    """Figures of one held-out fold.

    Attributes:
        average_precision, prevalence, peak_f1, eer: on the fold's own trials; peak F1 and EER choose their threshold
            on them.
        f1, fmr, fnmr: at the threshold of the peak F1 of the other folds' trials, which is what a deployment gets, but
            for that the networks of the other folds were trained on this fold's people.
    """

    average_precision: float
    prevalence: float
    peak_f1: float
    eer: float
    f1: float
    fmr: float
    fnmr: float


def cross_validate(
    settings: TrainingSettings,
    source: TrainingSource,
    folds: Sequence[Fold],
    *,
    runs: Path | None = None,
    progress: Callable[[int], None] | None = None,
    beside: Sequence[TrainingSource] = (),
) -> list[FloatArray]:
    """Train once per fold and embed its held-out clips.

    Args:
        settings: the settings of every training; fold k is trained with seed + k.
        source: N clips of one front end.
        folds: positions to train on and to hold out.
        runs: where to keep a run folder per fold, so that a cut-off cross-validation continues; nothing is kept if not
            given.
        progress: called with the number of folds done.
        beside: further sources, of the same front end, that every fold trains on and none holds out.
    Returns:
        Per fold, (M, n) float32 embeddings of its held-out clips.
    Raises:
        TrainingError: as in `train_encoder`; the settings begin with a trained run.
    """
    vectors, work = [], _Work(settings, source, tuple(beside), runs)
    for number, fold in enumerate(folds):
        vectors.append(_run_fold(work, fold, number))
        if progress:
            progress(number + 1)
    return vectors


def cross_validate_by_processes(
    settings: TrainingSettings,
    frontend_id: str,
    folds: Sequence[Fold],
    *,
    runs: Path,
    jobs: Workers,
    progress: Callable[[int], None] | None = None,
    beside: Sequence[TrainingSource] = (),
) -> list[FloatArray]:
    """As `cross_validate` on the one source of the settings, by several processes, each of which reads it.

    Args:
        settings: of every training; `threads` are those of one process.
        frontend_id: of the features in the cache.
        folds: positions in the source's clips that could be acquired.
        runs: keeps a run folder per fold.
        jobs: number of processes, or a cluster.
        progress: called with the number of folds done.
        beside: as in `cross_validate`.
    Raises:
        TrainingError: as in `train_encoder`, or a process was killed.
    """
    vectors = []
    tasks = [(fold, number) for number, fold in enumerate(folds)]
    with name_killed(TrainingError, "trained"):
        for own in run_tasks(_load, (settings, frontend_id, runs, tuple(beside)), _run_fold, tasks, jobs):
            vectors.append(own)
            if progress:
                progress(len(vectors))
    return vectors


@dataclass(frozen=True, eq=False)
class _Work:
    """What every fold is trained from."""

    settings: TrainingSettings
    source: TrainingSource
    beside: tuple[TrainingSource, ...]
    runs: Path | None


def _load(settings: TrainingSettings, frontend_id: str, runs: Path, beside: tuple[TrainingSource, ...]) -> _Work:
    return _Work(settings, load_recorded(settings, frontend_id)[0], beside, runs)


def _run_fold(work: _Work, fold: Fold, number: int) -> FloatArray:
    refuse_begun(work.settings)
    own = dataclasses.replace(work.settings, seed=work.settings.seed + number)
    run = RunFolder(work.runs / f"fold-{number}") if work.runs else None
    net = train_encoder(own, join_sources([work.source.at(fold.train), *work.beside], own), run)
    return embed(net, work.source.at(fold.test).sequences)


def refuse_begun(settings: TrainingSettings) -> None:
    """See that folds begin with new weights.

    Raises:
        TrainingError: they would begin with those of a run, which may have seen the people that a fold holds out.
    """
    if settings.begin:
        raise TrainingError(
            f"Folds can't begin with {settings.begin}: it may have seen the people whom a fold holds out; leave "
            "`begin` empty."
        )


def check_folds(records: Sequence[ClipRecord], folds: Sequence[Fold], kind: str = "") -> None:
    """See that every fold can be measured, before any is trained.

    Args:
        records: N clips.
        folds: of them.
        kind: of the clips measured, all if empty.
    Raises:
        EvidenceError: a fold without genuine or impostor trials.
    """
    for number, fold in enumerate(folds):
        own = [records[i] for i in fold.test if not kind or records[i].kind == kind]
        if len(own) < 2:
            raise EvidenceError(
                f"Fold {number} holds out {len(own)} {kind or 'clips'}{' clips' if kind else ''}, and a trial compares "
                "two; take fewer folds, or clips of more motions and takes."
            )
        for policy in PAIR_POLICIES:
            labels = score_pairs(np.zeros((len(own), 1), np.float32), own, policy).labels
            if labels.all() or not labels.any():
                clips = f"{len(own)} {kind} clips" if kind else f"{len(own)} clips"
                raise EvidenceError(
                    f"Fold {number} ({clips} held out) has no {'impostor' if labels.any() else 'genuine'} pair "
                    f"({policy}); {'take fewer folds, or ' if len(folds) > 2 else 'take '}clips of more motions and "
                    "takes."
                )


def held_out_trials(
    vectors: Sequence[FloatArray], records: Sequence[ClipRecord], folds: Sequence[Fold], policy: PairPolicy = "all"
) -> list[ScoredTrials]:
    """Trials within each held-out fold; subjects and motions are numbered alike in all of them.

    Embeddings of two folds come from two networks and never meet.

    Args:
        vectors: of each fold, (M, n) float32, rows of norm 1, as `cross_validate` gives them.
        records: of all clips, which the positions of the folds point into.
        folds: in the order of `vectors`.
        policy: which pairs are trials, as in `score_pairs`.
    """
    return [
        score_pairs(own, [records[i] for i in fold.test], policy, among=records)
        for own, fold in zip(vectors, folds, strict=True)
    ]


def fold_figures(parts: Sequence[ScoredTrials]) -> list[FoldFigures]:
    """Figures of each fold, with the threshold of the others applied to it.

    Raises:
        EvidenceError: a fold without genuine or impostor trials.
        DataError: a single fold.
    """
    figures = []
    for number, part in enumerate(parts):
        own = curve(part)
        others = curve(join_trials([p for i, p in enumerate(parts) if i != number]))
        threshold = peak_f1(others)[1]
        fmr, fnmr = rates_at(own, threshold)
        figures.append(
            FoldFigures(
                average_precision(own),
                prevalence(own),
                peak_f1(own)[0],
                equal_error_rate(own)[0],
                f1_at(own, threshold),
                fmr,
                fnmr,
            )
        )
    return figures


def summarise(
    parts: Sequence[ScoredTrials], fmrs: tuple[float, ...], replicates: int
) -> tuple[dict[str, object], ScoredTrials]:
    """Figures of all folds: each, their mean and standard deviation, and a report on the pooled trials.

    Args:
        parts: trials of each fold.
        fmrs, replicates: as in `make_report`.
    Returns:
        Nested dicts of plain values, and the pooled trials.
    Raises:
        EvidenceError: a fold without genuine or impostor trials.
        DataError: a single fold.
    """
    figures = [dataclasses.asdict(own) for own in fold_figures(parts)]
    pooled = join_trials(parts)
    names = list(figures[0])
    return {
        "folds": figures,
        "mean": {name: statistics.fmean(own[name] for own in figures) for name in names},
        "deviation": {name: statistics.stdev(own[name] for own in figures) for name in names},
        "pooled": make_report(pooled, fmrs, replicates).to_json(),
    }, pooled
