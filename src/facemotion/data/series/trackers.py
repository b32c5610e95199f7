"""Series that other trackers write: the MediaPipe face mesh, OpenFace, and Live Link Face of ARKit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.series.base import PointSeries
from facemotion.data.series.plain import labelled
from facemotion.data.series.reading import check_kinds, numbers, read_arrays, read_columns
from facemotion.errors import SeriesFormatError, SeriesRateError, SeriesUnitError
from facemotion.features.mesh import MOVING
from facemotion.types import ClipRecord

MESH_POINTS = (33, 263, *(number for group in MOVING.values() for number in group if number < 468))
"""Points of the face mesh that are kept: the outer eye corners, and the points that expressions move."""
LANDMARKS = 68
LIVE_LINK_RATE = 60  # frames/s of Live Link Face, which counts frames within a second
TIMECODE = re.compile(r"(\d+):(\d+):(\d+):(\d+(?:\.\d+)?)")


def read_mediapipe(path: Path, record: ClipRecord) -> PointSeries:
    """Points of the MediaPipe face mesh.

    An npz file holds `landmarks` (T, 468 or 478, 2 or 3) as shares of the picture, `seconds` (T,) and `size`, width and
    height of the picture in pixels; a CSV file the columns seconds, width, height, x_0, y_0 (and z_0), x_1, ... . A
    frame of zeros, empty cells or NaN is one without a face.

    Raises:
        SeriesFormatError: an array or column is missing or of another shape.
        SeriesUnitError: coordinates in pixels.
        SeriesError: see PointSeries.
    """
    if path.suffix == ".npz":
        arrays = read_arrays(path, "landmarks", "seconds", "size")
        check_kinds(path, arrays, ("landmarks", "seconds", "size"))
        shares, seconds = np.array(arrays["landmarks"], np.float64), np.array(arrays["seconds"], np.float64)
        size = np.array(arrays["size"], np.float64).ravel()
    else:
        columns = read_columns(path, "seconds", "width", "height", "x_0", "y_0")
        seconds = numbers(path, "seconds", columns["seconds"])
        size = np.array([numbers(path, name, columns[name])[0] for name in ("width", "height")])
        count = sum(name.startswith("x_") for name in columns)
        axes = [axis for axis in ("x", "y", "z") if f"{axis}_0" in columns]
        wanted = [f"{axis}_{number}" for number in range(count) for axis in axes]
        read_columns(path, *wanted)
        table = np.stack([numbers(path, name, columns[name]) for name in wanted], axis=1)
        shares = table.reshape(len(table), count, len(axes))
    if shares.ndim != 3 or shares.shape[1] not in (468, 478) or shares.shape[2] not in (2, 3) or size.shape != (2,):
        raise SeriesFormatError(
            f"{path}: landmarks must be (T, 468 or 478, 2 or 3) and size (2,); got {shares.shape} and {size.shape}."
        )
    shares[~shares[..., :2].any(axis=(1, 2))] = np.nan
    with np.errstate(invalid="ignore"):
        if (np.abs(shares[..., :2]) > 4).any():
            raise SeriesUnitError(f"{path}: landmarks are shares of the picture, 0 to 1; divide pixels by its size.")
    scale = np.append(size, size[0])[: shares.shape[2]]  # depth has the scale of the width
    names = tuple(f"mesh.{number}" for number in MESH_POINTS)
    return labelled(record, shares[:, list(MESH_POINTS)] * scale, seconds, names, "pixel")


def read_openface(path: Path, record: ClipRecord) -> PointSeries:
    """The CSV file of OpenFace's FeatureExtraction: timestamp, success, x_0 ... x_67, y_0 ... y_67 in pixels.

    Raises:
        SeriesFormatError: a column is missing, or there are two faces.
        SeriesError: see PointSeries.
    """
    wanted = [f"{axis}_{number}" for number in range(LANDMARKS) for axis in "xy"]
    columns = read_columns(path, "timestamp", "success", *wanted)
    if len({text.strip() for text in columns.get("face_id", ["0"])}) > 1:
        raise SeriesFormatError(f"{path}: there are several faces (face_id); keep the rows of one.")
    values = np.stack([numbers(path, name, columns[name]) for name in wanted], axis=1).reshape(-1, LANDMARKS, 2)
    values[numbers(path, "success", columns["success"]) < 1] = np.nan
    seconds = numbers(path, "timestamp", columns["timestamp"])
    return labelled(record, values, seconds, tuple(f"ibug.{number}" for number in range(LANDMARKS)), "pixel")


def read_live_link(path: Path, record: ClipRecord) -> PointSeries:
    """The CSV file of Live Link Face: Timecode, BlendShapeCount and one column a channel of ARKit.

    Raises:
        SeriesFormatError: a column is missing, or a time code can't be read.
        SeriesRateError: frames are numbered higher than 60 a second.
        SeriesError: see PointSeries.
    """
    columns = read_columns(path, "Timecode")
    names = tuple(name for name in columns if name not in ("Timecode", "BlendShapeCount"))
    if not names:
        raise SeriesFormatError(f"{path}: there is no channel beside the time code.")
    values = np.stack([numbers(path, name, columns[name]) for name in names], axis=1)
    return labelled(record, values[..., None], _timecodes(path, columns["Timecode"]), names, "coefficient")


def _timecodes(path: Path, texts: list[str]) -> NDArray[np.float64]:
    seconds = np.empty(len(texts))
    for row, text in enumerate(texts):
        found = TIMECODE.fullmatch(text.strip())
        if found is None:
            raise SeriesFormatError(f"{path}, row {row + 2}: the time code {text!r} isn't HH:MM:SS:FF.")
        hours, minutes, whole, frame = map(float, found.groups())
        if frame >= LIVE_LINK_RATE:
            raise SeriesRateError(f"{path}, row {row + 2}: frame {frame:g} of a second, of {LIVE_LINK_RATE} at most.")
        seconds[row] = 3600 * hours + 60 * minutes + whole + frame / LIVE_LINK_RATE
    return np.asarray(seconds - seconds[0], np.float64)
