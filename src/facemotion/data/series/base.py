"""A series of points: what a tracker saw of a face over time, without any picture."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import (
    MissingPointsError,
    SeriesFormatError,
    SeriesGapError,
    SeriesUnitError,
)
from facemotion.types import ClipKind, FeatureSequence, FloatArray

UNITS = ("pixel", "millimetre", "eye distance", "coefficient")
EXTENTS = {"pixel": (4.0, 8000.0), "millimetre": (15.0, 500.0), "eye distance": (0.1, 5.0)}
"""By unit of length: the least and the largest diagonal of a set of points. The points may show a face or a mouth
alone."""
LEAST_FRAMES = 4
LONGEST_FILLED = (
    0.25  # seconds for which a missing point is filled in; a word's lips move several times in half a second
)
LARGEST_MISSING = 0.2  # share of the frames of a series in which a point may be missing
LONGEST_STEP = 0.5  # seconds between two frames; nobody knows what the face did in a longer gap
ANCHORS = (("mesh.33", "mesh.263"), ("ibug.36", "ibug.45"))
"""Outer eye corners, the subject's right one first, in each numbering that is known. With them the head's place, size
and tilt are taken out of a series."""
ALIGNMENT = 1  # raised when features are made of points in another way


@dataclass(frozen=True, eq=False)
class PointSeries:
    """N points or channels over T frames of one take.

    Attributes:
        values: (T, N, C) float32, C coordinates (x to the right of an unmirrored picture, y down, z away from the
            camera) or one coefficient; NaN where a point is missing.
        times: (T,) float64 seconds, strictly increasing.
        names: N different names; "mesh.N" for points of the MediaPipe face mesh and "ibug.N" for those of the 68-point
            mark-up, whose places in a face are then checked.
        unit: one of UNITS.
        subject, motion, kind, repetition, session, split: as in a row of a manifest.
        source: the file it was read from, for messages.

    Raises:
        SeriesFormatError: wrong shapes or types, fewer than 4 frames, a name that occurs twice, or an invalid label.
        SeriesGapError: the times don't rise, or leave a hole.
        SeriesUnitError: an unknown unit.
    """

    values: FloatArray
    times: NDArray[np.float64]
    names: tuple[str, ...]
    unit: str
    subject: str
    motion: str
    kind: ClipKind
    repetition: int = 0
    session: int = 1
    split: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        values, times = self.values, self.times
        if values.ndim != 3 or values.dtype != np.float32 or not 1 <= values.shape[2] <= 3:
            raise SeriesFormatError(f"{self}: values must be (T, N, C) float32 with C of 1 to 3, got {values.shape}.")
        if times.shape != values.shape[:1] or times.dtype != np.float64:
            raise SeriesFormatError(f"{self}: {len(values)} frames need as many times, float64; got {times.shape}.")
        if len(values) < LEAST_FRAMES:
            raise SeriesFormatError(f"{self}: {len(values)} frames show no motion; give {LEAST_FRAMES} or more.")
        if len(self.names) != values.shape[1] or len(set(self.names)) != len(self.names):
            raise SeriesFormatError(f"{self}: {values.shape[1]} points need as many different names.")
        if self.unit not in UNITS:
            raise SeriesUnitError(f"{self}: the unit must be one of {', '.join(UNITS)}, got {self.unit!r}.")
        if (self.unit == "coefficient") != (values.shape[2] == 1):
            raise SeriesUnitError(f"{self}: coefficients have one value a frame, points two or three; check the unit.")
        if not self.subject or not self.motion or self.kind not in set(ClipKind):
            raise SeriesFormatError(
                f"{self}: subject and motion must not be empty, and kind must be one of {', '.join(ClipKind)}."
            )
        if np.isinf(values).any():
            raise SeriesFormatError(f"{self}: a value is infinite; write NaN where a point is missing.")
        if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
            raise SeriesGapError(f"{self}: the times don't rise from frame to frame; sort the frames and drop doubles.")
        longest = int(np.diff(times).argmax())
        if times[longest + 1] - times[longest] > LONGEST_STEP:
            raise SeriesGapError(
                f"{self}: no frame between {times[longest]:.2f} s and {times[longest + 1]:.2f} s; cut the take there "
                "or record it again."
            )
        object.__setattr__(self, "kind", ClipKind(self.kind))
        values.flags.writeable = times.flags.writeable = False

    def __str__(self) -> str:
        """How messages call it."""
        return self.source or f"{self.subject}, {self.motion}"

    @property
    def rate(self) -> float:
        """Frames/s, by the median step."""
        return float(1 / np.median(np.diff(self.times)))

    @property
    def frontend_id(self) -> str:
        """What features of such points are called: the same points, unit and way of alignment have the same id."""
        about = json.dumps([self.names, self.values.shape[2], self.unit, ALIGNMENT])
        shape = "x".join(map(str, self.values.shape[1:]))
        return f"series-{shape}@{hashlib.sha256(about.encode()).hexdigest()[:12]}"

    @property
    def mark(self) -> str:
        """Digest of points and times, whatever the labels say: the same recording has the same mark."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.values).tobytes(), digest_size=16)
        digest.update(np.ascontiguousarray(self.times - self.times[0]).tobytes())
        return digest.hexdigest()

    def features(self) -> FeatureSequence:
        """Missing points filled in, the head's place, size and tilt taken out where eye corners are known.

        Returns:
            (T, N * C) values, point after point; in eye distances where there are eye corners, else in the unit.
        Raises:
            MissingPointsError: see `fill_missing`.
        """
        values = align(fill_missing(self), self.names)
        flat = np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)
        return FeatureSequence(flat, self.times.copy(), self.frontend_id)


