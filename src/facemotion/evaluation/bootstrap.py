"""Intervals by bootstrap over subjects: clips of one person aren't independent draws, people are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import EvidenceError
from facemotion.evaluation.measures import Curve, curve, sorted_curve
from facemotion.types import ScoredTrials

Metric = Callable[[Curve], float]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% interval.

    Attributes:
        value: on all trials.
        low, high: 2.5 and 97.5 percentiles over the replicates.
        unit: what was drawn: "subjects" or, where there is one subject, "motions".
    """

    value: float
    low: float
    high: float
    unit: str


def bootstrap(trials: ScoredTrials, metric: Metric, replicates: int = 1000, seed: int = 0) -> Interval:
    """A metric and its 95% interval over subjects; see `bootstrap_several`."""
    return bootstrap_several(trials, {"": metric}, replicates, seed)[""]


def bootstrap_several(
    trials: ScoredTrials, metrics: Mapping[str, Metric], replicates: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Metrics and their 95% intervals over subjects drawn with replacement. All metrics are measured on the same draws,
    and a draw, which costs most, is made once.

    The weight of a trial between two subjects is the product of how often each was drawn; that of a trial within one
    subject is how often the subject was drawn. If all trials are of one subject, motions are drawn instead: then the
    interval says nothing about other people. The scores stay as they are: the interval doesn't contain the spread
    between trainings of the network.

    Args:
        trials: scored trials.
        metrics: by name, each of a curve, such as `average_precision`.
        replicates: number of draws; a draw without a genuine or an impostor trial is drawn again.
        seed: of the draws.
    Returns:
        An interval for each name.
    Raises:
        EvidenceError: no genuine or no impostor trial, or fewer than two motions.
    """
    whole = curve(trials)
    unit, sides = ("subjects", trials.subjects) if len(np.unique(trials.subjects)) > 1 else ("motions", trials.motions)
    numbers, flat = np.unique(sides, return_inverse=True)
    if len(numbers) < 2:
        raise EvidenceError("An interval needs trials of at least two subjects or motions; record more.")
    order = np.argsort(-trials.scores, kind="stable")
    first, second = flat.reshape(sides.shape)[order].T
    scores, labels, rng = trials.scores[order], trials.labels[order], np.random.default_rng(seed)
    draws: list[list[float]] = []
    while len(draws) < replicates:
        times = rng.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers))).astype(np.float64)
        weights = _weights(times, first, second)
        if weights[labels].any() and weights[~labels].any():
            drawn = sorted_curve(scores, labels, weights)
            draws.append([metric(drawn) for metric in metrics.values()])
    lows, highs = np.percentile(draws, [2.5, 97.5], axis=0)
    return {
        name: Interval(metric(whole), float(low), float(high), unit)
        for (name, metric), low, high in zip(metrics.items(), lows, highs, strict=True)
    }


def _weights(times: NDArray[np.float64], first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
    # Two different units are both drawn 1 - 1/n times on average, one unit once; without the correction the draws
    # would hold a larger share of genuine trials than the data.
    correction = len(times) / (len(times) - 1)
    weights = times[first]
    return np.where(first == second, weights, weights * times[second] * correction)
