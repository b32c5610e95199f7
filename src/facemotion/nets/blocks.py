"""What may stand between the inputs of a sequence encoder and its pooling: the paper's transformer layer, and the
baselines that it is measured against. Each keeps the shape (B, L, m) and never lets a frame of padding into a clip.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from facemotion.nets.dropout import Dropout, draw_kept

KERNEL = 5  # frames that the convolution of a TCN layer reaches over, before dilation
UNSEEN = 1e-6  # weight of a frame that isn't seen: above 0, since its logarithm is taken
MASKED = -1e9  # added to the attention score of a frame of padding, whose weight then is 0
CONFORMER_KERNEL = 15  # frames, 0.6 s at 25 frames/s


class TransformerLayer(nn.Module):
    """Pre-norm self-attention and feed-forward, as in the paper. `stacked` as in `Dropout`."""

    stacked = False

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, number: int = 0) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.before_attention, self.before_feedforward = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward), nn.ReLU(), Dropout(dropout), nn.Linear(feedforward, width)
        )
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        """(B, L, m) in and out; mask (B, L) bool, true on the frames of each clip; weights (B, L) float, how much each
        frame is seen by the others, all alike if None."""
        rate = self.rate if self.training else 0.0
        qkv = self.qkv(self.before_attention(x))
        mixed = _attention(qkv, self.heads, mask, rate, weights=weights, stacked=self.stacked)
        x = x + self.dropout(self.out(mixed))
        out: Tensor = x + self.dropout(self.feedforward(self.before_feedforward(x)))
        return out


class GruLayer(nn.Module):
    """Baseline: a gated recurrent unit that reads both ways, with a residual path (heads and feedforward are unused).

    Reference: Cho et al., Learning phrase representations using RNN encoder-decoder, 2014.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, number: int = 0) -> None:
        super().__init__()
        self.norm, self.dropout = nn.LayerNorm(width), Dropout(dropout)
        self.forwards, self.backwards = nn.GRU(width, width, batch_first=True), nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        """See TransformerLayer."""
        inputs = self.norm(x)
        if mask is None:
            backwards = self.backwards(inputs.flip(1))[0].flip(1)
        else:  # each clip is turned round within its own length, so that its last frame is read first
            steps = torch.arange(x.shape[1], device=x.device)[None]
            places = (mask.sum(1, keepdim=True) - 1 - steps).where(mask, steps)[..., None].expand_as(x)
            backwards = self.backwards(inputs.gather(1, places))[0].gather(1, places)
        out: Tensor = x + self.dropout(self.out(torch.cat([self.forwards(inputs)[0], backwards], dim=-1)))
        return out


class TcnLayer(nn.Module):
    """Baseline: a depthwise convolution over time whose reach doubles with each layer, then a pointwise network.

    Reference: Bai, Kolter, Koltun, An empirical evaluation of generic convolutional and recurrent networks, 2018;
    depthwise as in MobileNet.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, number: int = 0) -> None:
        super().__init__()
        reach = 2**number
        self.norm, self.dropout = nn.LayerNorm(width), Dropout(dropout)
        self.depthwise = nn.Conv1d(width, width, KERNEL, padding=reach * (KERNEL // 2), dilation=reach, groups=width)
        self.pointwise = nn.Sequential(
            nn.Linear(width, feedforward), nn.ReLU(), Dropout(dropout), nn.Linear(feedforward, width)
        )

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        """See TransformerLayer."""
        mixed = _over_time(self.depthwise, self.norm(x), mask, weights)
        out: Tensor = x + self.dropout(self.pointwise(mixed))
        return out


class ConformerLayer(nn.Module):
    """What ships: half a feed-forward, self-attention, a convolution, half a feed-forward; LayerNorm within the
    convolution, since batch statistics would mix people. `stacked` as in `Dropout`.

    Reference: Gulati et al., Conformer: Convolution-augmented transformer for speech recognition, 2020.
    """

    stacked = False

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, number: int = 0) -> None:
        super().__init__()
        self.heads, self.rate, self.dropout = heads, dropout, Dropout(dropout)
        self.first, self.last = (
            nn.Sequential(
                nn.LayerNorm(width),
                nn.Linear(width, feedforward),
                nn.SiLU(),
                Dropout(dropout),
                nn.Linear(feedforward, width),
            )
            for _ in range(2)
        )
        self.before_attention, self.before_convolution = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gate = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, CONFORMER_KERNEL, padding=CONFORMER_KERNEL // 2, groups=width)
        self.after = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        """See TransformerLayer."""
        rate = self.rate if self.training else 0.0
        x = x + 0.5 * self.dropout(self.first(x))
        qkv = self.qkv(self.before_attention(x))
        mixed = _attention(qkv, self.heads, mask, rate, weights=weights, stacked=self.stacked)
        x = x + self.dropout(self.out(mixed))
        gated = nn.functional.glu(self.gate(self.before_convolution(x)), dim=-1)
        x = x + self.dropout(self.after(_over_time(self.depthwise, gated, mask, weights)))
        out: Tensor = self.norm(x + 0.5 * self.dropout(self.last(x)))
        return out


class NoLayer(nn.Module):
    """What is left without a network: inputs reach the pooling as they are, and only the head learns."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float, number: int = 0) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor | None, weights: Tensor | None = None) -> Tensor:
        """See TransformerLayer."""
        return x


