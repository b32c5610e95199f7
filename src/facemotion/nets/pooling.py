"""How a sequence encoder sums up time: L vectors of a clip of any length become one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from facemotion.nets.inputs import mean_over_time

NOTHING = 1e-6  # weight of a frame that counts for nothing: above 0, since its logarithm is taken
FADING = 60.0  # taken off a frame's value in the maximum of a third, for each clip length between frame and third
POOLINGS = ("maximum", "maximum+mean", "maximum+thirds", "maximum+segments", "segments", "attention", "mean")


class Pooling(nn.Module):
    """(B, L, m) -> (B, width).

    "maximum" is the paper's: element-wise, over time. "+mean" adds the mean, and "+thirds" the maximum of each third.
    "+segments" adds the mean of each of a number of overlapping segments of equal length, so that early and late
    movements stay apart. "segments" gives those means alone. "attention" weighs each frame by what it shows.

    Args:
        width: m.
        how: one of POOLINGS.
        segments: number of segments.
    """

    def __init__(self, width: int, how: str, segments: int) -> None:
        super().__init__()
        self.how, self.segments = how, segments
        parts = {"maximum+mean": 2, "maximum+thirds": 4, "maximum+segments": 1 + segments, "segments": segments}
        self.width = width * parts.get(how, 1)
        self.query = nn.Linear(width, 1) if how == "attention" else None

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        """Sum up the frames of each clip.

        Args:
            x: (B, L, m).
            mask: (B, L) bool, true on the frames of each clip, which come first; all frames if None.
            weights: (B, L) float, above 0 where the mask is true: how much each frame counts; all alike if None. With
                weights, thirds and segments divide the total weight, not the clip's length.
        Returns:
            (B, width).
        """
        counted = mask if weights is None else weights
        if self.query is not None:
            attention: Tensor = self.query(x)
            if weights is not None:
                attention = attention + weights.clamp_min(NOTHING).log()[..., None]
            if mask is not None:
                attention = attention.masked_fill(~mask[..., None], -math.inf)
            return (torch.softmax(attention, dim=1) * x).sum(dim=1)
        if self.how == "mean":
            return mean_over_time(x, counted)[:, 0]
        if self.how == "segments":
            return means_of_segments(x, counted, self.segments)
        if weights is not None:
            x = x + weights.clamp_min(NOTHING).log()[..., None]
        largest = masked_maximum(x, mask)
        if self.how == "maximum":
            return largest
        if self.how == "maximum+thirds":
            thirds = _maxima_of_thirds(x, mask, largest) if weights is None else _weighted_thirds(x, mask, weights)
            return torch.cat([largest, *thirds], dim=-1)
        if self.how == "maximum+segments":
            return torch.cat([largest, means_of_segments(x, counted, self.segments)], dim=-1)
        return torch.cat([largest, mean_over_time(x, counted)[:, 0]], dim=-1)


def masked_maximum(x: Tensor, mask: Tensor | None) -> Tensor:
    """Element-wise maximum over the frames of each clip: (B, L, m) and (B, L) bool -> (B, m)."""
    if mask is not None:
        x = x.masked_fill(~mask[..., None], -math.inf)
    return x.amax(dim=1)


def means_of_segments(x: Tensor, counted: Tensor | None, segments: int) -> Tensor:
    """Means over N segments of each clip: (B, L, m) and (B, L) bool or float weights -> (B, N m), the first one first.

    A frame weighs less the farther it is from the segment's middle, and nothing beyond the middles of the neighbouring
    segments. If a clip has fewer frames than segments, a segment is interpolated from the two frames around its middle.
    """
    weights = x.new_ones(1, x.shape[1]) if counted is None else counted.to(x.dtype)
    whole = weights.sum(1, keepdim=True)
    middles = (torch.arange(segments, device=x.device, dtype=x.dtype) + 0.5) / segments
    distance = course(weights)[:, None] - middles[:, None]  # (B or 1, N, L), in clips
    reach = (1 / whole).clamp_min(1 / segments)[..., None]
    shares = (1 - distance.abs() / reach).clamp_min(0) * weights[:, None]
    shares = shares / shares.sum(2, keepdim=True)
    return torch.matmul(shares, x).flatten(1)


def course(weights: Tensor) -> Tensor:
    """(B, L) weights of frames -> (B, L) how much of the clip's weight lies before the middle of each frame, 0..1."""
    return (torch.cumsum(weights, dim=1) - 0.5 * weights) / weights.sum(1, keepdim=True)


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


def _weighted_thirds(x: Tensor, mask: Tensor | None, weights: Tensor) -> list[Tensor]:
    """Maxima over the thirds of the total weight. A third fades beyond its edges, since the weights are only
    estimates."""
    place = course(weights)[..., None]
    found = []
    for number in range(3):
        beyond = torch.maximum(number / 3 - place, place - (number + 1) / 3).clamp_min(0)
        found.append(masked_maximum(x - FADING * beyond, mask))
    return found
