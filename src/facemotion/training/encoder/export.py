"""A trained encoder as an ONNX file that agrees with the torch network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from facemotion.errors import TrainingError
from facemotion.models.cards import file_entry
from facemotion.nets.joined_encoder import JoinedEncoder
from facemotion.nets.sequence_encoder import SequenceEncoder
from facemotion.system.files import whole, write_whole
from facemotion.training.onnx_export import OPSET, TOLERANCE, quiet_exporter, strip

AnyEncoder = SequenceEncoder | JoinedEncoder


def export_encoder(net: AnyEncoder, path: Path) -> None:
    """Write the network as ONNX: input "values" (1, L, D) float32 of any L, output "embedding" (1, n).

    A run takes one clip: without a mask the graph is smaller, and a verifier sees one clip at a time.

    Raises:
        TrainingError: the file doesn't agree with the network to 1e-4, or can't be written.
    """
    net = net.cpu().eval()
    example = torch.zeros(1, 50, net.dimension)
    try:
        with whole(path) as draft:
            with quiet_exporter():
                model = _trace_recurrent(net, example, draft) if _is_recurrent(net) else _trace(net, example)
            strip(model)
            draft.write_bytes(model.SerializeToString())
            check_parity(net, draft)
            onnx.checker.check_model(model)
    except OSError as error:
        raise TrainingError(f"Can't write {path}: {error.strerror}.") from error


def write_card(path: Path, frontend_id: str, *, spotting: bool) -> Path:
    """Describe an exported encoder in a card beside it, so that settings can name it (`models_folder` is its folder).

    Args:
        path: of the ONNX file, whose name becomes the model's.
        frontend_id: of the features that it takes.
        spotting: whether clips are cut to where the face moves first.
    Returns:
        Path of the card, `path` with .toml at its end.
    Raises:
        TrainingError: it can't be written.
    """
    card = path.with_name(path.name + ".toml")  # encoder.toml may well be the settings of the training
    entry = {
        **file_entry(path),
        "role": "encoder",
        "source": "trained by facemotion train encoder",
        "frontend": frontend_id,
        "spotting": spotting,
    }
    # JSON's strings, numbers and truth values are TOML's too.
    text = f"[{json.dumps(path.stem)}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in entry.items())
    try:
        write_whole(card, text)
    except OSError as error:
        raise TrainingError(f"Can't write {card}: {error.strerror}.") from error
    return card


def _is_recurrent(net: AnyEncoder) -> bool:
    return any(isinstance(part, nn.GRU) for part in net.modules())


def _trace(net: AnyEncoder, example: torch.Tensor) -> onnx.ModelProto:
    length = torch.export.Dim("frames", min=2, max=4096)
    program = torch.onnx.export(
        net,
        (example,),
        input_names=["values"],
        output_names=["embedding"],
        dynamic_shapes=({1: length},),
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise TrainingError("The encoder can't be exported; report the settings of its run.")
    model: onnx.ModelProto = program.model_proto
    return model


def _trace_recurrent(net: AnyEncoder, example: torch.Tensor, part: Path) -> onnx.ModelProto:
    """The older exporter knows ONNX's own recurrent operators; the newer one unrolls them into a loop in minutes."""
    torch.onnx.export(
        net,
        (example,),
        str(part),
        input_names=["values"],
        output_names=["embedding"],
        dynamic_axes={"values": {1: "frames"}},
        opset_version=OPSET,
        dynamo=False,
    )
    return onnx.load(part)


def check_parity(net: AnyEncoder, path: Path, lengths: tuple[int, ...] = (1, 2, 25, 300)) -> float:
    """Largest difference between the file and the network over random clips.

    Args:
        net: on the CPU, in evaluation mode.
        path: of its file.
        lengths: of the clips, frames.
    Raises:
        TrainingError: it is above 1e-4.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    worst = 0.0
    for length in lengths:
        values = rng.normal(size=(1, length, net.dimension)).astype(np.float32)
        (found,) = session.run(["embedding"], {"values": values})
        with torch.no_grad():
            wanted = net(torch.from_numpy(values)).numpy()
        worst = max(worst, float(np.abs(found - wanted).max()))
    if worst > TOLERANCE:
        raise TrainingError(f"{path} differs from the network by {worst:.2g}, more than {TOLERANCE:g}; don't ship it.")
    return worst
