"""Operating points: thresholds and the evidence behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import EvidenceError, ModelError, UnknownModelError
from facemotion.models import OWN_POINT, Models
from facemotion.types import OperatingPoint, ScoredTrials

OperatingPoints = tuple[OperatingPoint, ...]
"""One operating point as measured with templates of more and more takes; the first with a single one."""


def operating_points(models: Models, name: str, point: str = "") -> OperatingPoints:
    """The operating point of a model for each number of takes that it was measured with.

    Args:
        models: the models of the deployment, its own points included.
        name: the name of the model's card.
        point: the name of the operating point; empty for the default of the card.
    Raises:
        UnknownModelError: no operating point has that name; the message lists the available ones.
        ModelError: the model has no operating point at all, or none of that name for one take; or see
            `Models.operating_points`.
    """
    points = models.operating_points(name)
    if not points:
        raise ModelError(f"{name!r} has no operating point; run `facemotion calibrate` on clips of your own first.")
    wanted = point or models.card(name).default_point
    found = tuple(sorted((each for each in points if each.name == wanted), key=lambda each: each.takes))
    if not found:
        names = ", ".join(dict.fromkeys(each.name for each in points))
        own = f", or run `facemotion calibrate --keep` for {name!r}" if wanted.startswith(OWN_POINT) else ""
        raise UnknownModelError(
            f"{name!r} has no operating point {wanted!r}; set operating_point under [verifier] to one of {names}{own}."
            if wanted
            else f"{name!r} has no default; set operating_point under [verifier] to one of {names}."
        )
    if found[0].takes > 1:
        raise ModelError(
            f"The operating point {wanted!r} of {name!r} was measured with templates of {found[0].takes} takes or "
            "more alone; run `facemotion calibrate` with `--takes 1` too."
        )
    return found


def earlier_operating_points(models: Models, name: str, point: str) -> OperatingPoints:
    """The operating point of an earlier encoder: the one that the settings name, if that encoder has it.

    Args:
        models: see `operating_points`.
        name: of the earlier encoder's card.
        point: name in the settings. If the earlier encoder lacks it, the default of its card decides. For a kept
            encoder that is the point that was in use when it was kept.
    Raises:
        UnknownModelError, ModelError: as in `operating_points`.
    """
    known = {each.name for each in models.operating_points(name)}
    return operating_points(models, name, point if point in known else "")


def strictest_operating_points(models: Models, name: str) -> OperatingPoints:
    """The operating points of the lowest FMR that a model's card, or this deployment's calibration, has.

    Raises:
        ModelError: as in `operating_points`.
    """
    points = models.operating_points(name)
    lowest = min(points, key=lambda point: point.fmr).name if points else ""
    return operating_points(models, name, lowest)


def for_takes(points: OperatingPoints, takes: int) -> OperatingPoint:
    """The operating point that judges a template with a number of takes.

    The point measured with as many takes; else with the next fewer, whose threshold is normally stricter.
    """
    return max((point for point in points if point.takes <= takes), key=lambda point: point.takes)


def template_score(cosines: NDArray[np.float32]) -> float:
    """Score of a probe against a template, -1..1: the mean of its cosines (K,) with the template's takes. A maximum
    would grow with K for impostors too.
    """
    return float(np.clip(cosines.mean(), -1, 1))


def find_operating_points(
    trials: ScoredTrials, fmrs: Sequence[float], source: str, takes: int = 1
) -> tuple[OperatingPoint, ...]:
    """Operating points for wanted false match rates: for each, the lowest threshold that keeps to it on the
    trials.

    Args:
        trials: scores of clips like those that the thresholds are for.
        fmrs: wanted rates, each above 0, of 1 at most.
        source: the data that the trials come from, in words.
        takes: of the templates of the trials (see evaluation.trials.template_trials); 1 for pairs of clips.
    Raises:
        EvidenceError: no genuine trial; a rate that the impostor trials can't support, or that no threshold keeps to.
    Reference: FMR and FNMR, ISO/IEC 19795-1.
    """
    genuine = np.sort(trials.scores[trials.labels])
    impostor = np.sort(trials.scores[~trials.labels])
    if not len(genuine):
        raise EvidenceError("A threshold needs genuine trials too; give at least two takes of one motion.")
    for fmr in fmrs:
        check_evidence(trials, fmr)
    # Only scores that occurred: between two of them the evidence is silent.
    candidates = np.unique(trials.scores)
    accepted = (len(impostor) - np.searchsorted(impostor, candidates, side="left")) / len(impostor)
    points = []
    for fmr in fmrs:
        chosen = lowest_threshold(candidates, accepted, fmr)
        threshold = candidates[chosen]
        points.append(
            OperatingPoint(
                name=point_name(fmr),
                threshold=float(np.clip(threshold, -1, 1)),
                fmr=float(accepted[chosen]),
                fnmr=float(np.searchsorted(genuine, threshold, side="left") / len(genuine)),
                genuine_trials=len(genuine),
                impostor_trials=len(impostor),
                subjects=len(np.unique(trials.subjects)),
                source=source,
                takes=takes,
            )
        )
    return tuple(points)


def lowest_threshold(thresholds: NDArray[np.floating], rates: NDArray[np.float64], fmr: float) -> int:
    """Find the lowest threshold that doesn't exceed an FMR. Whether the trials support that rate isn't checked here.

    Args:
        thresholds: (K,) scores that occurred, in any order.
        rates: (K,) FMR at each of them.
        fmr: the highest FMR allowed.
    Returns:
        Its position, 0..K-1.
    Raises:
        EvidenceError: no threshold reaches it: too many impostor trials have the highest score of all.

    >>> lowest_threshold(np.array([0.9, 0.8, 0.7]), np.array([0.0, 0.01, 0.1]), 0.05)
    1
    """
    kept = np.flatnonzero(rates <= fmr)
    if not len(kept):
        raise EvidenceError(f"No threshold keeps to an FMR of {fmr:g} on these trials; ask for a higher FMR.")
    return int(kept[np.argmin(thresholds[kept])])


def point_name(fmr: float) -> str:
    """The name of the operating point of a wanted FMR.

    >>> point_name(0.01), point_name(0.025)
    ('fmr-1e-2', 'fmr-2.5e-2')
    """
    digits, exponent = f"{fmr:e}".split("e")
    return f"fmr-{float(digits):g}e{int(exponent)}"


def independent_impostors(trials: ScoredTrials) -> int:
    """Number of different pairs of motions among the impostor trials.

    Ten takes against ten takes are a hundred trials, but only one pair of motions. A false match rate can only be
    claimed from the number of pairs. (Pairs that share a motion aren't independent either; this is the generous count.)
    """
    impostors = np.sort(trials.motions[~trials.labels], axis=1).astype(np.int64)
    return len(np.unique(impostors[:, 0] << 32 | impostors[:, 1]))


def lowest_supported_fmr(independent: int) -> float:
    """Rule of 3: if no error occurs in n independent trials, the rate is below 3/n with 95% confidence. This is the
    lowest rate that can be claimed.

    >>> lowest_supported_fmr(300)
    0.01
    """
    return 3 / independent if independent else 1.0


def check_fmr(fmr: float) -> None:
    """
    Raises:
        EvidenceError: `fmr` is no share that can be asked for.
    """
    if not 0 < fmr <= 1:
        raise EvidenceError(f"An FMR is a share above 0, of 1 at most; got {fmr:g}.")


def check_evidence(trials: ScoredTrials, fmr: float) -> None:
    """Refuse an FMR that the trials can't support.

    Raises:
        EvidenceError: `fmr` is no share, or below 3 over the number of independent impostor trials, or there is none.
    Reference: rule of 3, ISO/IEC 19795-1, annex B.
    """
    check_fmr(fmr)
    independent = independent_impostors(trials)
    lowest = lowest_supported_fmr(independent)
    if not independent or fmr < lowest:
        asked = f"ask for {_rounded_up(lowest):g} or more, or record" if lowest < 1 else "record"
        raise EvidenceError(
            f"An FMR of {fmr:g} can't be told from {independent} independent impostor trials (different pairs of "
            f"motions); {asked} more motions, {_motions_for(fmr)} in all."
        )


def _motions_for(fmr: float) -> int:
    """The number of motions whose different pairs support a rate, by the rule of 3."""
    pairs = math.ceil(3 / fmr - 1e-9)
    return math.ceil((1 + math.sqrt(1 + 8 * pairs)) / 2 - 1e-9)


def _rounded_up(rate: float) -> float:
    """To two digits, never down: a rate told to the user must be one that is then accepted.

    >>> _rounded_up(3 / 284), _rounded_up(0.01)
    (0.011, 0.01)
    """
    unit = 10.0 ** (math.floor(math.log10(rate)) - 1)
    # The share keeps 0.01, which is 10.000000000000002 units, at 10.
    return float(f"{math.ceil(rate / unit * (1 - 1e-12)) * unit:.2g}")
