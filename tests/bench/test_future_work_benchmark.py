"""What benchmarks/future_work.py counts and says."""

from __future__ import annotations

import numpy as np
from future_work import GRID_MESH, ROWS, page, parameters, precisions
from onnx import TensorProto, helper, numpy_helper

from facemotion.experiments.paper_plan import MAIN


def test_parameters_are_weights_and_no_shapes() -> None:
    weights = numpy_helper.from_array(np.zeros((3, 4), np.float16), "weights")
    bias = numpy_helper.from_array(np.zeros(4, np.float32), "bias")
    shape = numpy_helper.from_array(np.array([1, -1]), "shape")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value], [weights, bias, shape]
    )
    assert parameters(helper.make_model(graph).SerializeToString()) == 3 * 4 + 4


def test_a_row_that_nobody_trained_says_so() -> None:
    own = {"run": MAIN, "tested on": "facial", "within-subject": {"mean": {"average_precision": 0.75}}}
    version_2 = precisions({"table 1": [own], "features": [own | {"tested on": "lip"}]})
    costs = {row.name: {"ms": 4.25, "parameters": 1_500_000} for row in ROWS}
    spotting = {"whole clips": {"average_precision": 0.9, "eer": 0.1, "prevalence": 0.2}}
    text = page(version_2, {GRID_MESH: 0.5}, costs, spotting)
    assert f"| {ROWS[0].name} | 0.750 | not trained | 4.2 | 1.50 million |" in text
    assert f"| {ROWS[1].name} | not trained | 0.500 | 4.2 | 1.50 million |" in text
    assert "| whole clips | 0.900 | 0.100 | 0.200 |" in text
