"""Losses of the spatial feature extractors. Landmarks are in crop sides."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 0.05  # crop sides: errors below it are in the curved part of a loss
CURVATURE = 0.01  # crop sides, of the logarithmic part of the wing loss; smaller is steeper near 0


def wing_loss(found: Tensor, wanted: Tensor, known: Tensor, tolerance: Tensor | None = None) -> Tensor:
    """Logarithmic for small errors, so that they keep their weight, and linear for large ones.

    Args:
        found, wanted: (B, 68, 2) crop sides.
        known: (B, 68) 1 where a point counts, else 0.
        tolerance: (B, 68) crop sides; the part of an error within it costs nothing, since weak labels are inexact.
            None: 0 everywhere.
    Returns:
        Scalar: mean over known coordinates, in units of WIDTH; a differentiable 0 where none is known.
    Reference: Feng et al., Wing Loss for Robust Facial Landmark Localisation, CVPR 2018, equation 5.
    """
    error = _beyond((found - wanted).abs(), tolerance)
    offset = WIDTH - WIDTH * math.log(1 + WIDTH / CURVATURE)
    loss = torch.where(error < WIDTH, WIDTH * torch.log1p(error / CURVATURE), error - offset)
    return _mean_known(loss / WIDTH, known)


def smooth_l1_loss(found: Tensor, wanted: Tensor, known: Tensor, tolerance: Tensor | None = None) -> Tensor:
    """Quadratic below WIDTH, linear above; arguments and result as in wing_loss. Girshick, Fast R-CNN, 2015."""
    error = _beyond((found - wanted).abs(), tolerance)
    return _mean_known(F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=WIDTH) / WIDTH, known)


def emotion_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy with soft labels.

    Args:
        logits: (B, 7).
        shares: (B, 7), rows that sum to 1, or of zeros where the expression has no name.
    Returns:
        Scalar: mean over the named rows; a differentiable 0 where there is none.
    """
    named = (shares.sum(dim=1) > 0).float()
    each = -(shares * F.log_softmax(logits, dim=1)).sum(dim=1)
    return (each * named).sum() / named.sum().clamp_min(1)


class UncertaintyWeights(nn.Module):
    """Two losses added with weights that are learned: sum of exp(-s) L + s / 2, s the logarithm of a task's variance.

    Reference: Kendall, Gal, Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses, CVPR 2018.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(2))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two scalar losses -> scalar."""
        losses = torch.stack([first, second])
        return (torch.exp(-self.log_variance) * losses + self.log_variance / 2).sum()


def _beyond(error: Tensor, tolerance: Tensor | None) -> Tensor:
    return error if tolerance is None else F.relu(error - tolerance[..., None])


def _mean_known(loss: Tensor, known: Tensor) -> Tensor:
    return (loss * known[..., None]).sum() / (2 * known.sum()).clamp_min(1)
