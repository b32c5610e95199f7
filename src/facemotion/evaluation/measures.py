"""The figures of a verification system, from one pass over its sorted scores.

FMR, the false match rate, is the share of impostor trials accepted; FNMR, the false non-match rate, the share of
genuine trials rejected; both as functions of the threshold, with `accepted = score >= threshold`. Average precision
and F1 depend on the prevalence, the share of genuine trials: never read them without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import EvidenceError
from facemotion.thresholds import check_evidence, lowest_threshold
from facemotion.types import ScoredTrials

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """What is accepted at each threshold.

    Attributes:
        thresholds: (K,) distinct scores, falling.
        genuine, impostor: (K,) number (or weight) of genuine and impostor trials with a score >= the threshold.
    """

    thresholds: Array
    genuine: Array
    impostor: Array

    @property
    def recall(self) -> Array:
        """Share of genuine trials accepted, 1 - FNMR; (K,), rising."""
        recall: Array = self.genuine / self.genuine[-1]
        return recall

    @property
    def precision(self) -> Array:
        """Share of accepted trials that are genuine; (K,)."""
        accepted = self.genuine + self.impostor
        return np.divide(self.genuine, accepted, out=np.ones_like(accepted), where=accepted > 0)

    @property
    def fmr(self) -> Array:
        """Share of impostor trials accepted; (K,), rising."""
        fmr: Array = self.impostor / self.impostor[-1]
        return fmr

    @property
    def fnmr(self) -> Array:
        """Share of genuine trials rejected; (K,), falling."""
        return 1 - self.recall


def curve(trials: ScoredTrials, weights: Array | None = None) -> Curve:
    """Count what is accepted at every threshold.

    Args:
        trials: with at least one genuine and one impostor trial.
        weights: (N,) weight of each trial; 1 each if not given.
    Raises:
        EvidenceError: no genuine or no impostor trial, or none of a weight above 0.
    """
    order = np.argsort(-trials.scores, kind="stable")
    return sorted_curve(trials.scores[order], trials.labels[order], None if weights is None else weights[order])


def sorted_curve(scores: NDArray[np.float32], labels: NDArray[np.bool_], weights: Array | None = None) -> Curve:
    """As `curve`, for scores that already fall.

    Args:
        scores: (N,) float32, falling.
        labels: (N,) bool, true for genuine trials.
        weights: (N,) of the trials; 1 each if not given.
    Raises:
        EvidenceError: see `curve`.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    genuine, impostor = np.cumsum(weights * labels), np.cumsum(weights * ~labels)
    if not len(scores) or genuine[-1] <= 0 or impostor[-1] <= 0:
        raise EvidenceError("Figures need at least one genuine and one impostor trial; give clips of two motions.")
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    return Curve(scores[last].astype(np.float64), genuine[last], impostor[last])


def prevalence(accepted: Curve) -> float:
    """Share of genuine trials: the average precision of a system that guesses.

    >>> prevalence(Curve(np.array([0.9, 0.1]), np.array([1.0, 1.0]), np.array([0.0, 3.0])))
    0.25
    """
    return float(accepted.genuine[-1] / (accepted.genuine[-1] + accepted.impostor[-1]))


def average_precision(accepted: Curve) -> float:
    """Mean of the precision over the genuine trials, without interpolation; trials of one score count together.

    Scores 0.9 (genuine), 0.8 (impostor), 0.7 (genuine): precision 1 at the first, 2/3 at the second.

    >>> round(average_precision(Curve(np.array([0.9, 0.8, 0.7]), np.array([1.0, 1, 2]), np.array([0.0, 1, 1]))), 4)
    0.8333
    """
    return float(np.sum(np.diff(accepted.recall, prepend=0.0) * accepted.precision))


def peak_f1(accepted: Curve) -> tuple[float, float]:
    """Highest F1 over all thresholds, and the threshold. It is chosen on the very trials that it is reported for.

    >>> peak_f1(Curve(np.array([0.9, 0.8, 0.7]), np.array([1.0, 1, 2]), np.array([0.0, 1, 1])))
    (0.8, 0.7)
    """
    missed = accepted.genuine[-1] - accepted.genuine
    f1 = 2 * accepted.genuine / (2 * accepted.genuine + accepted.impostor + missed)
    best = int(np.argmax(f1))
    return float(f1[best]), float(accepted.thresholds[best])


def f1_at(accepted: Curve, threshold: float) -> float:
    """F1 at a threshold that was chosen elsewhere.

    >>> round(f1_at(Curve(np.array([0.9, 0.8, 0.7]), np.array([1.0, 1, 2]), np.array([0.0, 1, 1])), 0.85), 4)
    0.6667
    """
    genuine, impostor = _accepted_at(accepted, threshold)
    return float(2 * genuine / (genuine + impostor + accepted.genuine[-1]))


def rates_at(accepted: Curve, threshold: float) -> tuple[float, float]:
    """FMR and FNMR at a threshold that was chosen elsewhere.

    >>> rates_at(Curve(np.array([0.9, 0.8, 0.7]), np.array([1.0, 1, 2]), np.array([0.0, 1, 1])), 0.8)
    (1.0, 0.5)
    """
    genuine, impostor = _accepted_at(accepted, threshold)
    return float(impostor / accepted.impostor[-1]), float(1 - genuine / accepted.genuine[-1])


def equal_error_rate(accepted: Curve) -> tuple[float, float]:
    """The rate at which FMR and FNMR are equal, on straight lines between neighbouring thresholds, and the nearest
    threshold.

    >>> equal_error_rate(Curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 1, 2, 2]), np.array([0.0, 1, 1, 2])))
    (0.5, 0.8)
    """
    fmr, fnmr = np.append(0.0, accepted.fmr), np.append(1.0, accepted.fnmr)
    after = int(np.argmax(fmr >= fnmr))
    gap_before, gap_after = fnmr[after - 1] - fmr[after - 1], fmr[after] - fnmr[after]
    share = gap_before / (gap_before + gap_after)
    rate = fmr[after - 1] + share * (fmr[after] - fmr[after - 1])
    nearest = after if share >= 0.5 or after == 1 else after - 1
    return float(rate), float(accepted.thresholds[nearest - 1])


def threshold_at_fmr(accepted: Curve, fmr: float) -> float:
    """The lowest threshold whose FMR is at most `fmr`; the evidence isn't checked, unlike in `fnmr_at_fmr`.

    Raises:
        EvidenceError: no threshold reaches it: too many impostor trials have the highest score of all.

    >>> threshold_at_fmr(Curve(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, 1, 2, 2]), np.array([0.0, 1, 1, 2])), 0.5)
    0.7
    """
    return float(accepted.thresholds[lowest_threshold(accepted.thresholds, accepted.fmr, fmr)])


def fnmr_at_fmr(trials: ScoredTrials, fmr: float) -> tuple[float, float]:
    """FNMR at the lowest threshold whose FMR is at most `fmr`, and that threshold.

    Raises:
        EvidenceError: the independent impostor trials can't support this FMR, or no threshold reaches it.
    Reference: rule of 3, ISO/IEC 19795-1, annex B.
    """
    check_evidence(trials, fmr)
    accepted = curve(trials)
    threshold = threshold_at_fmr(accepted, fmr)
    return rates_at(accepted, threshold)[1], threshold


def _accepted_at(accepted: Curve, threshold: float) -> tuple[float, float]:
    reached = int(np.searchsorted(-accepted.thresholds, -threshold, side="right"))
    if reached == 0:
        return 0.0, 0.0
    return float(accepted.genuine[reached - 1]), float(accepted.impostor[reached - 1])
