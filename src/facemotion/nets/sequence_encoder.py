"""The sequence encoder of the paper (section 3.2, Fig. 3): a clip of any length becomes one unit vector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facemotion.config import option

INPUTS = ("position", "position+difference", "difference")
SCALINGS = ("feature", "stream")
POOLINGS = ("maximum", "maximum+mean", "attention", "mean")


@dataclass(frozen=True)
class EncoderSettings:
    """Shape of the sequence encoder. The defaults are the paper's, as far as it gives them."""

    inputs: str = option(
        "position", "what is fed of each feature: its value, its change over time, or both", choices=INPUTS
    )
    centre: bool = option(False, "subtract the clip's mean over time from the values, which removes the resting face")
    scaling: str = option(
        "feature", "inputs are divided by their own deviation, or by that of their stream", choices=SCALINGS
    )
    width: int = option(
        0, "m, the size of the vectors between layers; 0 for that of the input", minimum=0, maximum=4096
    )
    layers: int = option(3, "transformer layers", minimum=1, maximum=24)
    heads: int = option(8, "attention heads; they divide the width", minimum=1, maximum=64)
    feedforward: int = option(1024, "size of the feed-forward layers", minimum=1, maximum=16384)
    embedding: int = option(128, "n, the size of the embedding", minimum=2, maximum=4096)
    dropout: float = option(0.1, "dropout within the layers and after the positions", minimum=0, maximum=0.9)
    input_dropout: float = option(0.0, "dropout of the standardised inputs", minimum=0, maximum=0.9)
    pooling: str = option("maximum", "how time is summed up; the paper takes the maximum", choices=POOLINGS)
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

    input_mean: Tensor
    input_scale: Tensor

    def __init__(self, dimension: int, settings: EncoderSettings = EncoderSettings()) -> None:
        super().__init__()
        streams = settings.inputs.count("+") + 1
        width = settings.width or dimension * streams
        if width % settings.heads:
            raise ValueError(f"a width of {width} can't be shared by {settings.heads} heads")
        self.dimension, self.settings, self.width = dimension, settings, width
        self.register_buffer("input_mean", torch.zeros(dimension * streams))
        self.register_buffer("input_scale", torch.ones(dimension * streams))
        self.project = nn.Linear(dimension * streams, width) if settings.width else nn.Identity()
        self.input_dropout, self.dropout = nn.Dropout(settings.input_dropout), nn.Dropout(settings.dropout)
        self.layers = nn.ModuleList(
            _Layer(width, settings.heads, settings.feedforward, settings.dropout) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, 1) if settings.pooling == "attention" else None
        self.head = nn.Linear(width * (settings.pooling.count("+") + 1), settings.embedding)

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
        x = (self._streams(values, mask) - self.input_mean) / self.input_scale
        x = self.project(self.input_dropout(x))
        if self.settings.positions:
            x = x + sinusoidal_positions(x.shape[1], self.width, x)
        x = self.dropout(x)
        attend = None if mask is None else mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, attend)
        pooled = self._pool(self.norm(x), mask)
        return nn.functional.normalize(self.head(pooled), dim=-1)

    @torch.no_grad()
    def standardise(self, values: Tensor, mask: Tensor) -> None:
        """Set the standardisation of the inputs from training clips: (N, L, D) values, (N, L) mask."""
        inputs = self._streams(values.masked_fill(~mask[..., None], 0.0), mask)[mask]
        deviation = inputs.std(0)
        if self.settings.scaling == "stream":
            # What moves far is then heard more than what hardly moves and is mostly noise.
            streams = deviation.reshape(-1, self.dimension)
            deviation = streams.square().mean(1, keepdim=True).sqrt().expand_as(streams).flatten()
        self.input_mean.copy_(inputs.mean(0))
        self.input_scale.copy_(deviation.clamp_min(1e-4 * float(deviation.max())))

    def _streams(self, values: Tensor, mask: Tensor | None) -> Tensor:
        if self.settings.inputs != "position":
            change = torch.cat([torch.zeros_like(values[:, :1]), values[:, 1:] - values[:, :-1]], dim=1)
        if self.settings.centre:
            values = values - _mean_over_time(values, mask)
        if self.settings.inputs == "position":
            return values
        return change if self.settings.inputs == "difference" else torch.cat([values, change], dim=-1)

    def _pool(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if self.query is not None:
            weights: Tensor = self.query(x)
            if mask is not None:
                weights = weights.masked_fill(~mask[..., None], -math.inf)
            return (torch.softmax(weights, dim=1) * x).sum(dim=1)
        if self.settings.pooling == "mean":
            return _mean_over_time(x, mask)[:, 0]
        largest = masked_maximum(x, mask)
        if self.settings.pooling == "maximum":
            return largest
        return torch.cat([largest, _mean_over_time(x, mask)[:, 0]], dim=-1)


class _Layer(nn.Module):
    """Pre-norm self-attention and feed-forward; (B, L, m) in and out."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.before_attention, self.before_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.ReLU(), nn.Dropout(dropout), nn.Linear(feedforward, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, attend: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        qkv = self.qkv(self.before_attention(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=attend, dropout_p=self.rate if self.training else 0.0
        )
        x = x + self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, length, width)))
        out: Tensor = x + self.dropout(self.feedforward(self.before_feedforward(x)))
        return out


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


def _mean_over_time(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return x.mean(dim=1, keepdim=True)
    total: Tensor = (x * mask[..., None]).sum(dim=1, keepdim=True)
    return total / mask.sum(dim=1)[:, None, None]
