"""The sequence encoder of the paper (section 3.2, Fig. 3): a clip of any length becomes one unit vector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facemotion.config import option
from facemotion.nets.dropout import Dropout
from facemotion.nets.inputs import INPUTS, SCALINGS, InputStreams, mean_over_time
from facemotion.nets.layers import LAYERS

# How time is summed up, and the length of the result in widths.
POOLINGS = {"maximum": 1, "maximum+mean": 2, "maximum+thirds": 4, "attention": 1, "mean": 1}


@dataclass(frozen=True)
class EncoderSettings:
    """Shape of the sequence encoder. The defaults are the paper's, as far as it gives them."""

    inputs: str = option(
        "position", "what is fed of each feature: its value, its change over time, or both", choices=INPUTS
    )
    centre: bool = option(False, "subtract the clip's mean over time from the values, which removes the resting face")
    scaling: str = option(
        "feature",
        "inputs are divided by their own deviation, that of their stream, their own within the clip, or both of these",
        choices=SCALINGS,
    )
    parts: tuple[str, ...] = option(
        (), "parts of the face that the components are made of, by the extractor's names; empty for all"
    )
    depth: bool = option(True, "components are made of the third coordinate too, where the extractor has one")
    components: int = option(
        0, "principal components of the training clips that are fed in place of features; 0 for none", minimum=0
    )
    network: str = option("transformer", "the paper's network, or another in its place", choices=tuple(LAYERS))
    width: int = option(
        0, "m, the size of the vectors between layers; 0 for that of the input", minimum=0, maximum=4096
    )
    layers: int = option(3, "transformer layers", minimum=1, maximum=24)
    heads: int = option(8, "attention heads; they divide the width", minimum=1, maximum=64)
    feedforward: int = option(1024, "size of the feed-forward layers", minimum=1, maximum=16384)
    embedding: int = option(128, "n, the size of the embedding", minimum=2, maximum=4096)
    dropout: float = option(0.1, "dropout within the layers and after the positions", minimum=0, maximum=0.9)
    input_dropout: float = option(0.0, "dropout of the standardised inputs", minimum=0, maximum=0.9)
    pooling: str = option(
        "maximum",
        "how time is summed up; the paper takes the maximum, thirds adds that of each third",
        choices=tuple(POOLINGS),
    )
    spotting: bool = option(
        False, "cut clips to where the face moves before they are encoded, the paper's remedy for short motions"
    )
    positions: bool = option(True, "add sinusoidal positions; without them the encoder hardly sees order")


class SequenceEncoder(nn.Module):
    """Features of B clips -> B unit vectors.

    Positions are added to the sequence, pre-norm transformer layers keep its shape (L x m), the element-wise maximum
    over time leaves m numbers, a linear layer makes them n, and they are scaled to norm 1. Frames are expected at a
    fixed rate (see `facemotion.encoder.resample`).

    Args:
        dimension: D, features per frame.
        settings: shape of the network.
    Raises:
        ValueError: the heads don't divide the width.
    """

    def __init__(self, dimension: int, settings: EncoderSettings = EncoderSettings()) -> None:
        super().__init__()
        streams = InputStreams(dimension, settings.inputs, settings.scaling, settings.centre, settings.components)
        width = settings.width or streams.width
        if width % settings.heads and settings.network in ("transformer", "conformer"):
            raise ValueError(f"a width of {width} can't be shared by {settings.heads} heads")
        self.dimension, self.settings, self.width, self.streams = dimension, settings, width, streams
        self.project = nn.Linear(streams.width, width) if settings.width else nn.Identity()
        self.input_dropout, self.dropout = Dropout(settings.input_dropout), Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            LAYERS[settings.network](width, settings.heads, settings.feedforward, settings.dropout, number)
            for number in range(settings.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, 1) if settings.pooling == "attention" else None
        self.head = nn.Linear(width * POOLINGS[settings.pooling], settings.embedding)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch of padded clips.

        Args:
            values: (B, L, D) float, L >= 1; what stands where the mask is false is never looked at.
            mask: (B, L) bool, true on the frames of each clip, which come first; all frames if not given.
        Returns:
            (B, n) float, rows of norm 1.
        """
        if mask is not None:
            values = values.masked_fill(~mask[..., None], 0.0)
        x = self.project(self.input_dropout(self.streams(values, mask)))
        if self.settings.positions:
            x = x + sinusoidal_positions(x.shape[1], self.width, x)
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, mask)
        pooled = self._pool(self.norm(x), mask)
        return nn.functional.normalize(self.head(pooled), dim=-1)

    def _pool(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if self.query is not None:
            weights: Tensor = self.query(x)
            if mask is not None:
                weights = weights.masked_fill(~mask[..., None], -math.inf)
            return (torch.softmax(weights, dim=1) * x).sum(dim=1)
        if self.settings.pooling == "mean":
            return mean_over_time(x, mask)[:, 0]
        largest = masked_maximum(x, mask)
        if self.settings.pooling == "maximum":
            return largest
        if self.settings.pooling == "maximum+thirds":
            return torch.cat([largest, *_maxima_of_thirds(x, mask, largest)], dim=-1)
        return torch.cat([largest, mean_over_time(x, mask)[:, 0]], dim=-1)


def masked_maximum(x: Tensor, mask: Tensor | None) -> Tensor:
    """Element-wise maximum over the frames of each clip: (B, L, m) and (B, L) bool -> (B, m)."""
    if mask is not None:
        x = x.masked_fill(~mask[..., None], -math.inf)
    return x.amax(dim=1)


def sinusoidal_positions(length: int, width: int, like: Tensor) -> Tensor:
    """(length, width) sines and cosines of the frame number (Vaswani et al. 2017, section 3.5), typed as `like`."""
    steps = torch.arange(length, device=like.device, dtype=like.dtype)[:, None]
    half = torch.arange((width + 1) // 2, device=like.device, dtype=like.dtype)
    angles = steps * torch.exp(half * (-2 * math.log(10000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


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
