"""The sequence encoder of the paper (section 3.2, Fig. 3): a clip of any length becomes one unit vector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facemotion.config import option
from facemotion.nets.blocks import LAYERS
from facemotion.nets.dropout import Dropout
from facemotion.nets.inputs import INPUTS, SCALINGS, InputStreams, mean_over_time
from facemotion.nets.motion_gate import MotionGate, weigh
from facemotion.nets.pooling import POOLINGS, Pooling
from facemotion.nets.resting_face import RestingFace


@dataclass(frozen=True)
class EncoderSettings:
    """Shape of the sequence encoder. The defaults are the paper's, as far as it gives them."""

    inputs: str = option(
        "position", "inputs made of each feature: its value, its change over time, or both", choices=INPUTS
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
        0, "principal components of the training clips as inputs in place of features; 0 for none", minimum=0
    )
    network: str = option(
        "transformer",
        "the paper's network, or another in its place; with none, inputs are pooled as they are",
        choices=tuple(LAYERS),
    )
    width: int = option(
        0, "m, the size of the vectors between layers; 0 for that of the input", minimum=0, maximum=4096
    )
    layers: int = option(3, "layers of the network", minimum=1, maximum=24)
    heads: int = option(8, "attention heads; they divide the width", minimum=1, maximum=64)
    feedforward: int = option(1024, "size of the feed-forward layers", minimum=1, maximum=16384)
    embedding: int = option(128, "n, the size of the embedding", minimum=2, maximum=4096)
    dropout: float = option(0.1, "dropout within the layers and after the positions", minimum=0, maximum=0.9)
    input_dropout: float = option(0.0, "dropout of the standardised inputs", minimum=0, maximum=0.9)
    pooling: str = option(
        "maximum",
        "how time is summed up; the paper takes the maximum, segments are the means of so many parts of the clip",
        choices=POOLINGS,
    )
    segments: int = option(12, "segments that a pooling over segments divides a clip into", minimum=1, maximum=64)
    spotting: bool = option(
        False, "cut clips to where the face moves before they are encoded, the paper's remedy for short motions"
    )
    gate: bool = option(
        False,
        "learn which frames belong to the motion, and let the others count for nothing: rest before and after a motion "
        "then hardly changes the vector",
    )
    face: float = option(
        0.0,
        "share of the embedding's squared norm that says where the face lies at rest, and tells people apart; 0: none",
        minimum=0,
        maximum=0.9,
    )
    positions: bool = option(True, "add sinusoidal positions; without them the encoder hardly sees order")


class SequenceEncoder(nn.Module):
    """Features of B clips -> B unit vectors.

    Positions are added to the sequence, pre-norm transformer layers keep its shape (L x m), the element-wise maximum
    over time leaves m numbers, a linear layer makes them n, and they are scaled to norm 1. Frames are expected at a
    fixed rate (see `facemotion.signals.resample`).

    Args:
        dimension: D, features per frame.
        settings: shape of the network.
    Raises:
        ValueError: the heads don't divide the width, or the face leaves no number to the motion.
    """

    def __init__(self, dimension: int, settings: EncoderSettings = EncoderSettings()) -> None:
        super().__init__()
        streams = InputStreams(dimension, settings.inputs, settings.scaling, settings.centre, settings.components)
        width = settings.width or streams.width
        if width % settings.heads and settings.network in ("transformer", "conformer"):
            raise ValueError(f"a width of {width} can't be shared by {settings.heads} heads")
        self.dimension, self.settings, self.width, self.streams = dimension, settings, width, streams
        self.gate = MotionGate(dimension) if settings.gate else None
        self.project = nn.Linear(streams.width, width) if settings.width else nn.Identity()
        self.input_dropout, self.dropout = Dropout(settings.input_dropout), Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            LAYERS[settings.network](width, settings.heads, settings.feedforward, settings.dropout, number)
            for number in range(settings.layers)
        )
        self.norm = nn.LayerNorm(width) if settings.network != "none" else nn.Identity()
        self.pooling = Pooling(width, settings.pooling, settings.segments)
        self.face = RestingFace(dimension) if settings.face else None
        left = settings.embedding - (self.face.width if self.face else 0)
        if left < 1:
            raise ValueError(f"an embedding of {settings.embedding} leaves nothing to the motion beside the face")
        self.head = nn.Linear(self.pooling.width, left)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode a batch of padded clips.

        Args:
            values: (B, L, D) float, L >= 1; what stands where the mask is false is never looked at.
            mask: (B, L) bool, true on the frames of each clip, which come first; all frames if not given.
        Returns:
            (B, n) float, rows of norm 1.
        """
        return self.encode(values, mask)[0]

    def encode(self, values: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The embeddings, see `forward`, and (B, L) the gate's log-odds that the motion is on, where there is one."""
        if mask is not None:
            values = values.masked_fill(~mask[..., None], 0.0)
        odds = self.gate(values, mask) if self.gate is not None else None
        weights = weigh(odds, mask) if odds is not None else None
        x = self.project(self.input_dropout(self.streams(values, mask if weights is None else weights)))
        if self.settings.positions:
            x = x + sinusoidal_positions(_places(x, weights), self.width)
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, mask, weights)
        pooled = self.pooling(self.norm(x), mask, weights)
        motion = nn.functional.normalize(self.head(pooled), dim=-1)
        if self.face is None:
            return motion, odds
        face = self.face(mean_over_time(values, mask if weights is None else weights)[:, 0])
        share = self.settings.face
        return torch.cat([math.sqrt(1 - share) * motion, math.sqrt(share) * face], dim=-1), odds


def _places(x: Tensor, weights: Tensor | None) -> Tensor:
    """(B or 1, L) where each frame stands: its number, or how much of the motion lies before it, in frames."""
    if weights is not None:
        return torch.cumsum(weights, dim=1) - weights
    return torch.arange(x.shape[1], device=x.device, dtype=x.dtype)[None]


def sinusoidal_positions(places: Tensor, width: int) -> Tensor:
    """(..., L) places in frames -> (..., L, width) sines and cosines (Vaswani et al. 2017, section 3.5)."""
    half = torch.arange((width + 1) // 2, device=places.device, dtype=places.dtype)
    angles = places[..., None] * torch.exp(half * (-2 * math.log(10000.0) / width))
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)[..., :width]
