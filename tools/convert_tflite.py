"""Rewrite a TensorFlow Lite graph as ONNX, keeping its half-precision weights as they are.

    python tools/convert_tflite.py face_detection_short_range.tflite blazeface_short.onnx

Covers the thirteen operators of the two networks that ship with facemotion (BlazeFace short range and the face
mesh). Layout: the ONNX graph keeps the NHWC input and the output shapes of the original, and works in NCHW between.
Half-precision constants stay half precision in the file and are cast to float32 at load, so the file is as small as
the original and the arithmetic is the original's.

What it writes, tools/rearrange_graph.py makes faster.

Needs `pip install tflite onnx numpy`; nothing here is imported by the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper, numpy_helper

OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
TENSOR_TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
FUSED = {0: None, 1: "Relu", 3: "Relu6"}


class Converter:
    """One pass over the operators of a single-subgraph model, in their stored (topological) order."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAs(data, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.values: dict[int, str] = {}  # tensor index -> ONNX name of its NCHW (or non-image) value
        self.halves: dict[int, np.ndarray] = {}  # output of DEQUANTIZE -> the half-precision constant behind it

    def shape(self, index: int) -> list[int]:
        return [int(d) for d in self.graph.Tensors(index).ShapeAsNumpy()]

    def constant(self, index: int) -> np.ndarray | None:
        if index in self.halves:
            return self.halves[index]
        tensor = self.graph.Tensors(index)
        raw = self.model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(raw, int):
            return None
        return raw.view(TENSOR_TYPES[tensor.Type()]).reshape(self.shape(index))

    def node(self, operator: str, inputs: list[str], **attributes: object) -> str:
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, array: np.ndarray, name: str) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        if array.dtype == np.float16:
            return self.node("Cast", [name], to=TensorProto.FLOAT)
        return name

    def value(self, index: int) -> str:
        if index not in self.values:
            array = self.constant(index)
            if array is None:
                raise ValueError(f"tensor {index} is used before it is made")
            self.values[index] = self.weight(array, f"constant_{index}")
        return self.values[index]

    def activate(self, name: str, code: int) -> str:
        if code not in FUSED:
            raise ValueError(f"fused activation {code} is not covered")
        operator = FUSED[code]
        if operator is None:
            return name
        if operator == "Relu6":
            low = self.weight(np.float32(0), f"low_{len(self.nodes)}")
            high = self.weight(np.float32(6), f"high_{len(self.nodes)}")
            return self.node("Clip", [name, low, high])
        return self.node(operator, [name])

    def pads(self, source: int, target: int, kernel: tuple[int, int], stride: tuple[int, int], same: bool) -> list[int]:
        if not same:
            return [0, 0, 0, 0]
        begin, end = [], []
        for axis in range(2):
            size, out = self.shape(source)[1 + axis], self.shape(target)[1 + axis]
            total = max((out - 1) * stride[axis] + kernel[axis] - size, 0)
            begin.append(total // 2)
            end.append(total - total // 2)
        return begin + end

    def run(self) -> onnx.ModelProto:
        source = int(self.graph.Inputs(0))
        shape = self.shape(source)
        self.values[source] = self.node("Transpose", ["input"], perm=[0, 3, 1, 2])
        for k in range(self.graph.OperatorsLength()):
            operator = self.graph.Operators(k)
            code = self.model.OperatorCodes(operator.OpcodeIndex())
            kind = OPERATORS[max(code.DeprecatedBuiltinCode(), code.BuiltinCode())]
            getattr(self, kind.lower())(operator, [int(i) for i in operator.InputsAsNumpy()], int(operator.Outputs(0)))
        outputs = []
        for k in range(self.graph.OutputsLength()):
            index = int(self.graph.Outputs(k))
            name = self.graph.Tensors(index).Name().decode()
            value = self.values[index]
            if len(self.shape(index)) == 4:
                value = self.node("Transpose", [value], perm=[0, 2, 3, 1])
            self.nodes.append(helper.make_node("Identity", [value], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape(index)))
        graph = helper.make_graph(
            self.nodes,
            "converted",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            outputs,
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="facemotion")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model

    # One method an operator, named as TensorFlow Lite names it.

    def dequantize(self, operator: object, inputs: list[int], output: int) -> None:
        array = self.constant(inputs[0])
        if array is None:
            raise ValueError("only constants are dequantised in a half-precision model")
        self.halves[output] = array

    def conv_2d(self, operator: object, inputs: list[int], output: int, depthwise: bool = False) -> None:
        options = tflite.DepthwiseConv2DOptions() if depthwise else tflite.Conv2DOptions()
        table = operator.BuiltinOptions()  # type: ignore[attr-defined]
        options.Init(table.Bytes, table.Pos)
        kernel = self.constant(inputs[1])
        if kernel is None:
            raise ValueError("convolution without constant weights")
        # Conv2D stores (out, h, w, in); depthwise stores (1, h, w, channels).
        kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
        names = [self.value(inputs[0]), self.weight(kernel, f"kernel_{output}")]
        if len(inputs) > 2 and inputs[2] >= 0:
            bias = self.constant(inputs[2])
            assert bias is not None
            names.append(self.weight(bias, f"bias_{output}"))
        size, stride = kernel.shape[2:], (options.StrideH(), options.StrideW())
        same = options.Padding() == tflite.Padding.SAME
        result = self.node(
            "Conv",
            names,
            kernel_shape=list(size),
            strides=list(stride),
            pads=self.pads(inputs[0], output, size, stride, same),
            group=self.shape(inputs[0])[3] if depthwise else 1,
        )
        self.values[output] = self.activate(result, options.FusedActivationFunction())

    def depthwise_conv_2d(self, operator: object, inputs: list[int], output: int) -> None:
        self.conv_2d(operator, inputs, output, depthwise=True)

    def add(self, operator: object, inputs: list[int], output: int) -> None:
        options = tflite.AddOptions()
        table = operator.BuiltinOptions()  # type: ignore[attr-defined]
        options.Init(table.Bytes, table.Pos)
        result = self.node("Add", [self.value(i) for i in inputs])
        self.values[output] = self.activate(result, options.FusedActivationFunction())

    def prelu(self, operator: object, inputs: list[int], output: int) -> None:
        # ONNX Runtime's PRelu is a slow broadcast. a*x + (1-a)*relu(x) is the same function, and as two 1x1 depthwise
        # convolutions it stays in the blocked layout of the convolutions round it: the face mesh runs 2.8 times faster.
        # tools/rearrange_graph.py knows it by this form.
        slope = self.constant(inputs[1])
        assert slope is not None
        slope = slope.reshape(-1, 1, 1, 1)
        channels, name = len(slope), self.value(inputs[0])
        kept = self.weight(slope, f"slope_{output}")
        rest = self.weight((1 - slope.astype(np.float32)), f"rest_{output}")
        both = [
            self.node("Conv", [name, kept], group=channels, kernel_shape=[1, 1]),
            self.node("Conv", [self.node("Relu", [name]), rest], group=channels, kernel_shape=[1, 1]),
        ]
        self.values[output] = self.node("Add", both)

    def relu(self, operator: object, inputs: list[int], output: int) -> None:
        self.values[output] = self.node("Relu", [self.value(inputs[0])])

    def logistic(self, operator: object, inputs: list[int], output: int) -> None:
        self.values[output] = self.node("Sigmoid", [self.value(inputs[0])])

    def max_pool_2d(self, operator: object, inputs: list[int], output: int) -> None:
        options = tflite.Pool2DOptions()
        table = operator.BuiltinOptions()  # type: ignore[attr-defined]
        options.Init(table.Bytes, table.Pos)
        size, stride = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
        pads = self.pads(inputs[0], output, size, stride, options.Padding() == tflite.Padding.SAME)
        self.values[output] = self.node(
            "MaxPool", [self.value(inputs[0])], kernel_shape=list(size), strides=list(stride), pads=pads
        )

    def pad(self, operator: object, inputs: list[int], output: int) -> None:
        amounts = self.constant(inputs[1])
        assert amounts is not None
        order = [0, 3, 1, 2]
        pads = np.concatenate([amounts[order, 0], amounts[order, 1]]).astype(np.int64)
        self.values[output] = self.node("Pad", [self.value(inputs[0]), self.weight(pads, f"pads_{output}")])

    def reshape(self, operator: object, inputs: list[int], output: int) -> None:
        name = self.value(inputs[0])
        if len(self.shape(inputs[0])) == 4:
            name = self.node("Transpose", [name], perm=[0, 2, 3, 1])
        shape = self.weight(np.array(self.shape(output), np.int64), f"shape_{output}")
        self.values[output] = self.node("Reshape", [name, shape])

    def concatenation(self, operator: object, inputs: list[int], output: int) -> None:
        options = tflite.ConcatenationOptions()
        table = operator.BuiltinOptions()  # type: ignore[attr-defined]
        options.Init(table.Bytes, table.Pos)
        if len(self.shape(output)) == 4:
            raise ValueError("concatenation of images is not covered")
        self.values[output] = self.node("Concat", [self.value(i) for i in inputs], axis=options.Axis())


def convert(data: bytes) -> onnx.ModelProto:
    """The ONNX model of one TensorFlow Lite flatbuffer; ValueError or AttributeError for an operator not covered."""
    return Converter(data).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tflite", type=Path)
    parser.add_argument("onnx", type=Path)
    arguments = parser.parse_args()
    onnx.save(convert(arguments.tflite.read_bytes()), arguments.onnx)


if __name__ == "__main__":
    main()
