"""Several sequence encoders that answer as one, with a vector no longer than theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facemotion.nets.sequence_encoder import SequenceEncoder


class JoinedEncoder(nn.Module):
    """Encoders side by side: features of B clips -> B unit vectors.

    If their vectors are laid end to end, the cosine of two such vectors is the mean of the encoders' cosines. The long
    vectors vary in few directions. So as many numbers as a single encoder gives keep nearly all of that cosine.

    Args:
        encoders: K of them, over the same features.
        directions: (sum of their n, m) float, orthonormal columns: what is kept of the vectors laid end to end; see
            `training.encoder.join.join_encoders`.

    Attributes:
        dimension: D, features a frame.
        size: m, of the embedding.
    Raises:
        ValueError: the encoders differ in the features that they take or in how they cut clips, or the directions don't
            fit their vectors.
    """

    directions: Tensor

    def __init__(self, encoders: Sequence[SequenceEncoder], directions: Tensor) -> None:
        super().__init__()
        if len({(encoder.dimension, encoder.settings.spotting) for encoder in encoders}) != 1:
            raise ValueError("encoders that are joined take the same features of the same frames")
        width = sum(encoder.settings.embedding for encoder in encoders)
        if len(directions) != width:
            raise ValueError(f"the encoders give {width} numbers, the directions are of {len(directions)}")
        self.encoders = nn.ModuleList(encoders)
        self.register_buffer("directions", directions)
        self.dimension, self.size = encoders[0].dimension, directions.shape[1]
        self.spotting = encoders[0].settings.spotting

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch of padded clips.

        Args:
            values: (B, L, D) float.
            mask: (B, L) bool; as for SequenceEncoder.
        Returns:
            (B, m) float, rows of norm 1.
        """
        vectors = torch.cat([encoder(values, mask) for encoder in self.encoders], dim=-1) / math.sqrt(
            len(self.encoders)
        )
        return nn.functional.normalize(vectors @ self.directions, dim=-1)