# Made with (width, heads, feedforward, dropout, number of the layer from 0).
LAYERS: dict[str, Callable[[int, int, int, float, int], nn.Module]] = {
    "transformer": TransformerLayer,
    "gru": GruLayer,
    "tcn": TcnLayer,
    "conformer": ConformerLayer,
    "none": NoLayer,
}


def silence(layer: nn.Module) -> None:
    """Let a new layer add nothing, so that a deeper network begins where a trained one ended: the last weights and
    biases of each path become 0. What is left is the normalisation at the end of a Conformer layer.

    Args:
        layer: one of LAYERS, changed in place; (B, L, m) in and out.
    """
    for name in ("out", "feedforward", "pointwise", "first", "after", "last"):
        part = getattr(layer, name, None)
        last = part[-1] if isinstance(part, nn.Sequential) else part
        if isinstance(last, nn.Linear):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)


def stack(net: nn.Module) -> None:
    """Let a network be computed by `vmap`, several of its kind together, each with its own weights.

    Args:
        net: without recurrent layers, changed in place. Dropout then draws other numbers than without.
    """
    for module in net.modules():
        if isinstance(module, (Dropout, TransformerLayer, ConformerLayer)):
            module.stacked = True


def _attention(
    qkv: Tensor, heads: int, mask: Tensor | None, dropout: float, *, weights: Tensor | None, stacked: bool
) -> Tensor:
    """Queries, keys and values (B, L, 3m) -> what each frame takes from the frames of its clip (B, L, m)."""
    batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    query, key, value = qkv.reshape(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4).unbind(0)
    seen = _seen(mask, weights, qkv)
    if stacked:  # written out: `vmap` computes torch's own network by network
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        logits = logits if seen is None else logits + seen[:, None, None, :]
        mixed = nn.functional.dropout(logits.softmax(-1), dropout) @ value
    elif dropout and qkv.device.type == "cpu":
        mixed = _attend_with_dropout(query, key, value, seen, dropout)
    elif weights is not None and seen is not None:  # written out: the exporter can't decompose torch's own with weights
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + seen[:, None, None, :]
        mixed = logits.softmax(-1) @ value
    else:
        attend = None if seen is None else seen[:, None, None, :]
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=attend, dropout_p=dropout)
    return mixed.transpose(1, 2).reshape(batch, length, width)


def _seen(mask: Tensor | None, weights: Tensor | None, like: Tensor) -> Tensor | None:
    """(B, L) what is added to the attention score of each frame; None where all frames are seen alike."""
    if mask is None and weights is None:
        return None
    added = torch.zeros(like.shape[:2], dtype=like.dtype, device=like.device)
    if weights is not None:
        added = added + weights.clamp_min(UNSEEN).log()
    return added if mask is None else added.masked_fill(~mask, MASKED)


def _attend_with_dropout(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, dropout: float) -> Tensor:
    """scaled_dot_product_attention of (B, H, L, d) on a CPU, with fewer passes over arrays of (B, H, L, L), which are
    most of its cost. The scale is applied to the query, which is small. What is added to the scores (`seen`) becomes
    one more number of each key."""
    query = query * key.shape[-1] ** -0.5
    if seen is not None:
        away = seen[:, None, :, None].expand(-1, key.shape[1], -1, -1)
        query, key = torch.cat([query, torch.ones_like(query[..., :1])], -1), torch.cat([key, away], -1)
    weights = (query @ key.transpose(-1, -2)).softmax(-1)
    kept, scale = draw_kept(weights, dropout)
    mixed: Tensor = (weights * kept) @ (value * scale)
    return mixed


def _over_time(convolution: nn.Conv1d, x: Tensor, mask: Tensor | None, weights: Tensor | None) -> Tensor:
    """A convolution over the frames of (B, L, m), each multiplied by its weight. Outside of a clip there are zeros."""
    if weights is not None:
        x = x * weights[..., None]
    if mask is not None:
        x = x.masked_fill(~mask[..., None], 0.0)
    mixed: Tensor = convolution(x.transpose(1, 2)).transpose(1, 2)
    return mixed
