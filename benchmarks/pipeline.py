"""Milliseconds a frame of every stage, frames/s end to end, arithmetic floors and peak memory.

    python benchmarks/pipeline.py [--write] [CLIP] [--race PYTHON [--landmarker FILE]]

Without a clip, a 640 x 480 video is made of the package's own sample. The floor of a network is its multiply-adds over
the multiply-add rate that one large matrix product reaches on this machine in the same run: no implementation on this
machine can be faster without doing less arithmetic; channels of zeros that fill up blocks count. Medians of
five runs through the clip, in processor time: other load on the machine moves it less than the clock, but read figures
as ratios within one run all the same.

With --race the same frames go, in turns, through this package and through those of mediapipe, uniface and deepface that
are installed for another Python, such as `theirs/bin/python`; MediaPipe needs the bundle of its landmarker. They are
compared by processor time, decoding left out. With --write the figures go to docs/results/pipeline.json and into the
section of docs/results/speed.md between the pipeline marks; without --race the last race stays.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from unittest.mock import patch

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import av
import numpy as np
import onnx
from PIL import Image
from sections import processor, write_section

from facemotion.config import RuntimeSettings, Settings
from facemotion.encoder import Encoder
from facemotion.frontend import Acquirer, Frontend, chain, look
from facemotion.media import read_frames
from facemotion.models import Models

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "src" / "facemotion" / "samples"
PROCESSOR = "whole chain, processor time"
RACE = "race, 640 x 480"


def multiply_adds(path: Path, time: int = 75) -> float:
    """Multiply-adds of one run: convolutions and matrix products, from the shapes that ONNX infers."""
    model = onnx.load(path)
    for entry in model.graph.input:
        for dim in entry.type.tensor_type.shape.dim:
            if not dim.dim_value:
                dim.dim_value = 1 if dim.dim_param == "batch" else time
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = model.graph
    shapes = {init.name: tuple(init.dims) for init in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        shapes[value.name] = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
    total = 0.0
    for node in graph.node:
        if node.op_type in ("Conv", "FusedConv"):
            weight, out = shapes[node.input[1]], shapes[node.output[0]]
            total += float(np.prod(weight[1:], dtype=float) * np.prod(out, dtype=float))
        elif node.op_type in ("MatMul", "Gemm"):
            a, out = shapes.get(node.input[0], ()), shapes.get(node.output[0], ())
            if a and out:
                total += float(np.prod(out, dtype=float) * a[-1])
    return total


def machine_rate() -> float:
    """Multiply-adds a second of a 1024 x 1024 float32 product on one thread, the best of ten."""
    a = np.random.default_rng(0).random((1024, 1024), np.float32)
    best = np.inf
    for _ in range(10):
        start = process_time()
        a @ a
        best = min(best, process_time() - start)
    return 1024**3 / best


def video(frames: list[np.ndarray], size: tuple[int, int], seconds: float, rate: int) -> bytes:
    """H.264 of `frames`, repeated to and fro, at another size."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as out:
        track = out.add_stream("libx264", rate=rate)
        track.width, track.height, track.pix_fmt = *size, "yuv420p"
        loop = frames + frames[::-1]
        for number in range(round(seconds * rate)):
            picture = Image.fromarray(loop[number % len(loop)]).resize(size, Image.Resampling.BICUBIC)
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, rate)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))
    return stream.getvalue()


