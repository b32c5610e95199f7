"""How the face mesh answers to the movements of a head. Fitted on rendered clips, where both are known.

The mesh doesn't show a motion as the head makes it. Along the movement of the head's own points, it moves half as far.
Its answer differs from face to face, and with the turns of the head. So simulated people without pictures teach an
encoder more if they move as the mesh would show them (docs/explanation/synth.md, "Without pictures").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.cache import FeatureCache, fingerprint_clip, read_features
from facemotion.data.manifest import read_manifest
from facemotion.data.npz import DAMAGE, open_npz, pack
from facemotion.errors import DataError
from facemotion.synth.people.head import SHAPES
from facemotion.synth.sets.plan import truth_path
from facemotion.synth.sets.truth import load_truth
from facemotion.system.files import room_for, write_whole
from facemotion.types import ClipRecord, FloatArray

CAUSES = len(SHAPES) + 3  # weights of the shapes, then degrees of pitch, yaw and roll
SHARED = 40  # directions of the error that are kept; what is left is each feature's own
# Ridges, in squared weights. A larger USUAL_RIDGE draws the usual answer towards 0; a larger OWN_RIDGE draws a person's
# answer towards the usual one. A person's clips move most shapes little, so the second ridge is larger. Degrees are ten
# times as large as weights, so turns are hardly held back.
USUAL_RIDGE, OWN_RIDGE = 1.0, 30.0
FEWEST = 4  # people
SAME_MOMENT = 0.002  # seconds between a frame's features and its ground truth
_FLOATS = ("usual", "own", "shared", "alone")


@dataclass(frozen=True, eq=False)
class MeshResponse:
    """A linear answer of D features to C causes, and its error.

    Attributes:
        frontend_id: front end of the features.
        fingerprints: fingerprints of the clips that the answer was fitted on, see `cache.fingerprint_clip`.
        usual: (C, D) float32, change of each feature for each unit of each cause, the same for everybody.
        own: (P, C, D) float32, what is added to it for each of P people.
        shared: (SHARED, D) float32, directions of the error, each as long as its standard deviation.
        alone: (D,) float32, standard deviation of the part of each feature's error that isn't shared.
        seconds: time after which an error has changed.
    """

    frontend_id: str
    fingerprints: frozenset[str]
    usual: FloatArray
    own: FloatArray
    shared: FloatArray
    alone: FloatArray
    seconds: float

    def person(self, rng: np.random.Generator) -> FloatArray:
        """Answer of a new person: a mix of two people's, as far from the usual answer as theirs.

        Args:
            rng: generator of the person.
        Returns:
            (C, D) float32.
        """
        first, second = rng.integers(len(self.own), size=2)
        if first == second:  # one person mixed with themselves would differ more from the usual answer than they do
            second = (second + 1) % len(self.own)
        share = rng.random()
        mixed = share * self.own[first] + (1 - share) * self.own[second]
        return np.asarray(self.usual + mixed / np.hypot(share, 1 - share), np.float32)

    def error(self, rng: np.random.Generator, times: NDArray[np.float64]) -> FloatArray:
        """Error in the frames of a clip.

        Args:
            rng: generator of the clip.
            times: (T,) float64 seconds.
        Returns:
            (T, D) float32.
        """
        count = len(self.shared)
        states = first_order(rng, times, count + len(self.alone), self.seconds)
        return np.asarray(states[:, :count] @ self.shared + states[:, count:] * self.alone, np.float32)

    def save(self, path: Path) -> None:
        """Write as npz.

        Args:
            path: file to write.
        Raises:
            WriteError: the file can't be written.
        """
        content = pack(
            frontend_id=np.array(self.frontend_id),
            marks=np.array(sorted(self.fingerprints)),
            seconds=np.array(self.seconds),
            # float16 is exact to a thousandth of a value, and makes the file a third as large.
            **{name: getattr(self, name).astype(np.float16 if name == "own" else np.float32) for name in _FLOATS},
        )
        with room_for(path):
            write_whole(path, content)


@dataclass(frozen=True)
class Explained:
    """How much an answer that was fitted on every second person explains of how features move within clips.

    Attributes:
        clips: clips of the data set.
        people: people of the data set.
        of_new_people: share explained in clips of the people left out, 0..1.
        of_their_own: share explained in half of their clips, after the other half has fitted their own answer, 0..1.
    """

    clips: int
    people: int
    of_new_people: float
    of_their_own: float


def load_response(path: Path, frontend_id: str) -> MeshResponse:
    """Read what `MeshResponse.save` wrote.

    Args:
        path: file to read.
        frontend_id: front end that the response must be fitted on.
    Raises:
        DataError: there is no such file, it holds something else, or it was fitted on another front end.
    """
    try:
        with open_npz(path) as data:
            floats = {name: data[name].astype(np.float32) for name in _FLOATS}
            fitted_id, fingerprints, seconds = (
                str(data["frontend_id"]),
                frozenset(map(str, data["marks"])),
                float(data["seconds"]),
            )
        size = len(floats["alone"])
        wanted = (
            (CAUSES, size),
            (*floats["own"].shape[:1], CAUSES, size),
            (*floats["shared"].shape[:1], size),
            (size,),
        )
        if tuple(array.shape for array in floats.values()) != wanted or len(floats["own"]) < FEWEST:
            raise ValueError("shapes don't fit")
        if not all(np.isfinite(array).all() for array in floats.values()) or not 0 < seconds < np.inf:
            raise ValueError("no numbers")
    except OSError as error:
        raise DataError(f"{path} can't be read; make it with `facemotion train response`.") from error
    except DAMAGE as error:
        raise DataError(f"{path} wasn't written by `facemotion train response`; make it or name another.") from error
    if fitted_id != frontend_id:
        raise DataError(f"{path} was fitted on features of {fitted_id}, these are of {frontend_id}; fit it anew.")
    return MeshResponse(fitted_id, fingerprints, **floats, seconds=seconds)


def first_order(
    rng: np.random.Generator, times: NDArray[np.float64], count: int, seconds: float
) -> NDArray[np.float32]:
    """States of a first-order process, which forget their past.

    Args:
        rng: generator of the states.
        times: (T,) float64 seconds.
        count: number of independent states.
        seconds: time after which 1/e of a state is left.
    Returns:
        (T, count) float32 of standard deviation 1.
    """
    states = rng.standard_normal((len(times), count)).astype(np.float32)
    for i, step in enumerate(np.diff(times), start=1):
        kept = float(np.exp(-step / seconds))
        states[i] = kept * states[i - 1] + np.sqrt(1 - kept**2) * states[i]
    return states


def fit_response(manifest: Path, features: Path, frontend_id: str) -> tuple[MeshResponse, Explained]:
    """Fit the answer on a data set that `facemotion synth dataset` made and whose features are in the cache.

    Args:
        manifest: file of the data set's manifest; the ground truth lies beside it.
        features: folder of the feature cache.
        frontend_id: front end of the features.
    Returns:
        The response, fitted on everybody, and how much a response explains that was fitted on half of them.
    Raises:
        ManifestError: there is no manifest, or ground truth is damaged.
        DataError: there is no ground truth beside it, clips weren't extracted, ground truth has other frames, fewer
            than four people have two clips each, or nothing moves.
    """
    read = read_manifest(manifest)
    acquired, sequences = read_features(FeatureCache(features, frontend_id), read)
    people: dict[str, list[_Clip]] = {}
    for record, sequence in zip(acquired.records, sequences, strict=True):
        causes = read_causes(manifest, record, sequence.times)
        if len(sequence.times) > 1:
            values = sequence.values - sequence.values.mean(axis=0)
            clip = _Clip(causes - causes.mean(axis=0), values, sequence.times)
            people.setdefault(record.subject, []).append(clip)
    moving = [clips for clips in people.values() if len(clips) > 1 and any(clip.values.any() for clip in clips)]
    if len(moving) < FEWEST:
        raise DataError(
            f"{manifest} has {len(moving)} people who move in two clips or more; an answer is fitted on "
            f"{FEWEST} or more."
        )
    fingerprints = frozenset(map(fingerprint_clip, sequences))
    return _fit(moving, frontend_id, fingerprints), _explained(moving, len(sequences))


def read_causes(manifest: Path, record: ClipRecord, times: NDArray[np.float64]) -> FloatArray:
    """Ground truth at the frames of a clip's features: weights of the shapes, then degrees of the head.

    Args:
        manifest: file beside which the ground truth lies.
        record: row of the clip.
        times: (T,) float64 seconds of its features.
    Returns:
        (T, C) float32.
    Raises:
        ManifestError: the ground truth is damaged.
        DataError: there is none, or it has other frames.
    """
    path = manifest.parent / truth_path(record)
    if not path.is_file():
        raise DataError(
            f"{manifest} has no ground truth of {record.path}; name one that `facemotion synth dataset` made."
        )
    truth = load_truth(path)
    causes = np.concatenate([truth.weights, truth.pose], axis=1)
    frames = np.searchsorted(truth.times, times - SAME_MOMENT).clip(0, len(truth.times) - 1)
    if causes.shape[1] != CAUSES or np.abs(truth.times[frames] - times).max() > SAME_MOMENT:
        raise DataError(f"{record.path} and its ground truth have other frames; make the data set anew.")
    return np.asarray(causes[frames], np.float32)


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


def _fit(people: Sequence[Sequence[_Clip]], frontend_id: str, fingerprints: frozenset[str]) -> MeshResponse:
    usual = _solve([clip for clips in people for clip in clips], USUAL_RIDGE)
    personal = np.stack([_solve(clips, OWN_RIDGE, usual) for clips in people])
    scatter = np.zeros((usual.shape[1], usual.shape[1]))
    degrees, pairs = 0, 0
    together, apart, seconds = 0.0, 0.0, 0.0
    for clips, answer in zip(people, personal, strict=True):
        for clip in clips:
            error = (clip.values - clip.causes @ (usual + answer)).astype(np.float64)
            scatter += error.T @ error
            degrees += len(error) - 1  # the mean of each clip was taken from it
            together += float((error[1:] * error[:-1]).sum())
            apart += float((np.square(error[1:]) + np.square(error[:-1])).sum()) / 2
            pairs += len(error) - 1
            seconds += float(clip.times[-1] - clip.times[0])
    covariance = scatter / degrees
    variances, directions = np.linalg.eigh(covariance)
    shared = (directions[:, ::-1][:, :SHARED] * np.sqrt(variances[::-1][:SHARED].clip(0))).T
    alone = np.sqrt((np.diag(covariance) - np.square(shared).sum(axis=0)).clip(0))
    kept = float(np.clip(together / apart, 0.01, 0.99)) if apart else 0.01
    lasting = -seconds / pairs / np.log(kept)
    return MeshResponse(
        frontend_id=frontend_id,
        fingerprints=fingerprints,
        usual=usual,
        own=personal,
        shared=shared.astype(np.float32),
        alone=alone.astype(np.float32),
        seconds=float(lasting),
    )


def _explained(people: Sequence[Sequence[_Clip]], count: int) -> Explained:
    others = _solve([clip for clips in people[::2] for clip in clips], USUAL_RIDGE)
    totals = np.zeros(3)
    for clips in people[1::2]:
        answer = others + _solve(clips[::2], OWN_RIDGE, others)
        for clip in clips[1::2]:
            left = [clip.values, clip.values - clip.causes @ others, clip.values - clip.causes @ answer]
            totals += [float(np.square(rest).sum()) for rest in left]
    new, known = 1 - totals[1:] / max(totals[0], np.finfo(float).tiny)
    return Explained(count, len(people), float(new), float(known))
