"""Self-supervised pretraining: two subclips of one clip are a positive pair, subclips of other clips are negatives.

No label of a motion is used, so unlabelled recordings can be learned from. Then `begin` starts the training proper from
this run. Reference: contrastive subclips of the paper's follow-up (Electronics 2023, 12, 1369); shares and
augmentations are ours.
"""

from __future__ import annotations

import numpy as np
import torch

from facemotion.signals import Times, frames_to_encode, resample
from facemotion.training.encoder.material.augment import SHORTEST, TimedValues, augment
from facemotion.training.encoder.material.dataset import Batch, TrainingSet
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.types import FloatArray


def draw_subclips(data: TrainingSet, settings: TrainingSettings, rng: np.random.Generator) -> Batch:
    """Two subclips of each of some clips, augmented independently; the number of the clip is used as its motion.

    Args:
        data: clips with or without labels.
        settings: of the training.
        rng: source of the draws.
    Returns:
        A batch of 2 x `subclips.clips`.
    """
    chosen = np.repeat(rng.permutation(len(data.sequences))[: settings.subclips.clips], 2)
    clips = []
    for position in chosen:
        values, times = frames_to_encode(data.sequences[position], spotting=settings.encoder.spotting)
        values, times = cut_subclip(values, times, settings.subclips.shortest, rng)
        clips.append(resample(*augment(values, times, settings.augmentation, data.spread, rng)[:2]))
    return Batch(clips, torch.from_numpy(data.labels.subjects[chosen]), torch.from_numpy(chosen))


def cut_subclip(values: FloatArray, times: Times, shortest: float, rng: np.random.Generator) -> TimedValues:
    """A piece of a clip, of a length drawn evenly from `shortest` to all of it, at any place.

    Args:
        values: (T, D) float32.
        times: (T,) seconds.
        shortest: share of the clip, 0..1.
        rng: source of the draws.
    """
    length = max(min(SHORTEST, len(values)), round(len(values) * rng.uniform(shortest, 1)))
    start = int(rng.integers(0, len(values) - length + 1))
    return values[start : start + length], times[start : start + length]