def stages(data: bytes, threads: int) -> dict[str, float]:
    """Milliseconds a frame of each stage, the median of five means over the clip, and frames/s by the clock.

    Args:
        data: a video.
        threads: 1; or 2: a second one decodes and detects ahead, as a file is read by default. Of one thread stages are
            given in processor time, of two by the clock.
    """
    settings = Settings(runtime=RuntimeSettings(look_ahead=0 if threads == 1 else RuntimeSettings.look_ahead))
    frontend = Frontend.load(settings)
    models = Models.of(settings.runtime)
    encoder = Encoder.load(settings.verifier.encoder, models)
    spent: dict[str, list[float]] = {}
    ends, worked = [], []
    for _ in range(5):
        session = Acquirer(frontend)
        start, working = perf_counter(), process_time()
        clock = process_time if threads == 1 else perf_counter
        with patch.object(chain, "perf_counter", clock), patch.object(look, "perf_counter", clock):
            session.push_all(read_frames(data, settings.media))
        sequence = session.sequence()
        begin = process_time()
        encoder(sequence)
        spent.setdefault("encode (whole clip)", []).append(1000 * (process_time() - begin))
        ends.append(len(sequence) / (perf_counter() - start))
        worked.append(1000 * (process_time() - working) / len(sequence))
        for stage, value in session.milliseconds.items():  # with what only some frames need
            spent.setdefault(stage, []).append(value / len(sequence))
    spent["detect: BlazeFace alone"] = network_alone("blazeface", models)
    spent["extract: face mesh alone"] = network_alone("face-mesh", models)
    spent["extract: SFE-L alone"] = network_alone("sfe-l", models)
    medians = {stage: float(np.median(values)) for stage, values in spent.items()}
    return medians | {PROCESSOR: float(np.median(worked)), "frames/s": float(np.median(ends))}


def network_alone(name: str, models: Models, runs: int = 200) -> list[float]:
    """Processor time of each run of one network, milliseconds, without what prepares its input and reads its output."""
    session = models.open(name)
    entry = session.get_inputs()[0]
    tensor = np.random.default_rng(0).random(entry.shape, np.float32)
    session.run(None, {entry.name: tensor})
    spent = []
    for _ in range(runs):
        start = process_time()
        session.run(None, {entry.name: tensor})
        spent.append(1000 * (process_time() - start))
    return spent


