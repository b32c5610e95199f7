"""Encoders on real lips: GRID speaker s1, 30 phrases to train on, 14 others to test.

    python benchmarks/grid.py DATA/grid_s1 --cache features --runs runs/grid

Trains five seeds of configs/grid_mesh.toml and measures each once on the test phrases, beside DTW, other networks in
the transformer's place and the controls that see no order, then with templates of one to five takes.
Writes docs/results/grid.json and .md. The shipped encoder is made by tools/release_encoder.py and measured by
benchmarks/operating_points.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures import figures

from facemotion.config import read_toml
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import Manifest, read_manifest
from facemotion.evaluation.controls import last_frame, peak_frame, pooled_vectors, shuffle_frames
from facemotion.evaluation.enrolment_takes import enrolment_trials
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
)
from facemotion.evaluation.trials import matrix_trials, score_pairs
from facemotion.features import load_extractor
from facemotion.features.mesh import MOVING
from facemotion.models import Models
from facemotion.signals import dtw_scores, resample
from facemotion.training.encoder.material.dataset import TrainingSet, TrainingSource, make_training_set
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, FeatureSequence, FloatArray

ROOT = Path(__file__).parents[1]
ENCODER = "transformer encoder, trained on the 30 phrases alone"
SEEDS = (0, 1, 2, 3, 4)
# Other networks in the transformer's place, and the seeds that each is trained with.
NETWORKS = {"conformer": SEEDS, "gru": SEEDS[:1], "tcn": SEEDS[:1]}
MOST_TAKES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the GRID s1 clips, with manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("features"), help="feature cache, filled beforehand")
    parser.add_argument("--runs", type=Path, default=Path("runs/grid"), help="where the run folders go")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "grid_mesh.toml", help="training settings")
    options = parser.parse_args()

    settings = read_toml(TrainingSettings, options.config)
    cache = FeatureCache(options.cache, load_extractor(settings.extractor, Models.configured()).frontend_id)
    whole = read_manifest(options.data / "manifest.csv")
    train, train_clips = read_features(cache, whole.select(split="train"))
    test, test_clips = read_features(cache, whole.select(split="test"))
    data = make_training_set([TrainingSource(train.records, train_clips, settings.sources[0].batch)])
    print(f"{len(train)} clips to train on, {len(test)} to test, {len(whole) - len(train) - len(test)} not acquired")

    folder = ROOT / "docs" / "results"
    systems, takes = measure(settings, data, test, test_clips, options.runs)
    results = {
        "front end": cache.frontend_id,
        "clips": {"train": len(train), "test": len(test), "not acquired": len(whole) - len(train) - len(test)},
        "settings": options.config.name,
        "systems": systems,
        "enrolment takes": takes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grid.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (folder / "grid.md").write_text(page(results), "utf-8")


def measure(
    settings: TrainingSettings,
    data: TrainingSet,
    test: Manifest,
    clips: Sequence[FeatureSequence],
    runs: Path,
) -> tuple[dict[str, dict[str, object]], list[dict[str, float]]]:
    """Figures of every system on all pairs of the test phrases, and of the encoder by number of enrolment takes."""
    systems: dict[str, dict[str, object]] = {}
    lips = slice(0, 3 * len(MOVING["lips"]))
    mouths = [resample(clip.values[:, lips], clip.times) for clip in clips]
    systems["DTW over lips, nothing learned"] = figures([matrix_trials(dtw_scores(mouths), test.records)])
    for how in ("maximum", "mean"):
        pooled = score_pairs(pooled_vectors(clips, data.sequences, how), test.records)
        systems[f"control: {how} of features over time, nothing learned"] = figures([pooled])

    nets = [
        train_encoder(
            dataclasses.replace(settings, seed=seed), data, RunFolder(runs / f"seed-{seed}"), show(f"seed {seed}")
        )
        for seed in SEEDS
    ]
    for network, seeds in NETWORKS.items():
        changed = dataclasses.replace(settings.encoder, network=network)
        trained = []
        for seed in seeds:
            own, name = dataclasses.replace(settings, seed=seed, encoder=changed), f"{network}-{seed}"
            net = train_encoder(own, data, RunFolder(runs / name), show(name))
            trained.append(score_pairs(embed(net, clips), test.records))
        words = f"{network} in the transformer's place"
        systems[words if len(seeds) > 1 else f"{words}, one seed"] = figures(trained)
    controls = {
        ENCODER: list(clips),
        "control: the transformer, frames shuffled": [
            shuffle_frames(c, np.random.default_rng(i)) for i, c in enumerate(clips)
        ],
        "control: the transformer, last frame": [last_frame(c) for c in clips],
        "control: the transformer, peak frame": [peak_frame(c) for c in clips],
    }
    for name, robbed in controls.items():
        systems[name] = figures([score_pairs(embed(net, robbed), test.records) for net in nets])
        print(name, systems[name], flush=True)
    return systems, by_takes([embed(net, clips) for net in nets], test)


def by_takes(vectors: Sequence[FloatArray], test: Manifest) -> list[dict[str, float]]:
    """Mean over seeds of AP and EER by the number of enrolment takes."""
    seeds = [
        [curve(trials) for trials in enrolment_trials(own, test.records, MOST_TAKES, kind=ClipKind.LIP)]
        for own in vectors
    ]
    return [
        {
            "takes": takes,
            "AP": round(statistics.mean(average_precision(c) for c in curves), 4),
            "EER": round(statistics.mean(equal_error_rate(c)[0] for c in curves), 4),
            "genuine": int(curves[0].genuine[-1]),
            "impostor": int(curves[0].impostor[-1]),
        }
        for takes, curves in enumerate(zip(*seeds, strict=True), 1)
    ]


def page(results: dict[str, object]) -> str:
    """Every system with its interval, and the enrolment takes, as Markdown."""
    systems: dict[str, dict[str, object]] = results["systems"]
    takes: list[dict[str, float]] = results["enrolment takes"]
    first = systems[ENCODER]
    lines = [
        "# Spoken phrases of one speaker",
        "",
        f"GRID s1, {results['clips']['test']} clips of 14 phrases that nothing was trained on, all pairs "
        f"({first['genuine']} genuine, {first['impostor']} impostor; prevalence {first['prevalence']:.3f}). Encoders "
        "are trained on 30 other phrases. Figures are means of five seeds unless a row gives another number. Intervals "
        "are 95%, over motions, of the first seed. The table says nothing about other people. Written by "
        "`benchmarks/grid.py`.",
        "",
        "| system | AP | interval | each seed | peak F1 | EER |",
        "|---|---|---|---|---|---|",
    ]
    for name, own in sorted(systems.items(), key=lambda item: -item[1]["AP"]):
        low, high = own["AP interval"]
        seeds = ", ".join(f"{ap:.3f}" for ap in own["AP of each seed"])
        rest = f"{own['peak F1']:.3f} | {own['EER']:.3f}"
        lines.append(f"| {name} | {own['AP']:.3f} | {low:.3f} to {high:.3f} | {seeds} | {rest} |")
    lines += [
        "",
        "Templates of the first takes of a phrase, whose mean cosine with a probe is the score; the probes are later "
        f"takes of that phrase and of the others ({takes[0]['genuine']} genuine, {takes[0]['impostor']} impostor):",
        "",
        "| enrolment takes | AP | EER |",
        "|---|---|---|",
        *(f"| {own['takes']} | {own['AP']:.3f} | {own['EER']:.3f} |" for own in takes),
    ]
    return "\n".join(lines) + "\n"


def show(name: str):
    def progress(step: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"{name}: step {step}, loss {loss:.3f}", flush=True)

    return progress


if __name__ == "__main__":
    main()
