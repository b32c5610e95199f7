"""Cached features of one or several manifests as training material."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from facemotion.data.cache import fingerprint_clip
from facemotion.errors import ModelMismatchError, TrainingError
from facemotion.signals import RATE, Times, active_span, frames_to_encode, resample
from facemotion.training.encoder.material.augment import Span, augment
from facemotion.training.encoder.material.rest import (
    MANY_CLIPS,
    MARGIN,
    StillFaces,
    add_rest,
    ends_at_rest,
    film_slower,
    mark_moving,
)
from facemotion.training.encoder.material.sampling import BatchSampler, Labels, SamplerSettings, number_labels
from facemotion.training.encoder.material.splice import make_up, splice
from facemotion.training.encoder.settings import TrainingSettings
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
        watched: clips of further people, who only say when to stop; None where nobody does.
    """

    records: tuple[ClipRecord, ...]
    sequences: tuple[FeatureSequence, ...]
    labels: Labels
    samplers: tuple[BatchSampler, ...]
    spread: FloatArray
    fitted_on: frozenset[str] = frozenset()
    resting: tuple[FeatureSequence, ...] = ()
    watched: TrainingSource | None = None
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
        watched = self.watched or NOBODY
        total = hashlib.blake2b(digest_records((*self.records, *watched.records)).encode(), digest_size=32)
        for sequence in (*self.sequences, *self.resting, *watched.sequences):
            total.update(sequence.values.tobytes())
            total.update(sequence.times.tobytes())
        return total.hexdigest()

    @property
    def fingerprints(self) -> frozenset[str]:
        """Of every clip that training depends on, see `fingerprint_clip`."""
        watched = (self.watched or NOBODY).sequences
        return frozenset(map(fingerprint_clip, (*self.sequences, *self.resting, *watched))) | self.fitted_on

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
        for position in range(0, len(self.sequences), max(1, len(self.sequences) // MANY_CLIPS)):
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


NOBODY = TrainingSource((), (), SamplerSettings())


def make_training_set(
    sources: Sequence[TrainingSource], task: str = "motions", watched: TrainingSource | None = None
) -> TrainingSet:
    """Join sources, each with its sampler; subjects of two sources are two people, whatever their names.

    Args:
        sources: the clips to train on.
        task: as in the settings; a task without labels needs no pair of takes.
        watched: people of the same front end who say when to stop.
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
    return TrainingSet(records, sequences, joined, tuple(samplers), spread, fitted_on, resting, watched)


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
    """One batch, augmented and brought to `signals.RATE`. Made-up motions have negative numbers.

    Args:
        data: clips and their samplers.
        settings: of the training; spotting, augmentation and the gate count here.
        rng: source of the draws.
    """
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
