"""Where a face lies while it performs: the part of an embedding that tells apart people who make the same motion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

NUMBERS = 32  # of an embedding that the face takes, at most
FLOOR = 0.3  # a direction's spread counts as at least this share of the largest one, so that noise isn't amplified


class RestingFace(nn.Module):
    """Mean features of B clips -> B unit vectors, a linear map of how far they lie from the mean face.

    Args:
        dimension: D, features per frame.
    """

    mean: Tensor

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.width = min(NUMBERS, dimension)
        self.register_buffer("mean", torch.zeros(dimension))
        self.project = nn.Linear(dimension, self.width, bias=False)

    def forward(self, means: Tensor) -> Tensor:
        """(B, D) means over time -> (B, width), rows of norm 1."""
        return nn.functional.normalize(self.project(means - self.mean), dim=-1)

    @torch.no_grad()
    def fit(self, clips: Sequence[Tensor]) -> None:
        """Begin with the directions in which the faces of training clips differ, each on the scale of its spread.

        Args:
            clips: (L, D) float each.
        """
        means = torch.stack([clip.double().mean(0) for clip in clips])
        centre = means.mean(0)
        _, sizes, directions = torch.linalg.svd(means - centre, full_matrices=False)
        kept = min(self.width, len(sizes))
        scales = (sizes[:kept] / len(means) ** 0.5).clamp_min(FLOOR * float(sizes[0]) / len(means) ** 0.5 + 1e-12)
        self.mean.copy_(centre)
        self.project.weight[:kept] = (directions[:kept] / scales[:, None]).float()
