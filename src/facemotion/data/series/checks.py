"""What a set of series is held to before anything is trained on it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np

from facemotion.data.series.base import EXTENTS, PointSeries
from facemotion.errors import (
    MissingPointsError,
    PointOrderError,
    SeriesFormatError,
    SeriesRateError,
    SeriesUnitError,
    SharedSubjectError,
)

RATES = (8.0, 250.0)  # frames/s
WITHIN = 1.3  # largest ratio between the rates of a series' two halves
ACROSS = 1.1  # largest ratio between the rates of two series of a set
ROOM = 0.05  # share of the points' diagonal by which one take may break the order: closed lips touch
X, Y = 0, 1
ORDER = (
    *((a, X, b) for a, b in (("mesh.33", "mesh.263"), ("mesh.61", "mesh.291"), ("mesh.78", "mesh.308"))),
    *((a, X, b) for a, b in (("mesh.81", "mesh.311"), ("mesh.178", "mesh.402"))),
    *((a, Y, b) for a, b in (("mesh.13", "mesh.14"), ("mesh.81", "mesh.178"), ("mesh.311", "mesh.402"))),
    *((a, Y, b) for a, b in (("mesh.0", "mesh.17"), ("mesh.14", "mesh.152"), ("mesh.33", "mesh.13"))),
    *((a, X, b) for a, b in (("ibug.36", "ibug.45"), ("ibug.48", "ibug.54"), ("ibug.60", "ibug.64"))),
    *((a, Y, b) for a, b in (("ibug.27", "ibug.33"), ("ibug.51", "ibug.57"), ("ibug.62", "ibug.66"))),
    *((a, Y, b) for a, b in (("ibug.57", "ibug.8"), ("ibug.36", "ibug.48"))),
)
"""Points of which the first lies before the second, to the left of it or above it, in any upright unmirrored face."""


def check_series(series: PointSeries) -> None:
    """Hold one take to its unit, its rate and the anatomy of a face.

    Raises:
        SeriesUnitError, SeriesRateError, PointOrderError, MissingPointsError: see each.
    """
    _check_unit(series)
    _check_rate(series)
    if series.unit != "coefficient":
        _check_order([series], ROOM)


def check_set(everything: Sequence[PointSeries]) -> None:
    """Hold takes to each other: the same points in the same unit at one rate, and every person under one name.

    Raises:
        SeriesFormatError: no series, other points or another unit in one of them, or one recording twice.
        SeriesRateError: two rates.
        PointOrderError: see `check_series`, over all takes of a subject.
        SharedSubjectError: two names for one person.
    """
    if not everything:
        raise SeriesFormatError("There is no series to import; see docs/reference/data.md for what each format reads.")
    first = everything[0]
    for series in everything:
        if series.frontend_id != first.frontend_id:
            raise SeriesFormatError(
                f"{series} has other points, coordinates or another unit than {first}; import them into folders of "
                "their own."
            )
    rates = sorted(everything, key=lambda series: series.rate)
    if rates[-1].rate > ACROSS * rates[0].rate:
        raise SeriesRateError(
            f"{rates[0]} has {rates[0].rate:.1f} frames/s, {rates[-1]} {rates[-1].rate:.1f}; import each rate into a "
            "folder of its own and name both manifests under [[sources]]."
        )
    check_subjects(everything)
    if first.unit != "coefficient":
        for _, own in groupby(sorted(everything, key=lambda s: s.subject), key=lambda s: s.subject):
            _check_order(list(own), 0.0)


def check_subjects(everything: Iterable[PointSeries]) -> None:
    """See that nobody stands under two names.

    Raises:
        SharedSubjectError: two names that differ in case, blanks or Unicode form alone, or one recording under both.
        SeriesFormatError: one recording twice under one name.
    """
    names: dict[str, PointSeries] = {}
    marks: dict[str, PointSeries] = {}
    for series in everything:
        same_name = names.setdefault(folded(series.subject), series)
        same_mark = marks.setdefault(series.mark, series)
        for other, why in ((same_name, "are written alike"), (same_mark, f"share a recording ({same_mark}; {series})")):
            if other.subject != series.subject:
                raise SharedSubjectError(
                    f"The subjects {other.subject!r} and {series.subject!r} {why}; give one person one name."
                )
        if same_mark is not series:
            raise SeriesFormatError(f"{same_mark} and {series} are the same recording; keep one.")


def check_apart(train: Iterable[PointSeries], test: Iterable[PointSeries]) -> None:
    """See that nobody is trained on and tested on.

    Raises:
        SharedSubjectError: a name, or a recording, stands on both sides; both names are in the message.
    """
    names: dict[str, PointSeries] = {}
    for series in train:
        names.setdefault(folded(series.subject), series)
        names.setdefault(series.mark, series)
    for series in test:
        other = names.get(folded(series.subject)) or names.get(series.mark)
        if other is not None:
            raise SharedSubjectError(
                f"The subject {series.subject!r} of the test folder is {other.subject!r} of the training folder "
                f"({series}; {other}): figures would be of somebody known; take that person out of one of them."
            )


def folded(name: str) -> str:
    """A name without what people write in two ways: case, blanks, leading zeros of a number, Unicode form.

    >>> folded(" S04 ") == folded("s4")
    True
    """
    plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    parts = ["".join(group) for _, group in groupby(plain, key=str.isdecimal)]
    return "".join(str(int(part)) if part.isdecimal() else part for part in parts)


def _check_unit(series: PointSeries) -> None:
    if np.isnan(series.values).all():
        raise MissingPointsError(f"{series}: every point is missing in every frame; drop the take.")
    if series.unit == "coefficient":
        largest = float(np.nanmax(np.abs(series.values)))
        if largest > 2:
            raise SeriesUnitError(f"{series}: a coefficient is {largest:g}, they lie within -1 to 1; check the unit.")
        return
    with np.errstate(invalid="ignore"):
        shown = series.values[~np.isnan(series.values).any(axis=(1, 2))][..., :2]
    if not len(shown):
        return
    extent = float(np.median(np.linalg.norm(shown.max(axis=1) - shown.min(axis=1), axis=1)))
    least, most = EXTENTS[series.unit]
    if not least <= extent <= most:
        raise SeriesUnitError(
            f"{series}: the points span {extent:.3g} {series.unit}, a face {least:g} to {most:g}; check the unit."
        )


def _check_rate(series: PointSeries) -> None:
    steps = np.diff(series.times)
    if not RATES[0] <= series.rate <= RATES[1]:
        raise SeriesRateError(
            f"{series}: {series.rate:.3g} frames/s; give {RATES[0]:g} to {RATES[1]:g}, with times in seconds."
        )
    halves = [float(np.median(part)) for part in np.array_split(steps, 2)]
    if max(halves) > WITHIN * min(halves):
        raise SeriesRateError(
            f"{series}: {1 / halves[0]:.1f} frames/s in the first half, {1 / halves[1]:.1f} in the second; cut the "
            "take in two."
        )


def _check_order(takes: Sequence[PointSeries], room: float) -> None:
    names = takes[0].names
    values = np.concatenate([take.values[..., :2] for take in takes])
    whole = values[~np.isnan(values).any(axis=(1, 2))]
    if not len(whole):
        return
    middle = np.median(whole, axis=0)
    slack = room * float(np.linalg.norm(middle.max(axis=0) - middle.min(axis=0)))
    for before, axis, after in ORDER:
        if before in names and after in names:
            ahead = middle[names.index(after), axis] - middle[names.index(before), axis]
            if ahead <= -slack:
                where = "left of" if axis == X else "above"
                raise PointOrderError(
                    f"{takes[0] if len(takes) == 1 else takes[0].subject}: {before} doesn't lie {where} {after}, as in "
                    "every upright unmirrored face; check the order of the points, and whether the picture was "
                    "mirrored."
                )
