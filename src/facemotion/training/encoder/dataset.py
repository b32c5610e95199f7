"""Cached features of one or several manifests as training material."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facemotion.data.cache import FeatureCache, fingerprint_clip, read_features
from facemotion.data.manifest import check_manifest, read_manifest
from facemotion.errors import DataError, ModelMismatchError, TrainingError
from facemotion.features import MESH
from facemotion.signals import RATE, Times, active_span, frames_to_encode, resample
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.response import MeshResponse
from facemotion.synth.points.simulate import response_of, simulate
from facemotion.training.encoder.augment import Span, augment
from facemotion.training.encoder.rest import (
    MARGIN,
    MOST_CLIPS,
    StillFaces,
    add_rest,
    ends_at_rest,
    film_slower,
    mark_moving,
)
from facemotion.training.encoder.sampling import BatchSampler, Labels, SamplerSettings, number_labels
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.splice import make_up, splice
from facemotion.types import ClipRecord, FeatureSequence, FloatArray


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Clips to train on.

    Attributes:
        records, sequences: N clips, all of one front end.
        labels: numbers of their subjects and motions.
        samplers: one per source; a batch takes from each.
        spread: (D,) float32 standard deviation of each feature over all frames.
        fitted_on: fingerprints of the clips that the response of simulated people was fitted on.
        resting: recordings that begin and end with rest; this rest is put round other clips.
    """

    records: tuple[ClipRecord, ...]
    sequences: tuple[FeatureSequence, ...]
    labels: Labels
    samplers: tuple[BatchSampler, ...]
    spread: FloatArray
    fitted_on: frozenset[str] = frozenset()
    resting: tuple[FeatureSequence, ...] = ()
    _spans: dict[int, Span] = field(default_factory=dict, init=False, repr=False)

    @property
    def frontend_id(self) -> str:
        """Of all sequences."""
        return self.sequences[0].frontend_id

    @property
    def digest(self) -> str:
        """Digest of the clips' records and features, in their order; sets with the same digest are the same
        material.
        """
        total = hashlib.blake2b(digest_records(self.records).encode(), digest_size=32)
        for sequence in (*self.sequences, *self.resting):
            total.update(sequence.values.tobytes())
            total.update(sequence.times.tobytes())
        return total.hexdigest()

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of every clip that training depends on, see `fingerprint_clip`."""
        return frozenset(map(fingerprint_clip, (*self.sequences, *self.resting))) | self.fitted_on

    @property
    def dimension(self) -> int:
        """D, features per frame."""
        return int(self.sequences[0].values.shape[1])

    def span(self, position: int) -> Span:
        """First and last frame of the motion in one clip, see `signals.active_span`; measured once."""
        found = self._spans.get(position)
        if found is None:
            sequence = self.sequences[position]
            found = self._spans[position] = active_span(sequence.values, sequence.times)
        return found

    @cached_property
    def still(self) -> StillFaces:
        """How faces at rest move in the recordings with rest or, without such recordings, in some of these clips."""
        if self.resting:
            return StillFaces.fit([rest for recording in self.resting for rest in ends_at_rest(recording)])
        rests = []
        for position in range(0, len(self.sequences), max(1, len(self.sequences) // MOST_CLIPS)):
            (onset, offset), values = self.span(position), self.sequences[position].values
            rests += [values[: max(onset - MARGIN, 0)], values[offset + MARGIN + 1 :]]
        return StillFaces.fit(rests)


def digest_records(records: Sequence[ClipRecord]) -> str:
    """SHA-256, in hex, of paths and labels of records in their order."""
    rows = [(r.path, r.subject, r.motion, r.kind, r.repetition) for r in records]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class TrainingSource:
    """Clips of one origin: those of a manifest, or simulated people.

    Attributes:
        records: N records.
        sequences: N sequences, in the same order.
        batch: what a batch takes of them.
        fitted_on: fingerprints of the clips that the response of simulated people was fitted on; `fingerprint_clip`.
        resting: recordings that begin and end with rest, which the clips of all sources are given.
    """

    records: Sequence[ClipRecord]
    sequences: Sequence[FeatureSequence]
    batch: SamplerSettings
    fitted_on: frozenset[str] = frozenset()
    resting: tuple[FeatureSequence, ...] = ()

    def at(self, positions: Iterable[int]) -> TrainingSource:
        """The source with the clips at these positions alone, in their order."""
        chosen = list(positions)
        records, sequences = [self.records[i] for i in chosen], [self.sequences[i] for i in chosen]
        return dataclasses.replace(self, records=records, sequences=sequences)


def make_training_set(sources: Sequence[TrainingSource], task: str = "motions") -> TrainingSet:
    """Join sources, each with its sampler; subjects of two sources are two people, whatever their names.

    Args:
        sources: the clips to train on.
        task: as in the settings; a task without labels needs no pair of takes.
    Raises:
        ModelMismatchError: features of two front ends.
        TrainingError: no source, or one without a pair to learn from.
    """
    records = tuple(record for source in sources for record in source.records)
    sequences = tuple(sequence for source in sources for sequence in source.sequences)
    if not records or len(records) != len(sequences):
        raise TrainingError(f"{len(records)} clips and {len(sequences)} sequences make no training set.")
    ids = sorted({sequence.frontend_id for sequence in sequences})
    if len(ids) > 1:
        raise ModelMismatchError(
            f"Features of {ids[0]} and of {ids[1]} can't be trained on together; extract them anew."
        )
    samplers, parts, offset = [], [], 0
    for source in sources:
        labels = number_labels(source.records)
        if task == "motions":
            samplers.append(BatchSampler(labels, source.batch, offset))
        numbers = (labels.subjects, labels.motions, labels.originals, labels.names)
        parts.append(Labels(*(own + offset for own in numbers)))
        offset += len(source.records)
    joined = Labels(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in dataclasses.fields(Labels)))
    spread = _spread(sequences)
    if not np.isfinite(spread).all():
        raise TrainingError("Some features are too large to be trained on; extract the clips anew.")
    fitted_on = frozenset().union(*(source.fitted_on for source in sources))
    resting = tuple(sequence for source in sources for sequence in source.resting)
    return TrainingSet(records, sequences, joined, tuple(samplers), spread, fitted_on, resting)


def _spread(sequences: Sequence[FeatureSequence]) -> FloatArray:
    """(D,) float32 standard deviation of each feature over the frames of all clips; one clip after the other, since all
    of them together may be gigabytes."""
    first = sequences[0].values.mean(axis=0, dtype=np.float64)
    count, total, squares = 0, np.zeros_like(first), np.zeros_like(first)
    with np.errstate(over="ignore", invalid="ignore"):
        for sequence in sequences:
            away = sequence.values - first
            count, total, squares = count + len(away), total + away.sum(axis=0), squares + (away**2).sum(axis=0)
        return np.asarray(np.sqrt((squares / count - (total / count) ** 2).clip(0)), np.float32)


def load_training_set(settings: TrainingSettings, frontend_id: str) -> TrainingSet:
    """Read the manifests of the settings, check them, and take their features from the cache.

    Raises:
        ManifestError, DataError, AssetError: see `load_recorded` and `load_simulated`.
        TrainingError: nothing to learn.
    """
    response = load_people_response(settings, frontend_id)
    sources = [*load_recorded(settings, frontend_id), *load_simulated(settings, response, frontend_id)]
    return make_training_set(sources, settings.task)


def load_recorded(settings: TrainingSettings, frontend_id: str) -> list[TrainingSource]:
    """The manifests of the settings, checked, with their features from the cache.

    Raises:
        ManifestError: see `check_manifest`.
        DataError: a clip wasn't extracted yet.
        TrainingError: the settings name recordings with rest, but no source.
    """
    cache = FeatureCache(Path(settings.features), frontend_id)
    sources: list[TrainingSource] = []
    for source in settings.sources:
        manifest = read_manifest(Path(source.manifest))
        check_manifest(manifest, labelled=settings.task == "motions")
        chosen = manifest.select(split=source.split or None, kinds=source.kinds)
        chosen = chosen.leave_out(source.without_subjects, source.without_motions)
        acquired, sequences = read_features(cache, chosen)
        sources.append(TrainingSource(acquired.records, sequences, source.batch))
    if settings.resting:
        if not sources:
            raise TrainingError("Rest is given to clips of sources; name one, or leave resting out.")
        _, rested = read_features(cache, read_manifest(Path(settings.resting)))
        sources[0] = dataclasses.replace(sources[0], resting=tuple(rested))
    return sources


def check_simulation(settings: TrainingSettings) -> None:
    """See that simulated people, if any are wanted, fit the features of the settings.

    Raises:
        DataError: the extractor isn't the face mesh, whose points are all that simulated people have.
    """
    if settings.simulation is not None and settings.extractor != MESH:
        raise DataError(
            f"Simulated people have points of {MESH} alone, no features of {settings.extractor}; leave "
            "[simulation] out or train on the mesh."
        )


def load_people_response(settings: TrainingSettings, frontend_id: str) -> MeshResponse | None:
    """The response of the simulated people of the settings; None where there are no people, or they have none.

    Raises:
        DataError: as in `check_simulation` and `load_response`.
    """
    check_simulation(settings)
    return response_of(settings.simulation, frontend_id) if settings.simulation is not None else None


def load_simulated(settings: TrainingSettings, response: MeshResponse | None, frontend_id: str) -> list[TrainingSource]:
    """The simulated people of the settings, or none. They are used for training, never for tests.

    Args:
        settings: the settings of the training.
        response: the response of `load_people_response`.
        frontend_id: the front end of the recorded features.
    Raises:
        DataError: as in `check_simulation`.
        AssetError: the assets aren't there.
    """
    check_simulation(settings)
    if settings.simulation is None:
        return []
    records, sequences = simulate(settings.simulation, response, Assets.find(), frontend_id)
    fitted_on = response.fingerprints if response is not None else frozenset()
    return [TrainingSource(records, sequences, settings.simulation_batch, fitted_on)]


def refuse_fitted(response: MeshResponse | None, held_out: Sequence[FeatureSequence]) -> None:
    """Check that the response of simulated people wasn't fitted on clips that folds hold out.

    Raises:
        DataError: it was fitted on one of them.
    """
    if response is not None and response.fingerprints & set(map(fingerprint_clip, held_out)):
        raise DataError("The response of [simulation] was fitted on clips that folds hold out; fit it on other people.")


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips of one step.

    Attributes:
        clips: B arrays (L_i, D) float32 at `signals.RATE`.
        subjects, motions: (B,) int64 numbers.
        moving: B arrays (L_i,) float32 of what a gate should say, see `rest.mark_moving`; none where there is no gate.
    """

    clips: list[FloatArray]
    subjects: Tensor
    motions: Tensor
    moving: list[FloatArray] | None = None


