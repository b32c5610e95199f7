"""docs/results/folds_together.md: what the folds of a row cost in one loop, and one after the other.

    python benchmarks/folds_together.py [--folds 10] [--steps 3] [--device auto]

The recipe is that of configs/tables_v2.toml. Clips are of noise, as many frames long as those of Synth-59 are on
average; what a step costs doesn't depend on what they show. Processor seconds and seconds by the clock of a step of all
folds, those of drawing batches included; the first step isn't counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import torch
from sections import processor

from facemotion.config import read_toml
from facemotion.experiments.paper_plan import TableSettings
from facemotion.training.encoder.material.dataset import TrainingSource, make_training_set
from facemotion.training.encoder.settings import StoppingSettings, TrainingSettings
from facemotion.training.encoder.together import Training, train_together
from facemotion.training.encoder.train import choose_device, train_encoder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "folds_together.md"
PEOPLE, MOTIONS, TAKES, FEATURES = 6, 5, 3, 512
FRAMES = (62, 102)  # least and most; 82 is the mean of the facial clips of version 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3, help="counted")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    options = parser.parse_args()
    recipe = read_toml(TableSettings, ROOT / "configs" / "tables_v2.toml").recipe
    trainings = folds(recipe, options.folds, options.steps)
    path, device = PAGE.with_suffix(".json"), choose_device(options.device).type
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    results[device] = {
        "folds": options.folds,
        "processor": processor() if device == "cpu" else torch.cuda.get_device_name(),
        "one after the other": apart(trainings, options),
        "in one loop": together(trainings, options),
    }
    path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(results), "utf-8")


def folds(recipe: TrainingSettings, count: int, steps: int) -> list[Training]:
    """Trainings of the recipe on clips of noise, each with its seed, a step longer than what is counted."""
    rng = np.random.default_rng(0)
    records, sequences = [], []
    for person in range(PEOPLE):
        for motion in range(MOTIONS):
            for take in range(TAKES):
                length = int(rng.integers(*FRAMES))
                values = rng.standard_normal((length, FEATURES)).astype(np.float32)
                name = f"s{person}-m{motion}"
                records.append(ClipRecord(f"{name}-{take}", f"s{person}", name, ClipKind.FACIAL, take, 1))
                sequences.append(FeatureSequence(values, np.arange(length) / 25, "noise"))
    data = make_training_set([TrainingSource(records, sequences, recipe.sources[0].batch)])
    optimiser = dataclasses.replace(recipe.optimiser, steps=1 + steps)
    own = dataclasses.replace(recipe, optimiser=optimiser, stopping=StoppingSettings())
    return [Training(dataclasses.replace(own, seed=seed), data) for seed in range(count)]


class Clock:
    """Processor seconds and seconds by the clock since the end of the first step."""

    def __init__(self) -> None:
        self.begin: tuple[float, float] | None = None
        self.spent = (0.0, 0.0)

    def step(self, done: int) -> None:
        """Note that so many steps are done."""
        now = time.process_time(), time.perf_counter()
        if self.begin is None or done == 1:
            self.begin = now
        self.spent = now[0] - self.begin[0], now[1] - self.begin[1]


def apart(trainings: list[Training], options: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step of all folds, one training after the other."""
    total = np.zeros(2)
    for own in trainings:
        clock = Clock()
        train_encoder(
            own.settings, own.data, progress=lambda step, _, clock=clock: clock.step(step), device=options.device
        )
        total += clock.spent
    return seconds(total, options.steps)


def together(trainings: list[Training], options: argparse.Namespace) -> dict[str, float]:
    """Seconds of a step of all folds in one loop."""
    clock, last = Clock(), len(trainings) - 1
    train_together(trainings, options.device, progress=lambda number, step: number == last and clock.step(step))
    return seconds(np.array(clock.spent), options.steps)


def seconds(total: np.ndarray, steps: int) -> dict[str, float]:
    """Of one step."""
    return {"processor": round(float(total[0]) / steps, 3), "clock": round(float(total[1]) / steps, 3)}


def page(results: dict[str, dict[str, object]]) -> str:
    """The page as Markdown."""
    lines = [
        "# Folds in one loop",
        "",
        "`facemotion tables --together 0` trains all folds of a row in one loop: their networks lie in one stack, and "
        "each has the weights, batches, looks and checkpoints that it has alone. Without dropout the vectors are the "
        "same to 0.0002 after six steps (`tests/training/encoder/test_together.py`); dropout draws other numbers. "
        "Below are seconds of one step of all folds of the paper's recipe (`configs/tables_v2.toml`) on clips of "
        "noise. Written by `benchmarks/folds_together.py`.",
        "",
        "| device | folds | how | processor seconds a step | by the clock |",
        "|---|---|---|---|---|",
    ]
    for device, own in results.items():
        for how in ("one after the other", "in one loop"):
            spent = own[how]
            lines.append(
                f"| {device} ({own['processor']}) | {own['folds']} | {how} | {spent['processor']:.2f} "
                f"| {spent['clock']:.2f} |"
            )
    lines += ["", "The clock counts whatever else the machine did meanwhile."]
    if "cuda" not in results:
        lines += [
            "",
            "Missing: no GPU has been measured, and the loop has never run on one. The tests run the same code on a "
            "CPU, with an error of missing memory raised in place of a full GPU. Weights and products stay in single "
            "precision (no bfloat16), attention is written out, since torch computes its own network by network here, "
            "and batches are drawn on the CPU and sent to the device at each step.",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
