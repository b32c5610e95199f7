"""What a training of a spatial feature extractor begins with: a run, or an exported file such as the shipped ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from facemotion.errors import TrainingError
from facemotion.nets.sfe import LANDMARKS, TASKS, SpatialExtractor

OUTPUTS = {("landmarks",): TASKS[0], ("emotions",): TASKS[1], ("landmarks", "emotions"): TASKS[2]}


def adopt(net: SpatialExtractor, other: SpatialExtractor) -> None:
    """Give a network the trunk of another one of its width, and the rows of its head for the outputs that both have.

    Args:
        net: changed in place; its standardisation of landmarks, that of its own training set, stays.
    Raises:
        TrainingError: the networks or the widths differ.
    """
    _refuse_width(other.width, net.width)
    if other.network != net.network:
        raise TrainingError(
            f"What this run begins with is a {other.network}, the run itself a {net.network}; they must agree."
        )
    trunk = {n: t for n, t in other.trunk.state_dict().items() if not n.startswith("head.")}
    net.trunk.load_state_dict(net.trunk.state_dict() | trunk)
    own, theirs = net.trunk.head, other.trunk.head
    with torch.no_grad():
        if net.has_landmarks and other.has_landmarks:
            # In crop sides first, then by the standardisation of this training set.
            weight = theirs.weight[:LANDMARKS] * other.spread[:, None]
            bias = theirs.bias[:LANDMARKS] * other.spread + other.mean
            own.weight[:LANDMARKS] = weight / net.spread[:, None]
            own.bias[:LANDMARKS] = (bias - net.mean) / net.spread
        if net.has_emotions and other.has_emotions:
            own.weight[LANDMARKS * net.has_landmarks :] = theirs.weight[LANDMARKS * other.has_landmarks :]
            own.bias[LANDMARKS * net.has_landmarks :] = theirs.bias[LANDMARKS * other.has_landmarks :]


def _refuse_width(found: float, wanted: float) -> None:
    if found != wanted:
        raise TrainingError(
            f"What this run begins with has width {found:g}, the run itself {wanted:g}; they must agree."
        )


def read_exported_sfe(path: Path, width: float, faces: Tensor) -> SpatialExtractor:
    """A file of `export_sfe` as a network that can be trained further.

    The export folded the batch norms away. Each is restored with the mean and deviation of its input over some faces;
    its scale and shift undo them. So the network gives the same results as the file, and stays near them when training
    measures means and deviations anew.

    Args:
        path: the file.
        width: that the network must have; another one is refused before the faces run through it.
        faces: (B, 3, 112, 112) float32 in [0, 1], a hundred or more of the kind to be trained on.
    Returns:
        The network in evaluation mode.
    Raises:
        TrainingError: no such file, not one of `export_sfe`, or one of another width.
    """
    try:
        graph = onnx.load(str(path)).graph
        # A weight in half precision stands under its name and "_half", cast where it is used.
        tensors = {
            i.name.removesuffix("_half"): torch.from_numpy(numpy_helper.to_array(i).astype(np.float32))
            for i in graph.initializer
        }
        tensors = {n.removeprefix("net."): t for n, t in tensors.items() if n.startswith("net.")}
        named = {output.name for output in graph.output}
        task = OUTPUTS[tuple(n for n in ("landmarks", "emotions") if n in named)]
        net = SpatialExtractor(task, tensors["trunk.stem.0.0.weight"].shape[0] / 64).eval()
        _unfold(net, tensors)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"{path} is no extractor that facemotion exported; name a run folder or such a file."
        ) from error
    except Exception as error:  # what the protobuf parser raises on other files is no part of its interface
        if type(error).__name__ != "DecodeError":
            raise
        raise TrainingError(f"{path} is no ONNX file; name a run folder or an exported extractor.") from error
    _refuse_width(net.width, width)
    _settle(net, faces)
    return net


def _unfold(net: SpatialExtractor, tensors: dict[str, Tensor]) -> None:
    """Weights, and biases and slopes under the names that folding gave them."""
    kept = net.state_dict()
    found = {n: t for n, t in tensors.items() if n in kept}
    for name in kept:
        block, _, last = name.rpartition(".")
        place, _, number = block.rpartition(".")
        if last == "slope":
            found[name] = tensors[f"{block}.kept.weight"].reshape(-1, 1, 1)
        elif number == "1" and last == "bias" and f"{place}.0.weight" in tensors:
            found[name] = tensors[f"{place}.0.bias"]
    net.load_state_dict(kept | found)


@torch.no_grad()
def _settle(net: nn.Module, faces: Tensor) -> None:
    """Set every batch norm, whose bias is that of the folded convolution, so that it changes nothing over `faces`."""

    def settle(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        mean, variance = inputs[0].mean(dim=(0, 2, 3)), inputs[0].var(dim=(0, 2, 3))
        norm.running_mean, norm.running_var = mean, variance
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)

    hooks = [m.register_forward_pre_hook(settle) for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net(faces)
    for hook in hooks:
        hook.remove()
