"""The inputs of a sequence encoder: features become streams, each on a scale of its own. Part of the exported graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

INPUTS = ("position", "position+difference", "difference")
SCALINGS = ("feature", "stream", "clip", "stream+clip")
STILL = 0.05  # of `input_scale`: the least deviation within a clip that an input is divided by


class InputStreams(nn.Module):
    """Features of B clips -> inputs of the network.

    Principal components (if any) are taken first, then positions and differences. Each input is then centred and
    divided by a deviation. With "feature" it is the input's own over the training set, with "stream" that of its
    stream, with "clip" the input's own within the clip. With "stream+clip" the inputs of both "stream" and "clip" stand
    side by side. Inputs that hardly move within a clip aren't amplified: the divisor is never less than a twentieth of
    the usual deviation. With "clip" that is the usual deviation of each input. With "stream+clip" it is that of its
    stream, so that inputs which never move as far as others stay small too.

    Args:
        dimension: D, features per frame.
        inputs: one of INPUTS.
        scaling: one of SCALINGS.
        centre: subtract the clip's mean over time from the positions.
        components: number of principal components, fitted by `fit`; 0 feeds the features themselves.
    """

    input_mean: Tensor
    input_scale: Tensor
    basis: Tensor

    def __init__(self, dimension: int, inputs: str, scaling: str, centre: bool, components: int) -> None:
        super().__init__()
        if components > dimension:
            raise ValueError(f"{dimension} features have no {components} principal components")
        self.inputs, self.scaling, self.centre, self.components = inputs, scaling, centre, components
        fed = components or dimension
        self.streams = inputs.count("+") + 1
        self.width = fed * self.streams * (scaling.count("+") + 1)
        self.register_buffer("input_mean", torch.zeros(fed * self.streams))
        self.register_buffer("input_scale", torch.ones(fed * self.streams))
        if components:
            self.register_buffer("basis", torch.eye(dimension, components))

    def forward(self, values: Tensor, weights: Tensor | None) -> Tensor:
        """(B, L, D) features, zero where the (B, L) weights are zero -> (B, L, width).

        Args:
            values: features of B clips.
            weights: what each frame counts in means over time: a mask of the frames of each clip, or how far the motion
                is on in each; all alike if None.
        """
        streams = self._streams(values, weights)
        parts = []
        if self.scaling != "clip":
            parts.append((streams - self.input_mean) / self.input_scale)
        if self.scaling.endswith("clip"):
            centred = streams - mean_over_time(streams, weights)
            variance = mean_over_time(centred.square(), weights)
            parts.append(centred / (variance + (STILL * self.input_scale).square()).sqrt())
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    @torch.no_grad()
    def fit(self, clips: Sequence[Tensor], selected: Tensor | None = None) -> None:
        """Set components and scales from training clips.

        Args:
            clips: (L, D) float each.
            selected: (D,) bool, the features that the components are made of; all if not given.
        Raises:
            ValueError: see `check_selected`.
        """
        if selected is not None:
            check_selected(selected, self.components)
        if self.components:
            self.basis.copy_(_principal(clips, selected, self.components))
        count, total, squares = 0, torch.zeros(()).double(), torch.zeros(()).double()
        for clip in clips:
            streams = self._streams(clip[None], None)[0].double()
            count, total, squares = count + len(streams), total + streams.sum(0), squares + streams.square().sum(0)
        mean = total / count
        deviation = ((squares - count * mean.square()) / max(count - 1, 1)).clamp_min(0).sqrt()
        if self.scaling.startswith("stream"):
            # Inputs that move far then count more than inputs that hardly move and are mostly noise.
            streams = deviation.reshape(self.streams, -1)
            deviation = streams.square().mean(1, keepdim=True).sqrt().expand_as(streams).flatten()
        self.input_mean.copy_(mean)
        self.input_scale.copy_(deviation.clamp_min(1e-4 * float(deviation.max())).clamp_min(1e-12))

    def _streams(self, values: Tensor, weights: Tensor | None) -> Tensor:
        if self.components:
            values = values @ self.basis
        if self.inputs != "position":
            change = torch.cat([torch.zeros_like(values[:, :1]), values[:, 1:] - values[:, :-1]], dim=1)
        if self.centre:
            values = values - mean_over_time(values, weights)
        if self.inputs == "position":
            return values
        return change if self.inputs == "difference" else torch.cat([values, change], dim=-1)


def check_selected(selected: Tensor, components: int) -> None:
    """Check that components can be made of some of the features alone.

    Args:
        selected: (D,) bool, the features.
        components: their number, 0 for none.
    Raises:
        ValueError: some features are left out though there are no components, or fewer features than components are
            left.
    """
    if not components and not bool(selected.all()):
        raise ValueError("parts are chosen through principal components; set components above 0")
    if int(selected.sum()) < components:
        raise ValueError(f"{int(selected.sum())} features have no {components} principal components")


def mean_over_time(x: Tensor, weights: Tensor | None) -> Tensor:
    """Mean over the frames of each clip: (B, L, m) and (B, L) bool or float weights, not all 0 -> (B, 1, m)."""
    if weights is None:
        return x.mean(dim=1, keepdim=True)
    total: Tensor = (x * weights[..., None]).sum(dim=1, keepdim=True)
    return total / weights.sum(dim=1)[:, None, None]


def _principal(clips: Sequence[Tensor], selected: Tensor | None, components: int) -> Tensor:
    """(D, components) directions of largest variance within clips, each scaled so that its largest entry is positive;
    a face at rest, which differs between people, plays no part."""
    dimension = clips[0].shape[1]
    chosen = torch.arange(dimension) if selected is None else selected.nonzero().flatten()
    covariance = torch.zeros(len(chosen), len(chosen)).double()
    for clip in clips:
        moved = clip[:, chosen].double()
        moved = moved - moved.mean(0)
        covariance += moved.T @ moved
    directions = torch.linalg.eigh(covariance)[1].flip(1)[:, :components]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    basis = torch.zeros(dimension, components).double()
    basis[chosen] = directions * largest.sign()
    return basis.float()
