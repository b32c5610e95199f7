"""How the face mesh answers to what a head does: fitted on rendered clips, of which both are known.

The mesh doesn't show a motion as the head makes it: its points move half as far, on each face in another way, and with
the head's turns. A simulated person without a picture who moves as the mesh would show them teaches an encoder more
than one whose points lie where the head has them (docs/synth.md, "Without pictures").
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.data.npz import DAMAGE
from facemotion.errors import DataError
from facemotion.files import room_for, write_whole
from facemotion.synth.dataset import truth_path
from facemotion.synth.head import SHAPES
from facemotion.synth.truth import load_truth
from facemotion.types import FloatArray

CAUSES = len(SHAPES) + 3  # weights of the shapes, then degrees of pitch, yaw and roll
SHARED = 40  # directions of the error that are kept; what is left is each feature's own
USUAL_RIDGE, OWN_RIDGE = 1.0, 30.0  # squared weights that tell nothing: the more, the nearer a person is to all
SAME_MOMENT = 0.002  # seconds between a frame's features and its ground truth


@dataclass(frozen=True, eq=False)
class MeshResponse:
    """A linear answer of D features to C causes, and its error.

    Attributes:
        frontend_id: of the features, (1,) str.
        usual: (C, D) float32, change of each feature per unit of each cause, the same for everybody.
        own: (P, C, D) float32, what comes on top for each of P people.
        shared: (SHARED, D) float32, directions of the error, each as long as its standard deviation.
        alone: (D,) float32, standard deviation of what each feature's error has of its own.
        seconds: (1,) float64, after which an error has changed.
    """

    frontend_id: NDArray[np.str_]
    usual: FloatArray
    own: FloatArray
    shared: FloatArray
    alone: FloatArray
    seconds: NDArray[np.float64]

    def person(self, rng: np.random.Generator) -> FloatArray:
        """(C, D) answer of somebody new: between two of the people, as far from the usual one as they are."""
        first, second = rng.integers(len(self.own), size=2)
        share = rng.random()
        mixed = share * self.own[first] + (1 - share) * self.own[second]
        return np.asarray(self.usual + mixed / np.hypot(share, 1 - share), np.float32)

    def error(self, rng: np.random.Generator, times: NDArray[np.float64]) -> FloatArray:
        """(T, D) error in the frames of a clip."""
        count = len(self.shared)
        states = first_order(rng, times, count + len(self.alone), float(self.seconds[0]))
        return np.asarray(states[:, :count] @ self.shared + states[:, count:] * self.alone, np.float32)

    def save(self, path: Path) -> None:
        """Write as npz.

        Raises:
            WriteError: the file can't be written.
        """
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays | {"own": self.own.astype(np.float16)})
        with room_for(path):
            write_whole(path, buffer.getvalue())


def load_response(path: Path, frontend_id: str) -> MeshResponse:
    """Read what `MeshResponse.save` wrote.

    Raises:
        DataError: no such file, another file, or one of another front end.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            found = MeshResponse(**{field.name: data[field.name] for field in fields(MeshResponse)})
        shapes = (found.usual.shape[0], *found.own.shape[1:], found.shared.shape[1])
        if shapes != (CAUSES, CAUSES, len(found.alone), len(found.alone)) or not len(found.own):
            raise ValueError("shapes don't fit")
    except (OSError, *DAMAGE) as error:
        raise DataError(f"{path} wasn't written by `facemotion train response`; make it or name another.") from error
    if str(found.frontend_id[0]) != frontend_id:
        raise DataError(
            f"{path} was fitted on features of {found.frontend_id[0]}, these are of {frontend_id}; fit it anew."
        )
    return found


def first_order(
    rng: np.random.Generator, times: NDArray[np.float64], count: int, seconds: float
) -> NDArray[np.float32]:
    """(T, count) states of standard deviation 1 that forget themselves within so many seconds."""
    states = rng.standard_normal((len(times), count)).astype(np.float32)
    for i, step in enumerate(np.diff(times), start=1):
        kept = float(np.exp(-step / seconds))
        states[i] = kept * states[i - 1] + np.sqrt(1 - kept**2) * states[i]
    return states


