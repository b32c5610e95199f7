"""Dropout whose choices come eight at a time from one random number: on a CPU, drawing them costs most."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def drop(x: Tensor, rate: float) -> Tensor:
    """Zero a share of the entries at random and scale the others up, so that the mean stays.

    Args:
        x: (...) float.
        rate: 0 to 0.99, the share; on a CPU rounded to a 256th, and `x` scaled to fit.
    Returns:
        As x, from torch's global generator.
    """
    if not rate:
        return x
    if x.device.type != "cpu":
        return nn.functional.dropout(x, rate)
    kept, scale = draw_kept(x, rate)
    return x * kept.mul_(scale)


def draw_kept(like: Tensor, rate: float) -> tuple[Tensor, float]:
    """Which entries of a tensor are kept on a CPU, and the factor that scales them up.

    Args:
        like: (...) float.
        rate: above 0, below 1; rounded to a 256th.
    Returns:
        1 where an entry is kept and 0 elsewhere, shape and type of `like`; and one over the share that is kept.
    """
    dropped = min(max(round(256 * rate), 1), 255)
    words = torch.empty((like.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)  # None: up to 2**63 - 1
    kept = (words.view(torch.uint8)[: like.numel()] >= dropped).view(like.shape)
    return kept.to(like.dtype), 256 / (256 - dropped)


class Dropout(nn.Module):
    """`drop` while training, nothing else.

    Args:
        rate: see `drop`.
    Attributes:
        stacked: whether the network is one of several that are computed together by torch's `vmap`, which knows torch's
            own dropout alone.
    """

    stacked = False

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(...) in and out."""
        if self.stacked:
            return nn.functional.dropout(x, self.rate, self.training)
        return drop(x, self.rate) if self.training else x
