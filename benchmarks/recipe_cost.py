"""What a step of the paper's recipe costs, what padding wastes of it, and after how many steps the figure stands.

    python benchmarks/recipe_cost.py [--threads 1] [--convergence] [--write]

Cost: clips as long as those of Synth-59 (their lengths are worked out from its plan, no asset is needed) with 512
features of noise, which cost what real ones cost; seconds of processor time and by the clock of one step, padded as one
batch and in groups of like length, and the step's multiply-adds over the rate that one large matrix product reaches.
Convergence: the recipe of configs/tables.toml on simulated people as mesh points (needs FACEMOTION_ASSETS; nothing is
drawn, so that it takes minutes and no hours), average precision within a person of people never trained on after each
of several one-cycle trainings; three seeds each. With --write the figures go to docs/results/recipe_cost.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from facemotion.config import read_toml
from facemotion.evaluation.measures import average_precision, curve
from facemotion.evaluation.trials import score_pairs
from facemotion.experiments.paper_plan import TableSettings, heads_for
from facemotion.models import Models
from facemotion.nets.sequence_encoder import SequenceEncoder
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.simulate import SimulationSettings, simulate
from facemotion.synth.sets.frozen import FIELD
from facemotion.synth.sets.plan import DatasetSettings, make_performers, make_plan, perform
from facemotion.training.encoder import train as loop
from facemotion.training.encoder.losses import contrastive_loss, same_subject_pairs
from facemotion.training.encoder.material.dataset import TrainingSource, make_training_set
from facemotion.types import ClipKind

ROOT = Path(__file__).parents[1]
STEPS = (25, 50, 100, 200, 400)
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--convergence", action="store_true", help="also train; minutes to an hour of one core")
    parser.add_argument("--write", action="store_true", help="write docs/results/recipe_cost.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    settings = read_toml(TableSettings, ROOT / "configs" / "tables.toml")
    path = ROOT / "docs" / "results" / "recipe_cost.json"
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    results |= {"threads": options.threads, "load average": round(os.getloadavg()[0], 1), "cost": cost(settings)}
    if options.convergence:
        results["convergence"] = convergence(settings)
    print(json.dumps(results, indent=1))
    if options.write:
        path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def cost(settings: TableSettings) -> dict[str, object]:
    """Seconds of one step, and what it would take at least."""
    lengths = frames_of_synth_59()
    batch = settings.recipe.sources[0].batch
    count = batch.subjects * batch.motions * batch.takes
    rng = np.random.default_rng(0)
    chosen = lengths[rng.integers(len(lengths), size=count)]
    clips = [rng.standard_normal((length, 512)).astype(np.float32) for length in chosen]
    net = SequenceEncoder(512, settings.recipe.encoder).train()
    encoder = settings.recipe.encoder
    layer = 4 * net.width**2 + 2 * net.width * encoder.feedforward
    multiply_adds = 3 * encoder.layers * layer * int(chosen.sum())  # backwards costs twice forwards
    found: dict[str, object] = {
        "clips": count,
        "frames": int(chosen.sum()),
        "frames with padding, one batch": int(count * chosen.max()),
        "floor, s": round(multiply_adds / multiply_add_rate(net.width, encoder.feedforward), 2),
    }
    for name, groups in {"one batch": 1, "groups of like length": loop.GROUPS}.items():
        spent = [step(net, clips, groups, batch.takes, batch.motions) for _ in range(3)]
        found[f"{name}, processor s"] = round(statistics.median(own[0] for own in spent), 2)
        found[f"{name}, clock s"] = round(statistics.median(own[1] for own in spent), 2)
    return found


def frames_of_synth_59(clips: int = 400) -> np.ndarray:
    """(clips,) frames at 25 a second of facial motions, evenly chosen."""
    plan = [clip for clip in make_plan(FIELD.settings) if clip.record.kind == ClipKind.FACIAL]
    performers = make_performers(FIELD.settings)
    lengths = []
    for clip in plan[:: len(plan) // clips]:
        _, moments = perform(FIELD.settings, clip, performers[clip.record.subject])
        lengths.append(int((moments.times[-1] - moments.times[0]) * 25) + 1)
    return np.array(lengths)


def multiply_add_rate(width: int, feedforward: int) -> float:
    """Multiply-adds a second of a product as large as the layers' own, the best of five."""
    a, b = torch.randn(4096, width), torch.randn(width, feedforward)
    best = np.inf
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 4096 * width * feedforward / best


def step(net: SequenceEncoder, clips: list[np.ndarray], groups: int, takes: int, motions: int) -> tuple[float, float]:
    """Processor and clock seconds of one step with that many groups."""
    loop.GROUPS = groups
    numbers = torch.arange(len(clips))
    processor, clock = time.process_time(), time.perf_counter()
    embeddings = loop.encode_clips(net, clips, torch.device("cpu"))[0]
    pairs = same_subject_pairs(numbers // (takes * motions))
    contrastive_loss(embeddings, numbers // takes, pairs, 0.25).backward()
    net.zero_grad()
    return time.process_time() - processor, time.perf_counter() - clock


def convergence(settings: TableSettings) -> dict[str, list[float]]:
    """AP within a person after one-cycle trainings of several lengths, each seed's."""
    people = DatasetSettings(
        part="train", subjects=40, motions=5, lips=0, takes=6, near_misses=0, mimics=0, impostor_takes=6, seed=3
    )
    records, sequences = simulate(SimulationSettings(people, noise=0.003), None, Assets.find(), "points")
    new = {f"s{number + 1:03d}" for number in range(30, 40)}
    train = [i for i, r in enumerate(records) if r.subject not in new]
    test = [i for i, r in enumerate(records) if r.subject in new]
    heads = heads_for(settings.recipe, "face-mesh", Models.configured())
    found = {}
    source = TrainingSource(records, sequences, settings.recipe.sources[0].batch)
    data = make_training_set([source.at(train)])
    for steps in STEPS:
        precisions = []
        for seed in SEEDS:
            own = dataclasses.replace(
                settings.recipe,
                seed=seed,
                threads=0,
                encoder=dataclasses.replace(settings.recipe.encoder, heads=heads),
                optimiser=dataclasses.replace(settings.recipe.optimiser, steps=steps),
            )
            net = loop.train_encoder(own, data)
            vectors = loop.embed(net, [sequences[i] for i in test])
            trials = score_pairs(vectors, [records[i] for i in test], "within-subject")
            precisions.append(round(average_precision(curve(trials)), 4))
            print(f"{steps} steps, seed {seed}: AP {precisions[-1]}", flush=True)
        found[str(steps)] = precisions
    return found


if __name__ == "__main__":
    main()
