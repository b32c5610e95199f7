"""The networks in whole numbers of 8 bits: milliseconds, size, and how far their points move.

    python benchmarks/int8.py [CLIP ...] [--graph NAME=FILE ...]

Quantises BlazeFace, the face mesh and sfe-l by ONNX Runtime's static quantisation (weights by channel, activations of
8 bits without sign, ranges of the least and largest value and of a percentile). Frames of the package's samples and of
CLIPs are taken in turns: one calibrates, the next measures, on the input that the chain would give the network. A graph
given by --graph, such as that of tools/convert_tflite.py before it was rearranged, is quantised too. Prints processor
time of one run on one thread, in turns, and the distance of points from those of the shipped network, in pixels of the
frame.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from facemotion.face import BlazeFace
from facemotion.face.blazeface import letterbox
from facemotion.features.mesh import MARGIN
from facemotion.media import read_frames
from facemotion.media.warp import apply, crop_matrix, sample, square_matrix
from facemotion.models import Models

SAMPLES = Path(__file__).parents[1] / "src" / "facemotion" / "samples"
STEP = 12
"""Frames of a clip from one that is taken to the next."""
CALIBRATING = 12
"""Frames that ranges are taken from: the quantiser keeps all activations of them."""
ROUNDS = 60
METHODS = {"least and largest": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
Answers = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Input:
    """What a network gets of one frame.

    Attributes:
        tensor: its input.
        points: from its answers, and those of the shipped network, to (N, 2) pixels of the frame.
        size: distance between the eyes, or side of the face's box, pixels.
    """

    tensor: np.ndarray
    points: Callable[[Answers, Answers], np.ndarray]
    size: float


class Frames(CalibrationDataReader):
    """Inputs one after the other, as the quantiser asks for them."""

    def __init__(self, name: str, inputs: list[Input]) -> None:
        self._left = iter([{name: given.tensor} for given in inputs])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


def inputs_of(clips: list[Path]) -> dict[str, list[Input]]:
    """By network, what it gets of each frame in which one face or more was found."""
    detector = BlazeFace(Models.shipped())
    found: dict[str, list[Input]] = {"blazeface": [], "face-mesh": [], "sfe-l": []}
    for frame in frames_of(clips):
        faces = detector.detect(frame)
        if not len(faces):
            continue
        box, (right, left) = faces.boxes[0], faces.keypoints[0, :2]
        size = float(np.linalg.norm(left - right))
        tensor, scale, _ = letterbox(frame)
        found["blazeface"].append(Input(tensor, box_points(scale), float(box[2] - box[0])))
        side = MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
        angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
        middle = float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2
        matrix = square_matrix(middle, side, angle, 256)
        found["face-mesh"].append(Input(sample(frame, matrix, 256)[None] / np.float32(255), mesh_points(matrix), size))
        matrix = crop_matrix(box, 112)
        face = np.ascontiguousarray(sample(frame, matrix, 112).transpose(2, 0, 1)[None] / np.float32(255))
        found["sfe-l"].append(Input(face, own_points(matrix), size))
    return found


def frames_of(clips: list[Path]) -> Iterator[np.ndarray]:
    """Every STEP-th frame."""
    for clip in clips:
        for number, (frame, _) in enumerate(read_frames(clip)):
            if number % STEP == 5:
                yield frame


def box_points(scale: float) -> Callable[[Answers, Answers], np.ndarray]:
    """Corners of the likeliest box; the place where all boxes are counted from doesn't matter."""

    def points(answers: Answers, shipped: Answers) -> np.ndarray:
        best = int(np.argmax(shipped["classificators"][0, :, 0]))
        x, y, width, height = answers["regressors"][0, best, :4] / scale
        return np.array([[x - width / 2, y - height / 2], [x + width / 2, y + height / 2]])

    return points


def mesh_points(matrix: np.ndarray) -> Callable[[Answers, Answers], np.ndarray]:
    """All points of the mesh."""
    return lambda answers, shipped: apply(matrix, answers["Identity"].reshape(478, 3)[:, :2])


def own_points(matrix: np.ndarray) -> Callable[[Answers, Answers], np.ndarray]:
    """The 68 points."""
    return lambda answers, shipped: apply(matrix, answers["landmarks"].reshape(68, 2) * np.float32(112))


def open_network(path: Path, copy: Path | None = None) -> onnxruntime.InferenceSession:
    """Open a network on one thread.

    Args:
        path: of the graph.
        copy: where to write it with weights in single precision, which the quantiser reads.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if copy is not None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(copy)
    return onnxruntime.InferenceSession(str(path), options)


def answers_of(session: onnxruntime.InferenceSession, tensor: np.ndarray) -> Answers:
    """By name of the output."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: tensor}), strict=True))


def compare(graphs: dict[str, Path], inputs: list[Input], folder: Path) -> None:
    """Print a row for the shipped network, and for each graph in 8 bits.

    Args:
        graphs: by what they are called; the first is the one that ships.
        inputs: of frames in turns: for calibration, for measuring.
        folder: for files made under way.
    """
    files = {"single precision, as it ships": next(iter(graphs.values()))}
    for number, (label, path) in enumerate(graphs.items()):
        whole = folder / f"{number}.onnx"
        name = open_network(path, whole).get_inputs()[0].name
        for kind, method in METHODS.items():
            made = files[f"8 bits, {label}, {kind}"] = folder / f"{number} {kind}.onnx"
            quantize_static(
                whole,
                made,
                Frames(name, inputs[0::2][:CALIBRATING]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=method,
            )
    sessions = {label: open_network(path) for label, path in files.items()}
    shipped, measured = next(iter(sessions.values())), inputs[1::2]
    spent: dict[str, list[float]] = {label: [] for label in sessions}
    for turn in range(ROUNDS):
        for label, session in sessions.items():
            start = process_time()
            session.run(None, {session.get_inputs()[0].name: measured[turn % len(measured)].tensor})
            spent[label].append(1000 * (process_time() - start))
    for label, session in sessions.items():
        moved = []
        for given in measured:
            wanted = answers_of(shipped, given.tensor)
            away = given.points(answers_of(session, given.tensor), wanted) - given.points(wanted, wanted)
            moved.append([np.linalg.norm(away, axis=1).mean(), given.size])
        pixels, sizes = np.array(moved).T
        print(
            f"| {label} | {np.median(spent[label]):.2f} | {files[label].stat().st_size / 1e6:.2f} | "
            f"{pixels.mean():.2f} ({pixels.max():.2f}) | {100 * (pixels / sizes).mean():.1f}% |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="*")
    parser.add_argument("--graph", action="append", default=[], metavar="NAME=FILE", help="another graph of a network")
    options = parser.parse_args()
    others = dict(given.split("=", 1) for given in options.graph)
    models = Models.shipped()
    for name, inputs in inputs_of([*sorted(SAMPLES.glob("*.mp4"))[::2], *options.clips]).items():
        print(f"\n{name}: {len(inputs[1::2])} frames measured")
        print("\n| | ms | MB | points moved by, px: mean (worst frame) | of the eyes' distance or the box |")
        print("|---|---|---|---|---|")
        graphs = {"as it ships": models.path(name)}
        graphs |= {"as converted": Path(others[name])} if name in others else {}
        with tempfile.TemporaryDirectory() as folder:
            compare(graphs, inputs, Path(folder))


if __name__ == "__main__":
    main()
