"""Which extractor reads real lips best: one small encoder on frozen features, GRID speaker s1, phrases apart.

    python benchmarks/extractors.py DATA/grid_s1 --cache features NAME... [--seeds 5] [--config FILE]

For each extractor trains the encoder of configs/grid_mesh.toml on the 30 training phrases and measures it on the 14
test phrases, all pairs, once a seed; the features must be in the cache (`facemotion features` with `verifier.extractor`
set). Writes docs/results/extractors.json and extractors.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path

from facemotion.config import read_toml
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate, peak_f1
from facemotion.evaluation.trials import score_pairs
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.training.encoder.material.dataset import TrainingSource, make_training_set
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"


def measure(settings: TrainingSettings, data: Path, cache: Path, seeds: int) -> dict[str, object]:
    """AP, peak F1 and EER, mean over seeds."""
    features = FeatureCache(cache, load_extractor(settings.extractor, Models.configured()).frontend_id)
    whole = read_manifest(data / "manifest.csv")
    train, train_clips = read_features(features, whole.select(split="train"))
    test, test_clips = read_features(features, whole.select(split="test"))
    made = make_training_set([TrainingSource(train.records, train_clips, settings.sources[0].batch)])
    curves = []
    start = time.perf_counter()
    for seed in range(seeds):
        net = train_encoder(dataclasses.replace(settings, seed=seed), made)
        curves.append(curve(score_pairs(embed(net, test_clips), test.records)))
        print(settings.extractor, seed, round(average_precision(curves[-1]), 4), flush=True)
    precisions = [average_precision(c) for c in curves]
    return {
        "frontend": features.frontend_id,
        "AP": round(statistics.mean(precisions), 4),
        "AP of each seed": [round(p, 4) for p in precisions],
        "peak F1": round(statistics.mean(peak_f1(c)[0] for c in curves), 4),
        "EER": round(statistics.mean(equal_error_rate(c)[0] for c in curves), 4),
        "steps": settings.optimiser.steps,
        "seconds a seed": round((time.perf_counter() - start) / seeds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="+", help="extractors, by the names of their cards")
    parser.add_argument("--cache", type=Path, default=Path("features"))
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "grid_mesh.toml")
    parser.add_argument("--scaling", choices=("stream", "feature"), help="of the inputs, in place of the config's")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    path = RESULTS / "extractors.json"
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name in options.names:
        settings = dataclasses.replace(read_toml(TrainingSettings, options.config), extractor=name)
        if options.scaling:
            settings = dataclasses.replace(
                settings, encoder=dataclasses.replace(settings.encoder, scaling=options.scaling)
            )
        label = f"{name}, inputs scaled by {settings.encoder.scaling}"
        results[label] = measure(settings, options.data, options.cache, options.seeds)
        path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        (RESULTS / "extractors.md").write_text(table(results), "utf-8")


def table(results: dict[str, dict[str, object]]) -> str:
    """The figures in Markdown, best first."""
    lines = [
        "# Extractors on real lips",
        "",
        "A small encoder (`configs/grid_mesh.toml`) is trained on frozen features of the 30 training phrases of GRID "
        "s1. It is measured on 14 other phrases, all pairs, prevalence 0.068, mean over seeds. There is one speaker. "
        "An extractor may have been trained on frames of the training phrases too; its card says so. Written by "
        "`benchmarks/extractors.py`.",
        "",
        "| extractor | AP | each seed | peak F1 | EER |",
        "|---|---|---|---|---|",
    ]
    for name, own in sorted(results.items(), key=lambda item: -float(str(item[1]["AP"]))):
        lines.append(f"| {name} | {own['AP']} | {own['AP of each seed']} | {own['peak F1']} | {own['EER']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