def fit_response(manifest: Path, features: Path, frontend_id: str) -> tuple[MeshResponse, dict[str, float]]:
    """Fit the answer on a data set that `facemotion synth dataset` made and whose features are in the cache.

    Args:
        manifest: of the data set; the ground truth lies beside it. features: folder of the cache.
        frontend_id: of the features.
    Returns:
        The response, and figures: clips, people, and shares of the features' variance within a clip that the usual
        answer explains, that of each person on the other half of their clips, and that of people left out of the fit.
    Raises:
        ManifestError: no manifest, or no ground truth beside it. DataError: clips that weren't extracted, fewer than
            four people, or ground truth of other frames.
    """
    read = read_manifest(manifest)
    acquired, sequences = read_features(FeatureCache(features, frontend_id), read)
    people: dict[str, list[_Clip]] = {}
    for record, sequence in zip(acquired.records, sequences, strict=True):
        truth = load_truth(manifest.parent / truth_path(record))
        causes = np.concatenate([truth.weights, truth.pose], axis=1)
        frames = np.searchsorted(truth.times, sequence.times - SAME_MOMENT).clip(0, len(truth.times) - 1)
        if np.abs(truth.times[frames] - sequence.times).max() > SAME_MOMENT:
            raise DataError(f"{record.path} and its ground truth have other frames; make the data set anew.")
        values = sequence.values - sequence.values.mean(axis=0)
        clip = _Clip(causes[frames] - causes[frames].mean(axis=0), values, sequence.times)
        people.setdefault(record.subject, []).append(clip)
    if len(people) < 4:
        raise DataError(f"{manifest} has {len(people)} people; an answer is fitted on four or more.")
    response = _fit(list(people.values()), frontend_id)
    figures = {"clips": len(sequences), "people": len(people)} | _explained(list(people.values()))
    return response, figures


@dataclass(frozen=True, eq=False)
class _Clip:
    """Causes (T, C) and features (T, D) of one clip, each less its mean, and times (T,)."""

    causes: FloatArray
    values: FloatArray
    times: NDArray[np.float64]


def _solve(clips: Sequence[_Clip], ridge: float, usual: FloatArray | None = None) -> FloatArray:
    """(C, D) answer with the least squared error; on top of the usual one, if that is given."""
    squares, products = ridge * np.eye(CAUSES), np.zeros((CAUSES, clips[0].values.shape[1]))
    for clip in clips:
        values = clip.values if usual is None else clip.values - clip.causes @ usual
        squares += clip.causes.T @ clip.causes.astype(np.float64)
        products += clip.causes.T @ values.astype(np.float64)
    return np.asarray(np.linalg.solve(squares, products), np.float32)


def _fit(people: Sequence[Sequence[_Clip]], frontend_id: str) -> MeshResponse:
    usual = _solve([clip for clips in people for clip in clips], USUAL_RIDGE)
    own = np.stack([_solve(clips, OWN_RIDGE, usual) for clips in people])
    scatter = np.zeros((usual.shape[1], usual.shape[1]))
    frames, together, steps = 0, 0.0, []
    for clips, answer in zip(people, own, strict=True):
        for clip in clips:
            error = (clip.values - clip.causes @ (usual + answer)).astype(np.float64)
            scatter += error.T @ error
            frames += len(error)
            together += float((error[1:] * error[:-1]).sum())
            steps.append(float(np.diff(clip.times).mean()) if len(error) > 1 else 0.0)
    covariance = scatter / frames
    variances, directions = np.linalg.eigh(covariance)
    shared = (directions[:, ::-1][:, :SHARED] * np.sqrt(variances[::-1][:SHARED].clip(0))).T
    alone = np.sqrt((np.diag(covariance) - np.square(shared).sum(axis=0)).clip(0))
    kept = float(np.clip(together / np.trace(scatter), 0.01, 0.99))
    return MeshResponse(
        np.array([frontend_id]),
        usual,
        own,
        shared.astype(np.float32),
        alone.astype(np.float32),
        np.array([-np.mean(steps) / np.log(kept)]),
    )


def _explained(people: Sequence[Sequence[_Clip]]) -> dict[str, float]:
    """Shares of the variance within clips; nothing is told of clips that it was fitted on."""
    others = _solve([clip for clips in people[::2] for clip in clips], USUAL_RIDGE)
    totals = np.zeros(3)
    for clips in people[1::2]:
        answer = others + _solve(clips[::2], OWN_RIDGE, others)
        for clip in clips[1::2]:
            left = [clip.values, clip.values - clip.causes @ others, clip.values - clip.causes @ answer]
            totals += [float(np.square(one).sum()) for one in left]
    return {"of_new_people": 1 - totals[1] / totals[0], "of_their_own": 1 - totals[2] / totals[0]}
