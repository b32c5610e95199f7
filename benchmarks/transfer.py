"""Does an encoder that saw no real clip know real lips? Trials of inputs, pooling and simulated speech, one a line.

    python benchmarks/transfer.py DATA/grid_s1 --cache features [--only NAME ...] [--seeds 1] [--out transfer.json]

Every trial trains on simulated people as mesh points without pictures (needs FACEMOTION_ASSETS) and is
asked about GRID s1. Choose by the figures of its 30 training phrases, none of which is trained on here; those of the
14 test phrases are kept beside them and must not choose. Time warping over the same inputs comes first. Every figure is
kept in --out as it ends, and isn't measured again; a trial takes about a minute of one core, making 60 people as much.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facemotion.config import from_table
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate
from facemotion.evaluation.trials import matrix_trials, score_pairs
from facemotion.features import load_extractor
from facemotion.features.mesh import POINTS
from facemotion.features.parts import select_parts
from facemotion.models import Models
from facemotion.nets.inputs import InputStreams
from facemotion.signals import dtw_scores, resample
from facemotion.synth.people.assets import Assets
from facemotion.synth.points.simulate import SimulationSettings, simulate
from facemotion.training.encoder.material.dataset import TrainingSource, make_training_set
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import embed, train_encoder
from facemotion.types import ClipRecord, FeatureSequence, FloatArray, ScoredTrials

Clips = tuple[Sequence[ClipRecord], Sequence[FeatureSequence]]

Trial = dict[str, dict[str, Any]]

BASE: dict[str, Any] = {
    "encoder": {
        "parts": ["lips"],
        "depth": False,
        "components": 10,
        "inputs": "position+difference",
        "scaling": "clip",
        "pooling": "maximum+thirds",
        "width": 128,
        "layers": 1,
        "heads": 4,
        "feedforward": 256,
        "input_dropout": 0.1,
    },
    "augmentation": {"trimming": 0.0, "tempo": 0.3, "warp": 0.3, "noise": 0.03},
    "loss": {"name": "n-pair", "temperature": 0.2},
    "optimiser": {"steps": 300, "rise": 0.15},
    "simulation": {
        "people": {
            "part": "train",
            "subjects": 60,
            "motions": 0,
            "lips": 6,
            "takes": 4,
            "near_misses": 0,
            "mimics": 0,
            "impostor_takes": 4,
        },
        "noise": 0.003,
        "cut": True,
    },
    "simulation_batch": {"subjects": 8, "motions": 6, "takes": 2},
}


def linear(*, components: int = 6, segments: int = 16, numbers: int = 512, steps: int = 60, **encoder: Any) -> Trial:
    """No network, a head over the inputs' means in segments of a clip: what a motion is like at each share of it."""
    encoder |= {"network": "none", "width": 0, "positions": False, "pooling": "segments", "segments": segments}
    return {
        "encoder": encoder | {"components": components, "embedding": numbers},
        "optimiser": {"steps": steps},
    }


# What each trial changes of BASE.
TRIALS: dict[str, Trial] = {
    "none": {},
    "made-up motions": {"simulation_batch": {"splices": 6}},
    "made-up motions, plain and normalised stream": {
        "simulation_batch": {"splices": 6},
        "encoder": {"scaling": "stream+clip"},
    },
    "made-up motions, plain stream alone": {
        "simulation_batch": {"splices": 6},
        "encoder": {"scaling": "stream"},
    },
    "made-up motions, maximum over the clip alone": {
        "simulation_batch": {"splices": 6},
        "encoder": {"pooling": "maximum"},
    },
    "made-up motions, 150 people": {"simulation": {"people": {"subjects": 150}}, "simulation_batch": {"splices": 6}},
    "maximum over the clip alone": {"encoder": {"pooling": "maximum"}},
    "attention": {"encoder": {"pooling": "attention"}},
    "plain and normalised stream": {"encoder": {"scaling": "stream+clip"}},
    "plain stream alone": {"encoder": {"scaling": "stream"}},
    "every feature by its own deviation in the clip, no components": {
        "encoder": {"parts": [], "depth": True, "components": 0}
    },
    "six components": {"encoder": {"components": 6}},
    "all points": {"encoder": {"parts": []}},
    "a random linear mix of the points for each person": {},
    "150 people": {"simulation": {"people": {"subjects": 150}}},
    "no error that all points share": {"simulation": {"alignment": 0.0}},
    "noise .1 of a point's deviation": {"augmentation": {"noise": 0.1}},
    "pairs of two people too": {"loss": {"pairs": "all"}},
    "gru": {"encoder": {"network": "gru"}},
    "tcn, two layers": {"encoder": {"network": "tcn", "layers": 2}},
    "facial motions beside, near misses with them": {
        "simulation": {"people": {"motions": 4, "near_misses": 2, "reorders": 2}},
        "simulation_batch": {"together": True},
    },
    "no network, 24 segments, 10 components, 128 numbers, 300 steps": linear(
        components=10, segments=24, numbers=128, steps=300
    ),
    "no network, 24 segments, 128 numbers, 300 steps": linear(segments=24, numbers=128, steps=300),
    "no network, 24 segments, 128 numbers": linear(segments=24, numbers=128),
    "no network, 24 segments": linear(segments=24),
    "no network, 24 segments, positions alone": linear(segments=24, inputs="position"),
    "no network, 24 segments, 10 components": linear(components=10, segments=24),
    "no network, 16 segments": linear(),
    "no network, 16 segments, positions alone": linear(inputs="position"),
    "no network, 10 segments": linear(segments=10),
    "no network, 16 segments, 8 components": linear(components=8),
    "no network, 16 segments, 1 step": linear(steps=1),
    "maximum and segments, a conformer layer": {"encoder": {"network": "conformer", "pooling": "maximum+segments"}},
}
MIXED = "a random linear mix of the points for each person"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the GRID s1 clips, with manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("features"), help="feature cache, filled beforehand")
    parser.add_argument("--only", nargs="*", default=list(TRIALS), choices=TRIALS, help="trials; default: all")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each")
    parser.add_argument("--out", type=Path, default=Path("transfer.json"), help="figures, kept one by one")
    options = parser.parse_args()
    torch.set_num_threads(1)
    frontend_id = load_extractor("face-mesh", Models.configured()).frontend_id
    grid = {}
    for split in ("train", "test"):
        manifest = read_manifest(options.data / "manifest.csv").select(split=split)
        acquired, clips = read_features(FeatureCache(options.cache, frontend_id), manifest)
        grid[split] = acquired.records, clips
    found = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}

    def keep(name: str, measure: Callable[[], dict[str, float]]) -> None:
        if name not in found:
            start = time.process_time()
            found[name] = measure() | {"processor s": round(time.process_time() - start, 1)}
            options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        print(name, found[name], flush=True)

    made: dict[SimulationSettings, Clips] = {}

    def people(settings: SimulationSettings) -> Clips:
        if settings not in made:
            made[settings] = simulate(settings, None, Assets.find(), frontend_id)
        return made[settings]

    plain = from_table(TrainingSettings, BASE)
    keep("time warping over the inputs", lambda: warping(plain, people(plain.simulation), grid))
    for name in options.only:
        settings = from_table(TrainingSettings, changed(TRIALS[name]))
        for seed in range(options.seeds):
            own = dataclasses.replace(settings, seed=seed, threads=1)
            keep(f"{name}, seed {seed}", lambda own=own, name=name: train(name, own, people(own.simulation), grid))


