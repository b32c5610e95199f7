"""How a sequence encoder sums up time: L vectors of a clip of any length become one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from facemotion.nets.inputs import mean_over_time

POOLINGS = ("maximum", "maximum+mean", "maximum+thirds", "maximum+segments", "segments", "attention", "mean")


class Pooling(nn.Module):
    """(B, L, m) -> (B, width).

    "maximum" is the paper's: element-wise, over time. "+mean" adds the mean, "+thirds" the maximum of each third,
    "+segments" the mean of each of so many overlapping segments of equal length, so that what happens early and what
    happens late stay apart; "segments" are those means alone. "attention" weighs each frame by what it shows.

    Args:
        width: m. how: one of POOLINGS. segments: number of segments.
    """

    def __init__(self, width: int, how: str, segments: int) -> None:
        super().__init__()
        self.how, self.segments = how, segments
        parts = {"maximum+mean": 2, "maximum+thirds": 4, "maximum+segments": 1 + segments, "segments": segments}
        self.width = width * parts.get(how, 1)
        self.query = nn.Linear(width, 1) if how == "attention" else None

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, m), and (B, L) bool, true on the frames of each clip, which come first; all frames if None."""
        if self.query is not None:
            weights: Tensor = self.query(x)
            if mask is not None:
                weights = weights.masked_fill(~mask[..., None], -math.inf)
            return (torch.softmax(weights, dim=1) * x).sum(dim=1)
        if self.how == "mean":
            return mean_over_time(x, mask)[:, 0]
        if self.how == "segments":
            return means_of_segments(x, mask, self.segments)
        largest = masked_maximum(x, mask)
        if self.how == "maximum":
            return largest
        if self.how == "maximum+thirds":
            return torch.cat([largest, *_maxima_of_thirds(x, mask, largest)], dim=-1)
        if self.how == "maximum+segments":
            return torch.cat([largest, means_of_segments(x, mask, self.segments)], dim=-1)
        return torch.cat([largest, mean_over_time(x, mask)[:, 0]], dim=-1)


def masked_maximum(x: Tensor, mask: Tensor | None) -> Tensor:
    """Element-wise maximum over the frames of each clip: (B, L, m) and (B, L) bool -> (B, m)."""
    if mask is not None:
        x = x.masked_fill(~mask[..., None], -math.inf)
    return x.amax(dim=1)


def means_of_segments(x: Tensor, mask: Tensor | None, segments: int) -> Tensor:
    """Means over N segments of each clip: (B, L, m) and (B, L) bool -> (B, N m), the first segment first.

    A segment's frames weigh less the farther they are from its middle, nothing beyond the middles of its neighbours; in
    a clip of fewer frames than segments, it lies between the two frames around its middle.
    """
    frames = torch.arange(x.shape[1], device=x.device, dtype=x.dtype) + 0.5
    lengths = x.new_full((1, 1), 1.0) * x.shape[1] if mask is None else mask.sum(1, keepdim=True).to(x.dtype)
    middles = (torch.arange(segments, device=x.device, dtype=x.dtype) + 0.5) / segments
    distance = (frames / lengths)[:, None] - middles[:, None]  # (B or 1, N, L), in clips
    reach = (1 / lengths).clamp_min(1 / segments)[..., None]
    weights = (1 - distance.abs() / reach).clamp_min(0)
    if mask is not None:
        weights = weights * mask[:, None]
    weights = weights / weights.sum(2, keepdim=True)
    return torch.matmul(weights, x).flatten(1)


def _maxima_of_thirds(x: Tensor, mask: Tensor | None, whole: Tensor) -> list[Tensor]:
    """Maxima over the first, second and last third of each clip; a third without a frame gives that of the clip."""
    steps = torch.arange(x.shape[1], device=x.device, dtype=x.dtype)[None]
    lengths = x.new_full((1, 1), 1.0) * x.shape[1] if mask is None else mask.sum(1, keepdim=True)
    third = ((steps + 0.5) * 3 / lengths).floor()
    third = third if mask is None else third.masked_fill(~mask, -1)
    found = []
    for number in range(3):
        inside = (third == number)[..., None]
        largest = x.masked_fill(~inside, -math.inf).amax(dim=1)
        found.append(torch.where(inside.any(dim=1), largest, whole))
    return found
