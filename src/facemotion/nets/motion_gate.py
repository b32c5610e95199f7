"""Which frames of a clip belong to its motion: a small network that learns what rest is.

A user rests before and after the motion, breathes, parts the lips and turns meanwhile. If all frames count alike, a
longer rest changes the encoder's vector. So the gate gives each frame a weight: how sure it is that the motion is on.
The encoder's statistics over time, its positions and its pooling use these weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facemotion.nets.inputs import mean_over_time

DIRECTIONS = 16  # learned directions in which speeds are looked at; a turn of the head is one, an opening mouth another
PLACES = 8  # learned directions in which distances from the clip's first and last faces are looked at
WIDTH = 24  # channels
KERNEL = 9  # frames that each convolution reaches over, before dilation
SMOOTHED = 5  # frames over which squared speeds are averaged
# Log-odds at which a frame counts for half. It is above 0: restless faces shouldn't pass, and losing the edges of a
# motion does less harm.
CAUTION = 3.0
ENDS = 3  # frames that show the first and the last face
LEAST = 1e-4  # weight that every frame keeps, so that a clip in which nothing moves has a mean, too


class MotionGate(nn.Module):
    """Features of B clips -> for each frame the log-odds that the motion is on.

    Speeds count relative to the clip's fastest, so that a small motion has a beginning and an end, too. The three
    convolutions reach 56 frames (2.2 s) to both sides: a motion that is held for a second stays one motion.

    Args:
        dimension: D, features per frame.
    """

    scale: Tensor

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.directions = nn.Linear(dimension, DIRECTIONS, bias=False)
        self.places = nn.Linear(dimension, PLACES, bias=False)
        self.register_buffer("scale", torch.ones(2))
        inputs = 2 * (DIRECTIONS + 1) + 2 * PLACES
        self.convolutions = nn.ModuleList(
            nn.Conv1d(size, WIDTH, KERNEL, padding=reach * (KERNEL // 2), dilation=reach)
            for size, reach in ((inputs, 1), (WIDTH, 3), (WIDTH, 10))
        )
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """(B, L, D) zero where the (B, L) mask is false -> (B, L) log-odds."""
        present = values.new_ones(values.shape[:2]) if mask is None else mask.to(values.dtype)
        x = self._cues(values, present) * present[..., None]
        for convolution in self.convolutions:
            x = nn.functional.gelu(convolution(x.transpose(1, 2)).transpose(1, 2)) * present[..., None]
        odds: Tensor = self.out(x)[..., 0]
        return odds

    @torch.no_grad()
    def fit(self, clips: list[Tensor]) -> None:
        """Set the scales of places and of changes from training clips, (L, D) float each."""
        squares, frames = torch.zeros(2).double(), 0
        for clip in clips:  # one after the other: all of them together may be gigabytes
            squares[0] += (clip - clip.mean(0)).square().mean(1).double().sum()
            squares[1] += (clip[1:] - clip[:-1]).square().mean(1).double().sum()
            frames += len(clip)
        counts = torch.tensor([frames, max(frames - len(clips), 1)])
        self.scale.copy_((squares / counts).sqrt().clamp_min(1e-12))

    def _cues(self, values: Tensor, present: Tensor) -> Tensor:
        change = torch.cat([torch.zeros_like(values[:, :1]), values[:, 1:] - values[:, :-1]], dim=1)
        change = change * present[..., None] / self.scale[1]
        squares = torch.cat([self.directions(change).square(), change.square().mean(-1, keepdim=True)], dim=-1)
        padded = nn.functional.pad(squares, (0, 0, SMOOTHED // 2, SMOOTHED // 2))
        speeds = (padded.unfold(1, SMOOTHED, 1).mean(-1) + 1e-6).sqrt() * present[..., None]
        places = self.places((values - mean_over_time(values, present)) / self.scale[0])
        steps = torch.cumsum(present, dim=1)
        last = (steps > steps[:, -1:] - ENDS).to(values.dtype) * present
        first = (steps <= ENDS).to(values.dtype) * present
        away = [(places - mean_over_time(places, ends)).abs() for ends in (first, last)]
        parts = [torch.log1p(speeds), relative(speeds, present), *(relative(part, present) for part in away)]
        return torch.cat(parts, dim=-1)


def relative(x: Tensor, present: Tensor) -> Tensor:
    """(B, L, m), not negative, as shares of its largest value over the (B, L) frames that are present."""
    largest = (x * present[..., None]).amax(dim=1, keepdim=True)
    return x / largest.clamp_min(1e-3)


def weigh(odds: Tensor, mask: Tensor | None) -> Tensor:
    """(B, L) log-odds -> (B, L) weights, LEAST to 1; 0 where the mask is false."""
    weights = torch.sigmoid(odds - CAUTION).clamp_min(LEAST)
    return weights if mask is None else weights * mask.to(weights.dtype)
