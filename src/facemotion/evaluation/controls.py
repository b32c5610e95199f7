"""Controls that ignore the order of frames. A system that isn't better than these doesn't use motion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facemotion.signals import median_face
from facemotion.types import FeatureSequence, FloatArray


def shuffle_frames(features: FeatureSequence, rng: np.random.Generator) -> FeatureSequence:
    """The same frames in any order, at the same times."""
    return FeatureSequence(features.values[rng.permutation(len(features))], features.times.copy(), features.frontend_id)


def last_frame(features: FeatureSequence) -> FeatureSequence:
    """The last frame alone."""
    return FeatureSequence(features.values[-1:].copy(), features.times[-1:].copy(), features.frontend_id)


def peak_frame(features: FeatureSequence) -> FeatureSequence:
    """Only the frame that is farthest from the clip's median face."""
    away = np.linalg.norm(features.values - median_face(features.values), axis=1)
    peak = slice(int(away.argmax()), int(away.argmax()) + 1)
    return FeatureSequence(features.values[peak].copy(), features.times[peak].copy(), features.frontend_id)


def pooled_vectors(clips: Sequence[FeatureSequence], reference: Sequence[FeatureSequence], how: str) -> FloatArray:
    """One unit vector per clip from features pooled over time, without any network.

    Args:
        clips: N clips to describe.
        reference: clips whose frames standardise the features, such as the training set.
        how: "maximum" or "mean" over time.
    Returns:
        (N, D) float32, rows of norm 1, of pooled features centred on the reference's own pooled mean.
    """
    frames = np.concatenate([clip.values for clip in reference])
    mean, scale = frames.mean(axis=0), frames.std(axis=0) + 1e-6

    def pool(clip: FeatureSequence) -> FloatArray:
        standard = (clip.values - mean) / scale
        pooled: FloatArray = standard.max(axis=0) if how == "maximum" else standard.mean(axis=0)
        return pooled

    centre = np.mean([pool(clip) for clip in reference], axis=0)
    vectors = np.stack([pool(clip) for clip in clips]) - centre
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12), np.float32)
