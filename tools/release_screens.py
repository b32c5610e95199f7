"""Make the model that tells screens from faces (`facemotion.presentation`), and its card.

    python -m tools.release_screens

It is fitted to docs/results/screens.json, which `benchmarks/screens.py` makes; see `benchmarks/screen_fit.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from screen_fit import GENUINE, biases, directions

from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, file_entry
from facemotion.presentation.detector import NAME
from facemotion.presentation.signs import SIGNS

Floats = NDArray[np.float64]
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "screens.json"


def write_model(weights: Floats, zeros: Floats, centre: Floats, path: Path) -> None:
    """An ONNX file: signs (N, S) to score (N, 1), the largest line, and parts (N, S), what each sign adds to that line
    next to the middle of genuine films."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    count = len(SIGNS)
    kept = {"weights": weights, "biases": zeros, "columns": weights.T, "centre": centre}
    held = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in kept.items()]
    held.append(numpy_helper.from_array(np.array([1], np.int64), "along"))
    nodes = [
        helper.make_node("Gemm", ["signs", "weights", "biases"], ["lines"]),
        helper.make_node("ReduceMax", ["lines", "along"], ["score"], keepdims=1),
        helper.make_node("ArgMax", ["lines"], ["which"], axis=1, keepdims=0),
        helper.make_node("Gather", ["columns", "which"], ["chosen"], axis=0),
        helper.make_node("Sub", ["signs", "centre"], ["away"]),
        helper.make_node("Mul", ["away", "chosen"], ["parts"]),
    ]
    inputs = [helper.make_tensor_value_info("signs", TensorProto.FLOAT, ["N", count])]
    outputs = [
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N", 1]),
        helper.make_tensor_value_info("parts", TensorProto.FLOAT, ["N", count]),
    ]
    graph = helper.make_graph(nodes, NAME, inputs, outputs, held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def main() -> int:
    """Fit, write the file and the lines of its card."""
    films = json.loads(RESULTS.read_text("utf-8"))["films"]
    genuine = [film for film in films if film["family"] in GENUINE]
    weights = directions(films)
    path = SHIPPED_FOLDER / f"{NAME}.onnx"
    write_model(weights, biases(films, weights), np.median([film["signs"] for film in genuine], axis=0), path)
    entry = file_entry(path)
    real = len({film["person"] for film in genuine if film["real"]})
    people = len({film["person"] for film in genuine})
    print(f"{path}: {entry['bytes']} bytes, by {len(films)} films of {people} people")
    write_card(entry, f"{people} people, {real} of them real")
    return 0


def write_card(entry: dict[str, str | int], people: str) -> None:
    """Put the file's hash and size, and what it was fitted to, on its card."""
    import tomlkit

    document = tomlkit.parse(SHIPPED_CARDS.read_text("utf-8"))
    card = document.setdefault(NAME, tomlkit.table())
    card.update(entry)
    card["role"] = "attack detector"
    card["licence"] = "MIT"
    card["source"] = (
        f"ours, fitted by tools/release_screens.py to films of {people} (speakers of GRID, CC BY 4.0); screens, prints "
        "and masks are simulated (benchmarks/screen_films.py)"
    )
    card["preprocessing"] = f"(N, {len(SIGNS)}) float32, the signs of facemotion.presentation.signs in their order"
    card["output"] = "score, from 0 on suspect; parts, what each sign adds to it"
    card["note"] = (
        "Evidence is simulated. A good screen that stands still and fills the picture mostly passes; see "
        "docs/results/security.md#screens-prints-and-masks."
    )
    SHIPPED_CARDS.write_text(tomlkit.dumps(document), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