def draw_batch(data: TrainingSet, settings: TrainingSettings, rng: np.random.Generator) -> Batch:
    """One batch, augmented and brought to `signals.RATE`. Made-up motions have negative numbers."""
    chosen = [sampler.draw(rng) for sampler in data.samplers]
    positions = np.concatenate(chosen)
    subjects, motions = data.labels.subjects[positions].tolist(), data.labels.motions[positions].tolist()
    spotting = settings.encoder.spotting
    taken = [frames_to_encode(data.sequences[position], spotting=spotting) for position in positions]
    spans: list[Span | None] = [None] * len(positions)
    if (settings.augmentation.trimming or settings.encoder.gate) and not spotting:
        spans = [data.span(int(position)) for position in positions]
    made_up = (
        made
        for sampler, own in zip(data.samplers, chosen, strict=True)
        for made in make_up(own, data.labels, sampler.settings.splices, rng)
    )
    for number, (subject, motion) in enumerate(made_up, start=1):
        for head, tail in zip(motion.heads, motion.tails, strict=True):
            first, second = (frames_to_encode(data.sequences[position], spotting=spotting) for position in (head, tail))
            made_clip = splice(first, second, motion.cut)
            if made_clip is not None:
                taken.append(made_clip)
                spans.append(None)
                subjects.append(subject)
                motions.append(-number)
    clips, moving = [], []
    for (values, times), span in zip(taken, spans, strict=True):
        clip, wanted = _augmented(values, times, span, data, settings, rng=rng)
        clips.append(clip)
        moving.append(wanted)
    return Batch(clips, torch.tensor(subjects), torch.tensor(motions), moving if settings.encoder.gate else None)


