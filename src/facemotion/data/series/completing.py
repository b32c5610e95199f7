"""Completes the face mesh of people of whom only some points were recorded, so that an encoder of the mesh can be
trained on them.

Filmed clips have the whole mesh, and so the recorded points too. On these clips a linear map is fitted from the
recorded points to the rest of the face. Cheeks and jaw follow the lips; brows hardly do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import MANIFEST, read_manifest
from facemotion.data.series.base import PointSeries, align, fill_missing
from facemotion.data.series.plain import read_listed
from facemotion.errors import SeriesFormatError
from facemotion.features.mesh import POINTS
from facemotion.system.files import file_sha256
from facemotion.types import FeatureSequence, FloatArray

RIDGE = 1e-4  # of the ridge regression, as a share of the points' variance
LEFT_OUT = 5  # each fifth clip tells how well a map that was fitted on the others does
PREFIX = "mesh."


@dataclass(frozen=True, eq=False)
class MeshCompletion:
    """A linear map from some points of a face to the features of the face mesh.

    Attributes:
        names: of N points of the mesh, as in a series.
        places: (N * C,) float32 where these lie in the mean face, in eye distances.
        face: (D,) float32 features of the mean face.
        map: (N * C, D) float32, takes the points' offsets from the clip's mean to the offsets of all features.
        explained: share of the features' variance within clips that it predicts, on clips that it wasn't fitted on.
    """

    names: tuple[str, ...]
    places: FloatArray
    face: FloatArray
    map: FloatArray
    explained: float

    @classmethod
    def fit(cls, filmed: Sequence[FeatureSequence], names: tuple[str, ...], axes: int) -> MeshCompletion:
        """Ridge regression over the frames of clips.

        Args:
            filmed: features of the face mesh.
            names: of the points of the series.
            axes: C, coordinates of each.
        Raises:
            SeriesFormatError: a point isn't one of those that the features are made of, or there are too few clips.
        """
        if len(filmed) < LEFT_OUT:
            raise SeriesFormatError(f"{len(filmed)} filmed clips show too little; give {LEFT_OUT} or more.")
        columns = _columns(names, axes)
        moved = [clip.values.astype(np.float64) - clip.values.mean(axis=0) for clip in filmed]
        apart = _regress([clip for i, clip in enumerate(moved) if i % LEFT_OUT], columns)
        left, total = 0.0, 0.0
        for clip in moved[::LEFT_OUT]:
            left += float(np.square(clip - clip[:, columns] @ apart).sum())
            total += float(np.square(clip).sum())
        face = np.mean([clip.values.mean(axis=0) for clip in filmed], axis=0).astype(np.float32)
        whole = np.asarray(_regress(moved, columns), np.float32)
        return cls(names, face[columns], face, whole, 1 - left / max(total, 1e-12))

    def size(self, faces: Sequence[FloatArray]) -> float:
        """How many eye distances one unit of a person's points is: the factor that brings their mean face nearest to
        the mean face here.

        Args:
            faces: (N, C) mean places of the points in each take of the person, the origin between the eyes.
        """
        mean = np.mean(faces, axis=0).ravel().astype(np.float64)
        return float(mean @ self.places / max(mean @ mean, 1e-12))

    def __call__(self, values: FloatArray, size: float) -> FloatArray:
        """(T, N, C) places of the points, and how many eye distances one unit of them is -> (T, D) features.

        A person's points may rest elsewhere than in the mean face. Then the rest of the face is placed as if the points
        had moved there.
        """
        points = values.reshape(len(values), -1) * np.float32(size)
        return np.asarray(self.face + (points - self.places) @ self.map, np.float32)


@dataclass(frozen=True)
class Completed:
    """What was written.

    Attributes:
        clips, subjects: how many.
        filmed: clips that the map was fitted on.
        explained: see MeshCompletion.
        frontend_id: what the features are called.
    """

    clips: int
    subjects: int
    filmed: int
    explained: float
    frontend_id: str


def complete_series(
    folder: Path,
    filmed: Sequence[FeatureSequence],
    cache: FeatureCache,
    progress: Callable[[int, int], None] | None = None,
) -> Completed:
    """Put features of the face mesh for the takes of an import into a cache, as if they had been filmed.

    Args:
        folder: what `import_series` wrote.
        filmed: features of clips that show the whole face, of the cache's front end.
        cache: of the face mesh.
        progress: called with the number of takes written, and of all.
    Raises:
        ManifestError, SeriesError: the import can't be read.
        SeriesFormatError: points that the mesh doesn't move, or takes of different points.
        DataError: the cache can't be written.
    """
    manifest = read_manifest(folder / MANIFEST)
    takes = [read_listed(manifest.file(record), record) for record in manifest.records]
    other = next((take for take in takes if take.frontend_id != takes[0].frontend_id), None)
    if other is not None:
        raise SeriesFormatError(f"{other} has other points than {takes[0]}; import them apart.")
    completion = MeshCompletion.fit(filmed, takes[0].names, takes[0].values.shape[2])
    placed = [align(fill_missing(take), take.names) for take in takes]
    sizes = _sizes(takes, placed, completion)
    for number, (record, take, values) in enumerate(zip(manifest.records, takes, placed, strict=True), 1):
        features = completion(values, sizes[take.subject])
        cache.write(file_sha256(manifest.file(record)), FeatureSequence(features, take.times.copy(), cache.frontend_id))
        if progress:
            progress(number, len(takes))
    return Completed(len(takes), len(sizes), len(filmed), completion.explained, cache.frontend_id)


def _columns(names: tuple[str, ...], axes: int) -> NDArray[np.int64]:
    """Where the coordinates of some points stand among the features of the mesh."""
    places = {f"{PREFIX}{point}": place for place, point in enumerate(POINTS.tolist())}
    unknown = [name for name in names if name not in places]
    if unknown:
        raise SeriesFormatError(
            f"{unknown[0]} isn't a point that the features of the face mesh are made of; leave it out or train on the "
            "series as they are."
        )
    return np.array([3 * places[name] + axis for name in names for axis in range(axes)])


def _regress(moved: Sequence[NDArray[np.float64]], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    frames = np.concatenate(moved)
    given = frames[:, columns]
    square = given.T @ given
    ridge = RIDGE * np.trace(square) / len(columns)
    return np.asarray(np.linalg.solve(square + ridge * np.eye(len(columns)), given.T @ frames))


def _sizes(takes: Sequence[PointSeries], placed: Sequence[FloatArray], completion: MeshCompletion) -> dict[str, float]:
    """Of each subject, eye distances in one unit of the points."""
    faces: dict[str, list[FloatArray]] = defaultdict(list)
    for take, values in zip(takes, placed, strict=True):
        faces[take.subject].append(np.asarray(values.mean(axis=0)))
    known = takes[0].unit == "eye distance"
    return {subject: 1.0 if known else completion.size(own) for subject, own in faces.items()}
