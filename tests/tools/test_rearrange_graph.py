"""Networks are rearranged to run faster, and answer as before."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tools.rearrange_graph import Rearranger

from facemotion.models import Models
from facemotion.models.cards import ModelCard


class Drawing:
    """A graph as tools/convert_tflite.py draws it, with random weights."""

    def __init__(self, seed: int, side: int = 16) -> None:
        self._rng = np.random.default_rng(seed)
        self._side = side
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last = self.node("Transpose", ["input"], perm=[0, 3, 1, 2])

    def node(self, operator: str, inputs: list[str], **attributes) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, array: np.ndarray) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return self.node("Cast", [name], to=TensorProto.FLOAT) if array.dtype == np.float16 else name

    def conv(self, source: str, out: int, into: int, size: int = 1, group: int = 1, stride: int = 1) -> str:
        kernel = self._rng.normal(0, 0.4, (out, into // group, size, size)).astype(np.float16)
        bias = self._rng.normal(0, 0.2, out).astype(np.float16)
        edge = size // 2 if stride == 1 else 0
        return self.node(
            "Conv",
            [source, self.weight(kernel), self.weight(bias)],
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[edge] * 4,
            group=group,
        )

    def prelu(self, source: str, slopes: list[float]) -> str:
        slope = np.array(slopes, np.float16).reshape(-1, 1, 1, 1)
        kept, rest = self.weight(slope), self.weight(1 - slope.astype(np.float32))
        size = {"group": len(slopes), "kernel_shape": [1, 1]}
        kept = self.node("Conv", [source, kept], **size)
        return self.node("Add", [kept, self.node("Conv", [self.node("Relu", [source]), rest], **size)])

    def pad(self, source: str, more: int) -> str:
        return self.node("Pad", [source, self.weight(np.array([0, 0, 0, 0, 0, more, 0, 0], np.int64))])

    def finish(self, source: str, channels: int, side: int) -> onnx.ModelProto:
        self.nodes.append(helper.make_node("Transpose", [source], ["answer"], name="last", perm=[0, 2, 3, 1]))
        graph = helper.make_graph(
            self.nodes,
            "drawn",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, self._side, self._side, 3])],
            [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, side, side, channels])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def mesh_like(slopes: list[float]) -> onnx.ModelProto:
    """Two residual blocks, the largest of windows, channels added: as the face mesh has them. `slopes`: 16."""
    net = Drawing(0)
    stream = net.prelu(net.conv(net.last, 16, 3, 3), slopes)
    for turn in (slopes[::-1], slopes[3:] + slopes[:3]):
        inner = net.prelu(net.conv(stream, 8, 16), turn[:8])
        spread = net.conv(net.conv(inner, 8, 8, 3, group=8), 16, 8)
        stream = net.prelu(net.node("Add", [stream, spread]), turn)
    down = net.prelu(net.conv(stream, 16, 16, 2, stride=2), slopes)
    largest = net.node("MaxPool", [stream], kernel_shape=[2, 2], strides=[2, 2])
    wider = net.pad(largest, 16)
    deep = net.conv(net.conv(down, 16, 16, 3, group=16), 32, 16)
    stream = net.prelu(net.node("Add", [wider, deep]), [*slopes, *slopes])
    return net.finish(net.conv(stream, 5, 32), 5, 8)


def blazeface_like() -> onnx.ModelProto:
    """Blocks that grow by a few channels, and two heads' worth of odd widths."""
    net = Drawing(1)
    stream = net.node("Relu", [net.conv(net.last, 24, 3, 3)])
    for now, then in ((24, 24), (24, 28), (28, 36)):
        deep = net.conv(net.conv(stream, now, now, 3, group=now), then, now)
        shortcut = net.pad(stream, then - now) if then > now else stream
        stream = net.node("Relu", [net.node("Add", [shortcut, deep])])
    return net.finish(net.conv(stream, 6, 36), 6, 16)


def answers(model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": picture})[0]


SLOPES = {
    "gentle": list(np.linspace(0.05, 0.9, 16)),
    "of every kind": [-3.5, -0.4, 0, 0.2, 1, 1.0005, 1.2, 8, 0.999, 2, -1, 0.5, 0.7, 1.5, 0.1, 0.3],
    "of a ReLU": [0.0] * 16,
}


@pytest.mark.parametrize("slopes", SLOPES.values(), ids=SLOPES)
def test_a_network_with_prelu_answers_as_before(slopes):
    model = mesh_like(slopes)
    picture = np.random.default_rng(2).normal(0, 1, (1, 16, 16, 3)).astype(np.float32)
    before = answers(model, picture)
    assert np.abs(before).max() > 0.1
    np.testing.assert_allclose(answers(Rearranger(model).run(), picture), before, atol=2e-5 * np.abs(before).max())


def test_a_network_whose_blocks_grow_answers_as_before_without_padding():
    model = blazeface_like()
    picture = np.random.default_rng(3).normal(0, 1, (1, 16, 16, 3)).astype(np.float32)
    before, made = answers(model, picture), Rearranger(model).run()
    np.testing.assert_allclose(answers(made, picture), before, atol=1e-5 * np.abs(before).max())
    assert "Pad" not in [node.op_type for node in made.graph.node]


def test_prelu_costs_one_convolution_less_and_in_half_blocks_none():
    def convolutions(model: onnx.ModelProto) -> int:
        return [node.op_type for node in model.graph.node].count("Conv")

    model = mesh_like(SLOPES["gentle"])
    # 7 PReLUs of two each before. After: 2 in half blocks of none, 4 of one, the one before the windows of two; and one
    # convolution stands for the channels that were added.
    assert convolutions(model) - convolutions(Rearranger(model).run()) == 14 - (2 * 0 + 4 * 1 + 1 * 2) - 1


def test_a_rearranged_file_keeps_its_id():
    """Cached features, templates and operating points are named by it."""
    assert Models.shipped().card("face-mesh").model_id == "face-mesh@21609f8e0a28"
    assert ModelCard("mine", "mine.onnx", "ab" * 32).model_id == "mine@abababababab"
    assert ModelCard("mine", "mine.onnx", "ab" * 32, keeps_id_of="cd" * 32).model_id == "mine@cdcdcdcdcdcd"
