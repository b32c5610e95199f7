"""A trained spatial feature extractor as one ONNX file with its outputs side by side, half the size of its weights."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from facemotion.errors import TrainingError
from facemotion.nets.mobilefacenet import ChannelPReLU
from facemotion.nets.sfe import SpatialExtractor
from facemotion.system.files import whole
from facemotion.training.extractor.photometric import SIDE
from facemotion.training.onnx_export import OPSET, TOLERANCE, quiet_exporter, strip


def export_sfe(net: SpatialExtractor, path: Path, readout: tuple[Tensor, Tensor] | None = None) -> float:
    """Write the network as ONNX: input "faces" (1, 3, 112, 112) float32 RGB in [0, 1]; outputs "features" (1, 512),
    and, as the task has them, "landmarks" (1, 136) in crop sides and "emotions" (1, 7) logits. With them go
    "head_weight" (136, 512) and "head_bias" (136,): landmarks = head_weight @ features + head_bias, so that whoever
    holds features alone can still tell how far the face moved.

    Batch norms are folded into the convolutions and the weights kept in half precision, cast where they are used.

    Args:
        net: trained; it stays as it is.
        path: of the file.
        readout: weight and bias of a network without landmarks, see `training.extractor.readout`.
    Returns:
        The largest difference that half precision makes to the landmarks, in crop sides, or to the features of a
        network without.
    Raises:
        TrainingError: the file doesn't agree with the network of rounded weights to 1e-4, or can't be written.
    """
    net = copy.deepcopy(net).cpu().eval()
    faces = torch.from_numpy(np.random.default_rng(0).random((4, 3, SIDE, SIDE), np.float32))
    with torch.no_grad():
        before = net(faces)
    folded = _Outputs(_fold(net), readout).eval()
    with torch.no_grad():
        for tensor in folded.parameters():
            if tensor.ndim > 1:
                tensor.copy_(tensor.half().float())
        after = folded(faces)
    names = ["features", *(["landmarks"] if net.has_landmarks else [])]
    names += ["head_weight", "head_bias"] if net.has_landmarks or readout else []
    names += ["emotions"] if net.has_emotions else []
    with quiet_exporter():
        program = torch.onnx.export(
            folded,
            (faces[:1],),
            input_names=["faces"],
            output_names=names,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise TrainingError("The extractor can't be exported; report the settings of its run.")
    model = program.model_proto
    strip(model)
    halve(model)
    try:
        with whole(path) as draft:
            draft.write_bytes(model.SerializeToString())
            check_sfe_parity(folded, draft, faces)
            onnx.checker.check_model(model)
    except OSError as error:
        raise TrainingError(f"Can't write {path}: {error.strerror}.") from error
    which = 1 if net.has_landmarks else 0
    return float((before[which] - after[which]).abs().max())


def check_sfe_parity(net: nn.Module, path: Path, faces: Tensor) -> float:
    """Largest difference between the file and the network over faces (B, 3, 112, 112), relative to the largest value
    of an output where that is above 1.

    Args:
        net: gives the outputs of the file, in their order.
        path: of the file.
        faces: float32 in [0, 1], one run each.
    Raises:
        TrainingError: it is above 1e-4.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    with torch.no_grad():
        for face in faces:
            for found, wanted in zip(session.run(None, {"faces": face[None].numpy()}), net(face[None]), strict=True):
                scale = max(1.0, float(wanted.abs().max()))
                worst = max(worst, float(np.abs(found - wanted.numpy()).max()) / scale)
    if worst > TOLERANCE:
        raise TrainingError(f"{path} differs from the network by {worst:.2g}, more than {TOLERANCE:g}; don't ship it.")
    return worst


def halve(model: onnx.ModelProto) -> None:
    """Keep float32 initialisers of 64 values or more that half precision holds exactly in it, cast to float32 when the
    file is loaded."""
    casts = []
    for initializer in model.graph.initializer:
        array = numpy_helper.to_array(initializer)
        if array.dtype != np.float32 or array.size < 64 or (array.astype(np.float16) != array).any():
            continue
        name = initializer.name
        half = numpy_helper.from_array(array.astype(np.float16), f"{name}_half")
        initializer.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])


class _Outputs(nn.Module):
    """The outputs that the task has, without the empty ones."""

    def __init__(self, net: SpatialExtractor, readout: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.net = net
        self.readout = nn.ParameterList(readout or ())

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        net = self.net
        features, landmarks, emotions = net(faces)
        count = landmarks.shape[1]
        head = (net.trunk.head.weight[:count], net.trunk.head.bias[:count]) if count else tuple(self.readout)
        return (
            features,
            *([landmarks] if net.has_landmarks else []),
            *(part.clone() for part in head),
            *([emotions] if net.has_emotions else []),
        )


class _ConvolvedPReLU(nn.Module):
    """ChannelPReLU as two 1 x 1 depthwise convolutions, which stay in the blocked layout of the convolutions round
    them; the element-wise form makes ONNX Runtime reorder every activation."""

    def __init__(self, activation: ChannelPReLU) -> None:
        super().__init__()
        slope = activation.slope.detach().reshape(-1, 1, 1, 1)
        channels = len(slope)
        self.kept = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.rest = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.kept.weight = nn.Parameter(slope)
        self.rest.weight = nn.Parameter(1 - slope)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.kept(x) + self.rest(torch.relu(x))
        return y


def _fold(net: SpatialExtractor) -> SpatialExtractor:
    """Batch norms folded into their convolutions, the standardisation of landmarks into the head, activations in the
    form that runs fastest; changes `net`."""
    if net.has_landmarks:
        head, count = net.trunk.head, len(net.mean)
        with torch.no_grad():
            head.weight[:count] *= net.spread[:, None]
            head.bias[:count] = head.bias[:count] * net.spread + net.mean
            net.spread.fill_(1)
            net.mean.zero_()
    for module in list(net.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for place, layer in enumerate(module):
            before = module[place - 1]
            if isinstance(layer, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
                module[place - 1] = fuse_conv_bn_eval(before, layer)
                module[place] = nn.Identity()
            elif isinstance(layer, ChannelPReLU):
                module[place] = _ConvolvedPReLU(layer)
    return net