def changed(changes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """BASE with what a trial changes."""
    table = {}
    for group, values in BASE.items():
        table[group] = values | changes.get(group, {})
        if "people" in values:
            table[group]["people"] = values["people"] | changes.get(group, {}).get("people", {})
    return table


def train(name: str, settings: TrainingSettings, people: Clips, grid: dict[str, Clips]) -> dict[str, float]:
    """Figures on both sets of phrases of one training."""
    records, sequences = people
    if name == MIXED:
        sequences = mix(records, sequences)
    net = train_encoder(settings, make_training_set([TrainingSource(records, sequences, settings.simulation_batch)]))
    return figures(lambda own: score_pairs(embed(net, own[1]), own[0]), grid)


def mix(records: Sequence[ClipRecord], sequences: Sequence[FeatureSequence]) -> list[FeatureSequence]:
    """Each person's points a little mixed among themselves, as if their face moved by other muscles."""
    rng, mixes, mixed = np.random.default_rng(0), {}, []
    for record, sequence in zip(records, sequences, strict=True):
        if record.subject not in mixes:
            wrong = rng.standard_normal((len(POINTS), len(POINTS))) / np.sqrt(len(POINTS))
            mixes[record.subject] = (np.eye(len(POINTS)) + 0.5 * wrong).astype(np.float32)
        points = sequence.values.reshape(len(sequence), -1, 3)
        moved = points - points.mean(axis=0)
        values = points.mean(axis=0) + np.einsum("pq,tqc->tpc", mixes[record.subject], moved)
        mixed.append(
            FeatureSequence(values.reshape(len(sequence), -1).astype(np.float32), sequence.times, sequence.frontend_id)
        )
    return mixed


def warping(settings: TrainingSettings, people: Clips, grid: dict[str, Clips]) -> dict[str, float]:
    """Time warping over inputs whose components are those of the simulated people."""
    own = settings.encoder
    streams = InputStreams(people[1][0].values.shape[1], own.inputs, own.scaling, own.centre, own.components)
    selected = torch.from_numpy(select_parts(settings.extractor, own.parts, own.depth))
    streams.fit([torch.from_numpy(resample(s.values, s.times)) for s in people[1]], selected)

    def inputs(clip: FeatureSequence) -> FloatArray:
        return streams(torch.from_numpy(resample(clip.values, clip.times))[None], None)[0].numpy()

    return figures(lambda set_: matrix_trials(dtw_scores([inputs(clip) for clip in set_[1]]), set_[0]), grid)


def figures(score: Callable[[Clips], ScoredTrials], grid: dict[str, Clips]) -> dict[str, float]:
    """AP and EER over all pairs of the training and of the test phrases."""
    found = {}
    for split, own in grid.items():
        accepted = curve(score(own))
        found[f"{split} AP"] = round(average_precision(accepted), 4)
        found[f"{split} EER"] = round(equal_error_rate(accepted)[0], 4)
    return found


if __name__ == "__main__":
    main()