def race(python: str, landmarker: str, frames: list[np.ndarray], rounds: int = 9) -> dict[str, Any]:
    """Processor time a frame of this package and of others', in turns over the same frames.

    Args:
        python: interpreter of an environment that has the others.
        landmarker: MediaPipe's bundle; empty where there is none.
        frames: (H, W, 3) uint8 RGB.
        rounds: times that everybody goes through the frames.
    Returns:
        By package: "ms", the median, "faces", the share of frames, and "ratio", the median and the least and largest of
        the rounds of our time over theirs; or "absent", why it didn't run.
    """
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
        np.save(path := Path(folder) / "frames.npy", np.stack(frames))
        script = str(Path(__file__).with_name("race.py"))
        runners, result = {}, {}
        for name in ("facemotion", "mediapipe", "uniface", "deepface"):
            interpreter = sys.executable if name == "facemotion" else python
            runner = subprocess.Popen(
                [interpreter, script, name, str(path), "--landmarker", landmarker],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            ends.callback(runner.communicate)
            said = runner.stdout.readline().strip()
            if said == "ready":
                runners[name] = runner
            else:
                result[name] = {"absent": said or "it ended without a word"}
        taken: dict[str, list[float]] = {name: [] for name in runners}
        faces = {}
        for _ in range(rounds):
            for name, runner in runners.items():
                runner.stdin.write("\n")
                runner.stdin.flush()
                milliseconds, faces[name] = map(float, runner.stdout.readline().split())
                taken[name].append(milliseconds)
    for name, values in taken.items():
        ratios = np.array(taken["facemotion"]) / values
        result[name] = {
            "ms": float(np.median(values)),
            "faces": faces[name],
            "ratio": [float(np.median(ratios)), float(ratios.min()), float(ratios.max())],
        }
    return result


PEAK = """
import sys
from pathlib import Path
from facemotion.verifier import Verifier
verifier = Verifier.load()
verifier.verify(sys.argv[1], sys.argv[2])
# Not getrusage: its peak is inherited from the process that started this one.
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path, nargs="?", default=None)
    parser.add_argument(
        "--write", action="store_true", help="write docs/results/pipeline.json and the section of speed.md"
    )
    parser.add_argument("--race", metavar="PYTHON", default="", help="an interpreter that has others' packages")
    parser.add_argument("--landmarker", default="", help="MediaPipe's face_landmarker.task")
    arguments = parser.parse_args()
    source = arguments.clip or sorted(SAMPLES.glob("*.mp4"))[0]
    frames = [frame for frame, _ in read_frames(source)]
    data = video(frames, (640, 480), 3.0, 25)
    rate = machine_rate()
    result: dict[str, Any] = {"processor": processor(), "multiply-adds per second, one thread": rate}
    print(f"one thread reaches {rate / 1e9:.1f} G multiply-adds/s\n\nnetwork            M multiply-adds   floor, ms")
    for name, card in Models.shipped().cards().items():
        if card.role == "recogniser":
            continue
        work = multiply_adds(Models.shipped().path(name))
        result[f"floor {name}, ms"] = 1000 * work / rate
        print(f"{name:18} {work / 1e6:15.1f} {1000 * work / rate:11.2f}")
    for threads in (1, 2):
        print(f"\n640 x 480, 25 frames/s, 3 s, {threads} thread{'s' if threads > 1 else ''}: ms a frame")
        result[f"{threads} threads"] = measured = stages(data, threads)
        for stage, value in measured.items():
            print(f"  {stage:20} {value:8.2f}")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.mp4" for number in (1, 2)]
        for path in paths:
            path.write_bytes(video(frames, (1920, 1080), 9.9, 30))
        peak = float(subprocess.check_output([sys.executable, "-c", PEAK, *map(str, paths)], text=True))
    result["peak memory, two 10-s 1080p clips, MiB"] = peak
    print(f"\npeak memory of verifying two 10-s 1080p clips: {peak:.0f} MiB")
    if arguments.race:
        pictures = [frame for frame, _ in read_frames(data)]
        result[RACE] = race(arguments.race, arguments.landmarker, pictures)
        print("\nthe same frames in turns: ms of processor time a frame, our time over theirs (least to largest)")
        for name, entry in result[RACE].items():
            ratio = "" if "absent" in entry else "{:.2f} ({:.2f} to {:.2f})".format(*entry["ratio"])
            print(f"  {name:12} " + (entry.get("absent") or f"{entry['ms']:6.2f}   {ratio}"))
    if arguments.write:
        path = ROOT / "docs" / "results" / "pipeline.json"
        earlier = json.loads(path.read_text("utf-8")).get(RACE)
        if earlier is not None and not arguments.race:
            result[RACE] = earlier
        path.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
        write_section(ROOT / "docs" / "results" / "speed.md", "pipeline", section(result))


def section(result: dict[str, Any]) -> str:
    """The table of docs/results/speed.md."""
    one = result["1 threads"]
    lines = [
        "Milliseconds of processor time a frame of a 640 x 480 clip at 25 frames/s, one thread, on the machine "
        f"of the last run ({result['processor']}; `benchmarks/pipeline.py --write`):",
        "",
        "| stage | ms | floor by arithmetic |",
        "|---|---|---|",
    ]
    floors = {
        "detect: BlazeFace alone": "floor blazeface, ms",
        "extract: face mesh alone": "floor face-mesh, ms",
        "extract: SFE-L alone": "floor sfe-l, ms",
        "encode (whole clip)": "floor encoder-mesh, ms",
    }
    for stage in [name for name in one if name != "frames/s"]:
        floor = f"{result[floors[stage]]:.2f}" if stage in floors else ""
        lines.append(f"| {stage} | {one[stage]:.2f} | {floor} |")
    lines += [
        f"| **frames/s of one processor** | **{1000 / one[PROCESSOR]:.0f}** | |",
        "",
        "A second thread decodes a file and detects faces ahead, if another processor is free.",
        "",
        f"Verifying two 10-s clips of 1920 x 1080 needs "
        f"{result['peak memory, two 10-s 1080p clips, MiB']:.0f} MiB at its peak.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
