"""Figures of verification trials, as the pages and cards give them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from facemotion.evaluation.bootstrap import bootstrap
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
    peak_f1,
    prevalence,
    rates_at,
)
from facemotion.thresholds import independent_impostors, lowest_supported_fmr
from facemotion.types import ScoredTrials


def figures(seeds: Sequence[ScoredTrials]) -> dict[str, object]:
    """Mean over seeds, each seed's AP, and the bootstrap interval of the first seed."""
    curves = [curve(trials) for trials in seeds]
    precisions = [average_precision(c) for c in curves]
    interval = bootstrap(seeds[0], average_precision, replicates=300)
    return {
        "AP": round(statistics.mean(precisions), 4),
        "peak F1": round(statistics.mean(peak_f1(c)[0] for c in curves), 4),
        "EER": round(statistics.mean(equal_error_rate(c)[0] for c in curves), 4),
        "AP of each seed": [round(p, 4) for p in precisions],
        "AP interval": [round(interval.low, 4), round(interval.high, 4)],
        "interval over": interval.unit,
        "prevalence": round(prevalence(curves[0]), 4),
        "genuine": int(seeds[0].labels.sum()),
        "impostor": int((~seeds[0].labels).sum()),
    }


def rates(trials: ScoredTrials, threshold: float) -> dict[str, float | str]:
    """FMR and FNMR at a threshold; of an FMR below what the independent trials can tell (rule of 3), just that."""
    fmr, fnmr = rates_at(curve(trials), threshold)
    lowest = lowest_supported_fmr(independent_impostors(trials))
    told = round(fmr, 4) if fmr >= lowest else f"below {lowest:.2g}, the least that these trials can tell"
    return {"FMR": told, "FNMR": round(fnmr, 4)}


def rate(told: float | str) -> str:
    """A rate for a table: what the trials can't tell is said in words."""
    return told if isinstance(told, str) else f"{told:.3f}"
