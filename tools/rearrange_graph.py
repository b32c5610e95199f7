"""Rearrange a network of tools/convert_tflite.py so that ONNX Runtime runs it faster; weights and answers stay.

    python tools/rearrange_graph.py face_mesh_converted.onnx face_mesh.onnx

Convolutions of ONNX Runtime work on blocks of 16 channels (8 without AVX-512). Whatever lies between two of them and
knows no blocks costs a copy there and one back. Three things are done about it:

- Channels are filled up with zeros to whole blocks, so that adding zero channels to the shorter way round a block, as
  BlazeFace does, mostly needs nothing, and else a convolution with the identity.
- PReLU, `a*x + (1-a)*relu(x)`, was a ReLU and two depthwise convolutions. Each channel is kept at a scale at which the
  factor of relu(x) is 1: one of the two goes. Kernels before and after take the scales in; floats lose nothing by it.
- Where a layer has half a block of channels, the other half holds their negatives: the convolution's own ReLU then
  gives both signs, and the next kernel takes the slopes in. The whole PReLU goes.

Kernels stay in half precision in the file; scales stand beside them in single precision and are multiplied in when the
network is loaded. Needs `pip install onnx numpy`; nothing here is imported by the package.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

BLOCK = 16
"""Channels that ONNX Runtime works on at once, on processors with AVX-512."""
SMALLEST_PART = 1e-6
"""Least distance of a slope from 1 that is kept: its channel's scale is the inverse."""
BLOCKED = ("Conv", "Relu", "Add", "MaxPool", "Pad")
"""Operators between which channels may be filled up and scaled."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PRelu:
    """Four nodes that make a PReLU. `source` is its input, `slopes` (C,) what negative values are multiplied by."""

    source: str
    slopes: Array


@dataclass(frozen=True)
class Stored:
    """How a value of the original is kept: (1, width, h, w), of which the first channels are its own times `scale`.

    Attributes:
        name: in the new graph.
        scale: (C,), never 0.
        width: channels, C filled up with zeros.
        slopes: (C,) where the value is a PReLU, kept as relu(x) in the first half of the channels, then relu(-x).
    """

    name: str
    scale: Array
    width: int
    slopes: Array | None = None


class Rearranger:
    """One pass over the nodes of a graph, in their order.

    Args:
        model: of tools/convert_tflite.py.
    Raises:
        ValueError: the graph has something else than those graphs.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        values = [*inferred.value_info, *inferred.input, *inferred.output]
        self._shapes = {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values}
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = []
        for node in model.graph.node:
            if node.op_type == "Cast" and node.input[0] in self._constants:
                self._constants[node.output[0]] = self._constants[node.input[0]]
            else:
                self._nodes.append(node)
        self._made_by = {node.output[0]: node for node in self._nodes}
        self._prelus: dict[str, PRelu] = {}
        self._parts: set[str] = set()
        for node in self._nodes:
            self._note_prelu(node)
        self._users: dict[str, list[onnx.NodeProto]] = {}
        for node in self._nodes:
            if node.output[0] in self._prelus:
                continue
            for name in [] if node.output[0] in self._parts else node.input:
                self._users.setdefault(name, []).append(node)
        self._stored: dict[str, Stored] = {}
        self._new: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def run(self) -> onnx.ModelProto:
        """The new network: the same inputs, outputs and answers."""
        for node in self._nodes:
            name = node.output[0]
            if name in self._parts:
                continue
            if name in self._prelus:
                self._stored[name] = self._prelu(name, self._prelus[name])
            elif node.op_type == "Conv":
                self._stored[name] = self._conv(node)
            elif node.op_type == "Pad":
                self._stored[name] = self._pad(node)
            elif node.op_type == "Add":
                self._stored[name] = self._add(node)
            elif node.op_type in ("Relu", "MaxPool") and node.input[0] in self._stored:
                self._stored[name] = self._positive(node)
            else:
                self._keep(node)
        graph = self._model.graph
        made = helper.make_graph(self._new, graph.name, list(graph.input), list(graph.output), self._weights)
        model = helper.make_model(made, opset_imports=self._model.opset_import, producer_name="facemotion")
        model.ir_version = self._model.ir_version
        onnx.checker.check_model(model, full_check=True)
        return model

    def _note_prelu(self, node: onnx.NodeProto) -> None:
        """Recognise a*x + (1-a)*relu(x), as `prelu` of tools/convert_tflite.py writes it."""
        kept, rest = (self._made_by.get(name) for name in node.input[:2]) if node.op_type == "Add" else (None, None)
        if kept is None or rest is None or {kept.op_type, rest.op_type} != {"Conv"}:
            return
        relu = self._made_by.get(rest.input[0])
        if relu is None or relu.op_type != "Relu" or relu.input[0] != kept.input[0]:
            return
        slopes = self._constants[kept.input[1]].astype(np.float64).ravel()
        self._prelus[node.output[0]] = PRelu(kept.input[0], slopes)
        self._parts |= {kept.output[0], rest.output[0], relu.output[0]}

    def _prelu(self, name: str, prelu: PRelu) -> Stored:
        source, slopes = self._stored[prelu.source], prelu.slopes
        if source.slopes is not None:
            return source
        sign = np.sign(source.scale)
        size = np.abs(source.scale)
        # Of x kept as s*x: if s > 0, y = a/s * sx + (1-a)/s * relu(sx); if s < 0, y = sx/s + (1-a)/|s| * relu(sx).
        by_value = np.where(sign > 0, slopes, -1.0) / size
        by_relu = (1 - slopes) / size
        relu = self._node("Relu", [source.name])
        if any(user.op_type == "MaxPool" for user in self._users.get(name, [])):  # the largest stays so at a scale > 0
            scale = np.ones_like(slopes)
            relu = self._depthwise(relu, by_relu, source.width)
        else:
            part = 1 - slopes
            part = np.where(np.abs(part) < SMALLEST_PART, SMALLEST_PART, part)
            scale = size / part
        value = self._depthwise(source.name, by_value * scale, source.width)
        return Stored(self._node("Add", [value, relu]), scale, source.width)

    def _conv(self, node: onnx.NodeProto) -> Stored:
        source = self._stored.get(node.input[0])
        kernel, bias = (self._constants[name] for name in node.input[1:3])
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        depthwise = attributes["group"] > 1
        if source is None:  # the picture
            source = Stored(node.input[0], np.ones(kernel.shape[1]), kernel.shape[1])
        before, after = 1 / source.scale, np.ones(len(kernel))
        if depthwise and source.slopes is not None:
            kernel, bias = np.concatenate([kernel, kernel]), np.concatenate([bias, np.zeros_like(bias)])
            width = source.width
            left = np.concatenate([before, -source.slopes * before])
            made = self._convolve(source.name, kernel, bias, (left, None), (width, 1), attributes | {"group": width})
            return Stored(made, after, width, source.slopes)
        if source.slopes is not None:  # of a depthwise convolution: its halves are summed up
            kernel = np.concatenate([kernel, kernel], axis=1)
            before = np.ones(kernel.shape[1])
        head = any(user.op_type not in BLOCKED for user in self._users.get(node.output[0], []))
        width = len(kernel) if head else -(-len(kernel) // BLOCK) * BLOCK
        if self._splits(node.output[0]):
            kernel, bias = np.concatenate([kernel, -kernel]), np.concatenate([bias, -bias])
            made = self._convolve(source.name, kernel, bias, (None, before), (width, source.width), attributes)
            slopes = next(one.slopes for one in self._prelus.values() if one.source == node.output[0])
            return Stored(self._node("Relu", [made]), after, width, slopes)
        after = self._scale_of_sum(node.output[0], after)
        scales = (after * before, None) if depthwise else (after, before)
        widths = (width, 1 if depthwise else source.width)
        if depthwise:
            attributes["group"] = width
        return Stored(self._convolve(source.name, kernel, bias * after, scales, widths, attributes), after, width)

    def _splits(self, name: str) -> bool:
        """Whether a value is kept in two halves: it only goes through a PReLU to depthwise convolutions, and fits."""
        channels = self._shapes[name][1]
        outputs = [out for out, prelu in self._prelus.items() if prelu.source == name]
        users = [user for out in outputs for user in self._users.get(out, [])]
        groups = [entry.i for user in users for entry in user.attribute if entry.name == "group"]
        return 2 * channels == BLOCK and bool(users) and groups == [channels] * len(users)

    def _scale_of_sum(self, name: str, otherwise: Array) -> Array:
        """The scale at which a convolution must come out to be added to what is there already."""
        for user in self._users.get(name, []):
            for other in user.input if user.op_type == "Add" else ():
                if other != name and other in self._stored:
                    return self._stored[other].scale
        return otherwise

    def _add(self, node: onnx.NodeProto) -> Stored:
        one, other = (self._stored[name] for name in node.input)
        if one.width != other.width or not np.array_equal(one.scale, other.scale):
            raise ValueError(f"{node.name} adds values that are kept differently")
        return Stored(self._node("Add", [one.name, other.name]), one.scale, one.width)

    def _pad(self, node: onnx.NodeProto) -> Stored:
        """More channels of zeros, which a filled block has already."""
        source = self._stored[node.input[0]]
        channels = self._shapes[node.output[0]][1]
        width = -(-channels // BLOCK) * BLOCK
        scale = np.concatenate([source.scale, np.ones(channels - len(source.scale))])
        if width == source.width:
            return Stored(source.name, scale, width)
        identity = np.eye(width, source.width, dtype=np.float16)[..., None, None]
        return Stored(self._node("Conv", [source.name, self._weight(identity)], kernel_shape=[1, 1]), scale, width)

    def _positive(self, node: onnx.NodeProto) -> Stored:
        """ReLU and the largest of a window, which keep a scale that is positive."""
        source = self._stored[node.input[0]]
        if (source.scale <= 0).any() or source.slopes is not None:
            raise ValueError(f"{node.name} meets values kept with the other sign")
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        return Stored(self._node(node.op_type, [source.name], **attributes), source.scale, source.width)

    def _keep(self, node: onnx.NodeProto) -> None:
        """A node outside the convolutions, as it was."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for place, name in enumerate(node.input):
            if name in self._constants:
                copy.input[place] = self._weight(self._constants[name])
            elif name in self._stored:
                stored = self._stored[name]
                if stored.width != self._shapes[name][1] or not (stored.scale == 1).all():
                    raise ValueError(f"{node.name} meets values that are filled up or scaled")
                copy.input[place] = stored.name
        self._new.append(copy)

    def _convolve(
        self,
        source: str,
        kernel: NDArray[Any],
        bias: NDArray[Any],
        scales: tuple[Array | None, Array | None],
        widths: tuple[int, int],
        attributes: dict[str, Any],
    ) -> str:
        """A convolution whose kernel is scaled by output and by input channel, and filled up to `widths`."""
        filled = np.zeros((*widths, *kernel.shape[2:]), kernel.dtype)
        filled[: kernel.shape[0], : kernel.shape[1]] = kernel
        name = self._weight(filled)
        for axis, scale in enumerate(scales):
            if scale is not None and not (scale == 1).all():
                whole = np.ones(widths[axis], np.float32)
                whole[: len(scale)] = scale
                name = self._node(
                    "Mul", [name, self._weight(np.expand_dims(whole, [k for k in range(4) if k != axis]))]
                )
        longer = np.zeros(widths[0], np.float32)
        longer[: len(bias)] = bias
        return self._node("Conv", [source, name, self._weight(longer)], **attributes)

    def _depthwise(self, source: str, factors: Array, width: int) -> str:
        """Each channel times its factor."""
        whole = np.zeros((width, 1, 1, 1), np.float32)
        whole[: len(factors), 0, 0, 0] = factors
        return self._node("Conv", [source, self._weight(whole)], group=width, kernel_shape=[1, 1])

    def _weight(self, array: NDArray[Any]) -> str:
        """The name of a constant, cast to single precision where it is stored in half."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return self._node("Cast", [name], to=TensorProto.FLOAT) if array.dtype == np.float16 else name

    def _node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{operator.lower()}_{len(self._new)}"
        self._new.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("converted", type=Path)
    parser.add_argument("onnx", type=Path)
    arguments = parser.parse_args()
    onnx.save(Rearranger(onnx.load(arguments.converted)).run(), arguments.onnx)


if __name__ == "__main__":
    main()
