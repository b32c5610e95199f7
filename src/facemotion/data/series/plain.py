"""The project's own format of series: one npz or CSV file a take, see docs/reference/data.md."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.series.base import PointSeries
from facemotion.data.series.reading import check_kinds, numbers, read_arrays, read_columns
from facemotion.errors import SeriesFormatError, SeriesUnitError
from facemotion.types import ClipKind, ClipRecord, FloatArray

AXES = ("x", "y", "z")
COORDINATES = ([""], ["x", "y"], ["x", "y", "z"])  # that every column of a table has: coefficients, or points
ARRAYS = ("values", "times", "names", "unit", "subject", "motion", "kind")


def pack_series(series: PointSeries) -> bytes:
    """A series as the bytes of an npz file, which `read_described` reads; the same series has the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        values=series.values,
        times=series.times,
        names=np.array(series.names),
        unit=np.array(series.unit),
        subject=np.array(series.subject),
        motion=np.array(series.motion),
        kind=np.array(series.kind),
        repetition=np.array(series.repetition),
        session=np.array(series.session),
        split=np.array(series.split),
    )
    return buffer.getvalue()


def read_described(path: Path) -> PointSeries:
    """A take in an npz file that holds its own labels: subject, motion and so on.

    Raises:
        SeriesFormatError: an array is missing or of a wrong type.
        SeriesError: see PointSeries.
    """
    arrays = read_arrays(path, *ARRAYS)
    check_kinds(path, arrays, ("values", "times"))
    texts = {name: str(arrays[name]) for name in ("unit", "subject", "motion", "kind")}
    try:
        return PointSeries(
            np.asarray(arrays["values"], np.float32),
            np.asarray(arrays["times"], np.float64),
            tuple(map(str, arrays["names"].tolist())),
            texts["unit"],
            texts["subject"],
            texts["motion"],
            ClipKind(texts["kind"]),
            repetition=int(arrays.get("repetition", 0)),
            session=int(arrays.get("session", 1)),
            split=str(arrays.get("split", "")),
            source=path.name,
        )
    except (OverflowError, TypeError, ValueError) as error:
        raise SeriesFormatError(f"{path}: {error}; see docs/reference/data.md for what each array holds.") from error


def read_listed(path: Path, record: ClipRecord) -> PointSeries:
    """A take in an npz or CSV file, whose labels stand in a list of clips.

    Raises:
        SeriesFormatError: another suffix, or an array or column that is missing.
        SeriesError: see PointSeries.
    """
    if path.suffix == ".npz":
        arrays = read_arrays(path, "values", "times", "names", "unit")
        check_kinds(path, arrays, ("values", "times"))
        names, unit = tuple(map(str, arrays["names"].tolist())), str(arrays["unit"])
        return labelled(record, arrays["values"], arrays["times"], names, unit)
    if path.suffix == ".csv":
        return labelled(record, *_columns(path))
    raise SeriesFormatError(f"{path} is neither .npz nor .csv; see docs/reference/data.md.")


def labelled(
    record: ClipRecord, values: NDArray[np.generic], times: NDArray[np.generic], names: tuple[str, ...], unit: str
) -> PointSeries:
    """A series with the labels of a row of a list of clips.

    Raises:
        SeriesError: see PointSeries.
    """
    return PointSeries(
        np.array(values, np.float32),
        np.array(times, np.float64),
        names,
        unit,
        record.subject,
        record.motion,
        record.kind,
        repetition=record.repetition,
        session=record.session,
        split=record.split,
        source=record.path,
    )


def _columns(path: Path) -> tuple[FloatArray, NDArray[np.float64], tuple[str, ...], str]:
    columns = read_columns(path, "seconds", "unit")
    units = {unit.strip() for unit in columns["unit"]}
    if len(units) > 1:
        raise SeriesUnitError(f"{path}: rows of several units ({', '.join(sorted(units))}); write one.")
    coordinates: dict[str, dict[str, str]] = {}  # of each point, its columns by their axes; "" of a coefficient
    for column in columns:
        if column in ("seconds", "unit"):
            continue
        name, dot, axis = column.rpartition(".")
        name, axis = (name, axis) if dot and axis in AXES else (column, "")
        coordinates.setdefault(name, {})[axis] = column
    axes = sorted(next(iter(coordinates.values()), {}))
    other = next((name for name, own in coordinates.items() if sorted(own) != axes), None)
    if other is not None or axes not in COORDINATES:
        fault = f"{other} has other coordinates than the first point" if other else "no point has its coordinates"
        raise SeriesFormatError(
            f"{path}: {fault}; write NAME.x, NAME.y (and NAME.z) of every point, or NAME alone of every coefficient."
        )
    # By name and axis, not by the order of the columns: a table may have every x before every y.
    ordered = [numbers(path, own[axis], columns[own[axis]]) for own in coordinates.values() for axis in axes]
    shaped = np.stack(ordered, axis=1).reshape(-1, len(coordinates), len(axes))
    return shaped.astype(np.float32), numbers(path, "seconds", columns["seconds"]), tuple(coordinates), units.pop()
