"""docs/results/future_work.md: the changes that the paper names as future work (section 4.3), as far as they exist.

    python benchmarks/future_work.py RUN

RUN is a folder of `facemotion tables` on Synth-59 version 2. What GRID says comes from docs/results/extractors.json
and grid.json, what spotting does from order.json. Parameters are counted, and processor time is measured now, on one
thread: the network alone, as ONNX. A network that nobody trained is measured with random weights, which costs the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from sections import processor

from facemotion.experiments.paper_plan import MAIN
from facemotion.models import Models
from facemotion.nets.sfe import SpatialExtractor
from facemotion.training.extractor.export import export_sfe

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
GRID_MESH = "transformer encoder, trained on the 30 phrases alone"  # of grid.json; the same recipe over the mesh
RUNS = 100


@dataclass(frozen=True)
class Row:
    """An extractor of the table.

    Attributes:
        name: in words.
        network: card of the model; empty for one that doesn't ship.
        run: name of its row in the tables of version 2; empty where there is none.
        on_grid: its name in the results on GRID.
    """

    name: str
    network: str
    run: str
    on_grid: str


ROWS = (
    Row("the paper's own: MobileFaceNet on landmarks (SFE-L)", "sfe-l", MAIN, "sfe-l, inputs scaled by stream"),
    Row("dense 3-D mesh", "face-mesh", "mesh", GRID_MESH),
    Row("multi-task, landmarks and emotions (SFE-MT)", "sfe-mt", "", "sfe-mt, inputs scaled by stream"),
    Row("MobileViT, size XXS, on landmarks", "", "", "mobilevit, inputs scaled by stream"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of `facemotion tables`")
    options = parser.parse_args()
    tables = json.loads((options.run / "tables.json").read_text("utf-8"))
    extractors, grid, order = (
        json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in ("extractors", "grid", "order")
    )
    on_grid = {name: own["AP"] for name, own in extractors.items()} | {GRID_MESH: grid["systems"][GRID_MESH]["AP"]}
    costs = {}
    for row in ROWS:
        content = (Models.shipped().path(row.network)).read_bytes() if row.network else untrained("mobilevit")
        costs[row.name] = {"parameters": parameters(content), "ms": milliseconds(content)}
    (RESULTS / "future_work.md").write_text(page(precisions(tables), on_grid, costs, order["spotting"]), "utf-8")


def precisions(tables: dict[str, Any]) -> dict[str, float]:
    """Average precision on facial motions, by the name of the run."""
    rows = [row for key in ("table 1", "features") for row in tables[key] if row["tested on"] == "facial"]
    return {row["run"]: row["within-subject"]["mean"]["average_precision"] for row in rows}


def untrained(network: str) -> bytes:
    """An extractor of landmarks with random weights, as ONNX."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.onnx"
        export_sfe(SpatialExtractor("landmarks", network=network), path)
        return path.read_bytes()


def parameters(content: bytes) -> int:
    """Numbers that a network of ONNX holds, those of weights and biases."""
    tensors = onnx.load_from_string(content).graph.initializer
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    return sum(int(np.prod(tensor.dims)) for tensor in tensors if tensor.data_type in kinds)


def milliseconds(content: bytes) -> float:
    """Processor time of a frame, the median of RUNS runs on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    tensor = np.random.default_rng(0).random(entry.shape, np.float32)
    spent = []
    for _ in range(RUNS):
        start = process_time()
        session.run(None, {entry.name: tensor})
        spent.append(1000 * (process_time() - start))
    return float(np.median(spent))


def page(
    version_2: dict[str, float],
    on_grid: dict[str, float],
    costs: dict[str, dict[str, float]],
    spotting: dict[str, dict[str, float]],
) -> str:
    """The page as Markdown.

    Args:
        version_2: AP by the name of the run.
        on_grid: AP by the name of the system.
        costs: parameters and milliseconds by the name of the row.
        spotting: of order.json.
    """
    lines = [
        "# What the paper names as future work",
        "",
        "Section 4.3 of the paper names a dense 3-D mesh, multi-task training and MobileViT as further extractors, and "
        "section 4.1.1 motion spotting. The AP on [Synth-59 version 2](tables_v2.md) is that of the paper's recipe "
        "over the features (ten folds, within a person), the one on GRID that of a small encoder on [one "
        "speaker](extractors.md). Milliseconds are processor time of the network alone, one frame, one thread "
        f"({processor()}); a network of random weights costs the same. Written by `benchmarks/future_work.py`.",
        "",
        "| extractor | AP on version 2 | AP on GRID | ms a frame | parameters |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        lines.append(
            f"| {row.name} | {_told(version_2.get(row.run))} | {_told(on_grid.get(row.on_grid))} "
            f"| {costs[row.name]['ms']:.1f} | {costs[row.name]['parameters'] / 1e6:.2f} million |"
        )
    lines += [
        "",
        "MobileViT has no trained weights here: `configs/sfe_l_mobilevit.toml` trains it on the same stills as SFE-L. "
        "The multi-task extractor ships, and its landmarks and emotions are [measured](landmarks.md); no encoder was "
        "trained on its features.",
        "",
        "## Motion spotting",
        "",
        "Spotting cuts a clip to where the face moves. No row of version 2 was trained with it. The shipped encoder "
        "was measured with and without it on rendered people ([order and spotting](order.md)):",
        "",
        "| clips | AP | EER | prevalence |",
        "|---|---|---|---|",
    ]
    for name, own in spotting.items():
        lines.append(f"| {name} | {own['average_precision']:.3f} | {own['eer']:.3f} | {own['prevalence']:.3f} |")
    return "\n".join(lines) + "\n"


def _told(precision: float | None) -> str:
    return "not trained" if precision is None else f"{precision:.3f}"


if __name__ == "__main__":
    main()