def _augmented(
    values: FloatArray,
    times: Times,
    span: Span | None,
    data: TrainingSet,
    settings: TrainingSettings,
    *,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """One clip as another recording of its motion might show it, at `signals.RATE`, and when the motion is on."""
    chosen = settings.augmentation
    values, times, moving = augment(values, times, chosen, data.spread, rng, span)
    edges = (float(times[0]), float(times[-1]))
    if chosen.rest and rng.random() < chosen.rest:
        values, times = add_rest(values, times, chosen, data.still, rng)
    if chosen.slower and rng.random() < chosen.slower:
        values, times = film_slower(values, times, chosen, rng)
    clip = resample(values, times)
    return clip, mark_moving(moving, edges, times[0] + np.arange(len(clip)) / RATE)


def pad(clips: Sequence[FloatArray]) -> tuple[Tensor, Tensor]:
    """(L_i, D) clips -> (B, L, D) float32 with zeros behind each, and the (B, L) bool mask of its frames."""
    longest = max(len(clip) for clip in clips)
    values = np.zeros((len(clips), longest, clips[0].shape[1]), np.float32)
    mask = np.zeros((len(clips), longest), np.bool_)
    for row, clip in enumerate(clips):
        values[row, : len(clip)] = clip
        mask[row, : len(clip)] = True
    return torch.from_numpy(values), torch.from_numpy(mask)