def fill_missing(series: PointSeries) -> FloatArray:
    """The values of a series with missing points filled in. A missing point lies on a straight line between the nearest
    frames that have it. At an end of the series it stays where the nearest frame has it.

    Raises:
        MissingPointsError: a point is missing for longer than LONGEST_FILLED, or in more than a share of
            LARGEST_MISSING of the frames.
    """
    missing = np.asarray(np.isnan(series.values).any(axis=2))
    if not missing.any():
        return series.values
    values, times = series.values.copy(), series.times
    for point in np.flatnonzero(missing.any(axis=0)):
        gone, name = missing[:, point], series.names[point]
        if gone.mean() > LARGEST_MISSING:
            raise MissingPointsError(
                f"{series}: {name} is missing in {gone.mean():.0%} of the frames, more than {LARGEST_MISSING:.0%}; "
                "drop the take or record it again."
            )
        seen = np.flatnonzero(~gone)
        between = np.diff(times[seen])[np.diff(seen) > 1]
        longest = max([*between, times[seen[0]] - times[0], times[-1] - times[seen[-1]]])
        if longest > LONGEST_FILLED:
            raise MissingPointsError(
                f"{series}: {name} is missing for {longest:.2f} s at a stretch, longer than {LONGEST_FILLED:g} s; cut "
                "the take there or record it again."
            )
        for axis in range(values.shape[2]):
            values[gone, point, axis] = np.interp(times[gone], times[seen], values[seen, point, axis])
    return values


def align(values: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """Points relative to the eyes: between them is the origin, their line is level in every frame, and their median
    distance is 1; unchanged where no eye corners of a known numbering are among the points.

    Args:
        values: (T, N, C) without a missing point.
        names: of the N points.
    """
    known = next((pair for pair in ANCHORS if set(pair) <= set(names)), None)
    if known is None:
        return values
    right, left = (values[:, names.index(name), :2].astype(np.float64) for name in known)
    line = left - right
    distance = np.linalg.norm(line, axis=1)
    unit = line / distance.clip(1e-9)[:, None]
    turn = np.stack([unit, np.stack([-unit[:, 1], unit[:, 0]], axis=1)], axis=1)  # (T, 2, 2), rows are the new axes
    moved = values.astype(np.float64)
    moved[:, :, :2] = np.einsum("tij,tnj->tni", turn, moved[:, :, :2] - ((right + left) / 2)[:, None])
    return np.asarray(moved / np.median(distance).clip(1e-9), np.float32)
