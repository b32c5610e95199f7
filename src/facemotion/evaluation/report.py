"""All figures of a score file at once, as a plain table for JSON and for the terminal."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from facemotion.errors import EvidenceError
from facemotion.evaluation.bootstrap import Interval, Metric, bootstrap_several
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
    fnmr_at_fmr,
    peak_f1,
    prevalence,
)
from facemotion.evaluation.trials import against_kind
from facemotion.thresholds import independent_impostors
from facemotion.types import IMPOSTOR_KINDS, ScoredTrials, TrialKind

FIGURES: dict[str, Metric] = {
    "average precision": average_precision,
    "peak F1": lambda accepted: peak_f1(accepted)[0],
    "EER": lambda accepted: equal_error_rate(accepted)[0],
}


@dataclass(frozen=True)
class FixedRate:
    """FNMR at a wanted FMR; both figures are None, with the reason, where the evidence can't support it."""

    fmr: float
    fnmr: float | None
    threshold: float | None
    reason: str = ""


@dataclass(frozen=True)
class KindFigures:
    """One kind of impostor alone.

    Attributes:
        trials: number of its impostor trials.
        prevalence: share of genuine trials, the AP of a guess.
        average_precision, eer: of both.
    """

    trials: int
    prevalence: float
    average_precision: float
    eer: float


@dataclass(frozen=True)
class Report:
    """What a set of trials says.

    Attributes:
        genuine, impostor: number of trials.
        independent: different pairs of motions among the impostor trials.
        subjects: number of people.
        prevalence: share of genuine trials, the AP of a guess.
        figures: by name, with 95% intervals.
        rates: FNMR at fixed FMRs.
        kinds: per kind of impostor, figures of it alone against the genuine trials of the motions that it tries.
        unmeasured: kinds of impostor that have trials but no genuine trials to compare with, and the reason.
    """

    genuine: int
    impostor: int
    independent: int
    subjects: int
    prevalence: float
    figures: dict[str, Interval]
    rates: tuple[FixedRate, ...]
    kinds: dict[str, KindFigures]
    unmeasured: dict[str, str]

    def to_json(self) -> dict[str, object]:
        """Nested dicts, lists and numbers."""
        return asdict(self)


def make_report(trials: ScoredTrials, fmrs: tuple[float, ...] = (0.01, 0.001), replicates: int = 1000) -> Report:
    """Compute every figure of a set of trials.

    Args:
        trials: with genuine and impostor trials of at least two motions.
        fmrs: false match rates at which FNMR is wanted.
        replicates: of the bootstrap; trials by the million take about a second for ten.
    Raises:
        EvidenceError: no genuine or no impostor trial.
    """
    kinds, unmeasured = {}, {}
    for kind in IMPOSTOR_KINDS:
        if (trials.kinds == kind.code).any():
            try:
                kinds[kind.value] = kind_figures(trials, kind)
            except EvidenceError:
                unmeasured[kind.value] = "no genuine trial of the motions that it tries; they need two takes"
    genuine = int(trials.labels.sum())
    return Report(
        genuine=genuine,
        impostor=len(trials) - genuine,
        independent=independent_impostors(trials),
        subjects=len(np.unique(trials.subjects)),
        prevalence=prevalence(curve(trials)),
        figures=bootstrap_several(trials, FIGURES, replicates),
        rates=tuple(_fixed_rate(trials, fmr) for fmr in fmrs),
        kinds=kinds,
        unmeasured=unmeasured,
    )


def kind_figures(trials: ScoredTrials, kind: TrialKind) -> KindFigures:
    """Figures of one kind of impostor.

    Raises:
        EvidenceError: no such impostor trial, or no genuine trial of the motions that they try.
    """
    accepted = curve(against_kind(trials, kind))
    return KindFigures(
        int(accepted.impostor[-1]), prevalence(accepted), average_precision(accepted), equal_error_rate(accepted)[0]
    )


def _fixed_rate(trials: ScoredTrials, fmr: float) -> FixedRate:
    try:
        fnmr, threshold = fnmr_at_fmr(trials, fmr)
    except EvidenceError as error:
        return FixedRate(fmr, None, None, str(error))
    return FixedRate(fmr, fnmr, threshold)
