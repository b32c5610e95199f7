"""Trained encoders become one: their vectors are laid end to end, and the main directions are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from facemotion.errors import TrainingError
from facemotion.nets.joined_encoder import JoinedEncoder
from facemotion.nets.sequence_encoder import SequenceEncoder
from facemotion.training.encoder.train import embed
from facemotion.types import FeatureSequence


def join_encoders(
    encoders: Sequence[SequenceEncoder], sequences: Sequence[FeatureSequence], size: int
) -> tuple[JoinedEncoder, float]:
    """Join encoders, keeping the directions in which their vectors lie.

    Args:
        encoders: trained, over the same features.
        sequences: clips that they were trained on, at least `size` of them.
        size: m, numbers of the joined vector.
    Returns:
        The joined encoder, and the share (0..1) that it keeps of the squared norm of these clips' vectors.
    Raises:
        TrainingError: fewer clips than numbers, or more numbers than the encoders give.
        ModelMismatchError: features of another size than the encoders take.
    Reference: principal components, uncentred: of all m directions these change the cosines least.
    """
    width = sum(encoder.settings.embedding for encoder in encoders)
    if not size <= min(width, len(sequences)):
        raise TrainingError(
            f"{size} numbers of the {width} that the encoders give can't be chosen by {len(sequences)} clips; give at "
            "least as many clips as numbers."
        )
    vectors = np.hstack([embed(encoder, sequences) for encoder in encoders]).astype(np.float64)
    _, sizes, directions = np.linalg.svd(vectors, full_matrices=False)
    kept = float((sizes[:size] ** 2).sum() / (sizes**2).sum())
    return JoinedEncoder(encoders, torch.from_numpy(directions[:size].T.astype(np.float32).copy())).eval(), kept
