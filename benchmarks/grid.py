"""The shipped encoder and its figures on real lips: GRID speaker s1, 30 phrases to train on, 14 others to test.

    python benchmarks/grid.py DATA/grid_s1 --cache features --runs runs/grid [--ship --people A --rendered B]

Trains five seeds of configs/grid_mesh.toml and measures each once on the test phrases, beside DTW, other networks in
the transformer's place and the controls that see no order, then with templates of one to five takes.
With --ship also trains the shipped encoder (configs/shipped.toml, which needs FACEMOTION_ASSETS), exports it and writes
its card: figures on the test phrases and on rendered people, none of whom it was trained on, and operating points that
rest on both. Writes docs/results/grid.json and .md, and the section of README.md between the grid marks.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
from operating_points import find_points
from sections import write_section

from facemotion.config import VerifierSettings, read_toml
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import Manifest, read_manifest
from facemotion.encoder import Encoder, resample
from facemotion.evaluation.bootstrap import bootstrap
from facemotion.evaluation.controls import last_frame, peak_frame, pooled_vectors, shuffle_frames
from facemotion.evaluation.dtw import dtw_scores
from facemotion.evaluation.enrolment_takes import enrolment_trials
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
    peak_f1,
    prevalence,
    rates_at,
)
from facemotion.evaluation.trials import matrix_trials, score_pairs
from facemotion.features import load_extractor
from facemotion.features.mesh import MOVING
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, file_entry
from facemotion.synth.points.response import fit_response
from facemotion.thresholds import independent_impostors, lowest_supported_fmr
from facemotion.training.encoder.dataset import TrainingSet, TrainingSource, load_training_set, make_training_set
from facemotion.training.encoder.export import check_parity, export_encoder
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import embed, load_encoder, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import FeatureSequence, FloatArray, ScoredTrials

ROOT = Path(__file__).parents[1]
NAME = "encoder-mesh"
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
    parser.add_argument("--people", type=Path, help="manifest of rendered people to train on, features in the cache")
    parser.add_argument(
        "--response",
        type=Path,
        help="how the mesh shows those people (facemotion train response); default: in --runs, made",
    )
    parser.add_argument(
        "--rendered", type=Path, help="manifest of rendered people to measure on, features in the cache"
    )
    parser.add_argument(
        "--only-ship", action="store_true", help="leave the five seeds as docs/results/grid.json has them"
    )
    parser.add_argument("--ship", action="store_true", help="train, export and describe the shipped encoder")
    options = parser.parse_args()
    options.ship |= options.only_ship
    if options.response and not options.response.is_file():
        parser.error(f"{options.response} isn't there; leave --response out to have it made")
    if options.ship and not (options.rendered and options.people):
        parser.error("--ship needs --people and --rendered: figures of one speaker say nothing of other people")

    settings = read_toml(TrainingSettings, options.config)
    cache = FeatureCache(options.cache, load_extractor(settings.extractor, Models.configured()).frontend_id)
    whole = read_manifest(options.data / "manifest.csv")
    train, train_clips = read_features(cache, whole.select(split="train"))
    test, test_clips = read_features(cache, whole.select(split="test"))
    data = make_training_set([TrainingSource(train.records, train_clips, settings.sources[0].batch)])
    print(f"{len(train)} clips to train on, {len(test)} to test, {len(whole) - len(train) - len(test)} not acquired")

    folder = ROOT / "docs" / "results"
    kept = json.loads((folder / "grid.json").read_text("utf-8")) if options.only_ship else {}
    if not kept:
        kept["systems"], kept["enrolment takes"] = measure(settings, data, train_clips, test, test_clips, options.runs)
    results = {
        "front end": cache.frontend_id,
        "clips": {"train": len(train), "test": len(test), "not acquired": len(whole) - len(train) - len(test)},
        "settings": options.config.name,
        "systems": kept["systems"],
        "enrolment takes": kept["enrolment takes"],
    }
    if options.ship:
        results["shipped"] = ship(options, cache, test, test_clips)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grid.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (folder / "grid.md").write_text(page(results), "utf-8")
    write_readme(results)


def measure(
    settings: TrainingSettings,
    data: TrainingSet,
    train_clips: Sequence[FeatureSequence],
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
        pooled = score_pairs(pooled_vectors(clips, train_clips, how), test.records)
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
        [curve(trials) for trials in enrolment_trials(own, test.records, MOST_TAKES, kind="lip")] for own in vectors
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


def figures(seeds: Sequence[ScoredTrials]) -> dict[str, object]:
    """Mean over seeds, each seed's AP, and the bootstrap interval of the first seed."""
    curves = [curve(trials) for trials in seeds]
    precisions = [average_precision(c) for c in curves]
    interval = bootstrap(seeds[0], average_precision, replicates=300)
    return {
        "AP": round(statistics.mean(precisions), 4),
        "peak F1": round(statistics.mean(peak_f1(c)[0] for c in curves), 4),
        "EER": round(statistics.mean(equal_error_rate(c)[0] for c in curves), 4),
        "AP of each seed": [round(p, 4) for p in precisions],
        "AP interval": [round(interval.low, 4), round(interval.high, 4)],
        "interval over": interval.unit,
        "prevalence": round(prevalence(curves[0]), 4),
        "genuine": int(seeds[0].labels.sum()),
        "impostor": int((~seeds[0].labels).sum()),
    }


def ship(
    options: argparse.Namespace, cache: FeatureCache, test: Manifest, test_clips: Sequence[FeatureSequence]
) -> dict[str, object]:
    """Train the shipped encoder, export it, and write its card with operating points and figures."""
    settings = read_toml(TrainingSettings, ROOT / "configs" / "shipped.toml")
    manifests = (options.data / "manifest.csv", options.people)
    sources = tuple(
        dataclasses.replace(source, manifest=str(path))
        for source, path in zip(settings.sources, manifests, strict=True)
    )
    response = options.response or options.runs / "response.npz"
    if not options.response:
        response.parent.mkdir(parents=True, exist_ok=True)
        fit_response(options.people, options.cache, cache.frontend_id)[0].save(response)
    simulation = dataclasses.replace(settings.simulation, response=str(response))
    settings = dataclasses.replace(settings, features=str(options.cache), sources=sources, simulation=simulation)
    run = RunFolder(options.runs / "shipped")
    if run.is_complete(settings, settings.optimiser.steps):
        net, _ = load_encoder(run)
    else:
        net = train_encoder(settings, load_training_set(settings, cache.frontend_id), run, show("shipped"))
    file = SHIPPED_FOLDER / f"{NAME.replace('-', '_')}.onnx"
    export_encoder(net, file)

    people, people_clips = read_features(cache, read_manifest(options.rendered))
    everyone = test.records + people.records
    sets = {
        "GRID test phrases": score_pairs(embed(net, test_clips), test.records, "all", everyone),
        "rendered people, all pairs": score_pairs(embed(net, people_clips), people.records, "all", everyone),
        "rendered people, within a person": score_pairs(
            embed(net, people_clips), people.records, "within-subject", everyone
        ),
    }
    embedded = [(embed(net, test_clips), test.records), (embed(net, people_clips), people.records)]
    points = find_points(embedded, VerifierSettings().max_takes)
    single = [point for point in points if point.takes == 1]
    measured = {name: figures([trials]) for name, trials in sets.items()}
    card = {
        **file_entry(file),
        "role": "encoder",
        "licence": "MIT",
        "source": (
            "trained by benchmarks/grid.py (configs/shipped.toml) on 30 spoken phrases of one speaker of the GRID "
            "corpus, s1 (Cooke, Barker, Cunningham, Shao 2006, CC BY 4.0), on rendered clips of simulated people (ICT-"
            "FaceKit head, MIT, wearing AI-generated CC0 portraits), and on their motions without pictures"
        ),
        "preprocessing": "(1, L, D) float32, features of the front end, resampled to 25 frames/s by time stamps",
        "output": f"(1, {net.settings.embedding}) float32, norm 1",
        "frontend": cache.frontend_id,
        "spotting": net.settings.spotting,
        "note": (
            "One real speaker and simulated people: figures and thresholds say nothing yet of real people's facial "
            "motions. Calibrate on clips of your own."
        ),
        "default_point": points[1].name,
        "figures": {
            name: {key: own[key] for key in ("AP", "prevalence", "peak F1", "EER", "genuine", "impostor")}
            | {"rates": {point.name: rates(sets[name], point.threshold) for point in single}}
            for name, own in measured.items()
        }
        | {"milliseconds for 3 s": round(milliseconds(file, test_clips[0]), 2)},
        "operating_points": [dataclasses.asdict(point) for point in points],
    }
    write_card(card)
    print(json.dumps(card, indent=1))
    return {"card": card, "parity": check_parity(net, file)}


def rates(trials: ScoredTrials, threshold: float) -> dict[str, float | str]:
    """FMR and FNMR at a threshold; of an FMR below what the independent trials can tell (rule of 3), just that."""
    fmr, fnmr = rates_at(curve(trials), threshold)
    lowest = lowest_supported_fmr(independent_impostors(trials))
    told = round(fmr, 4) if fmr >= lowest else f"below {lowest:.2g}, the least that these trials can tell"
    return {"FMR": told, "FNMR": round(fnmr, 4)}


def rate(told: float | str) -> str:
    """A rate for a table: what the trials can't tell is said in words."""
    return told if isinstance(told, str) else f"{told:.3f}"


def milliseconds(file: Path, clip: FeatureSequence, repeats: int = 50) -> float:
    """Median wall time of encoding a 3-s clip on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    encoder = Encoder(onnxruntime.InferenceSession(str(file), options), NAME, clip.frontend_id)
    values = np.resize(clip.values, (76, clip.values.shape[1])).astype(np.float32)
    clip = FeatureSequence(values, np.arange(76) / 25, clip.frontend_id)
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        encoder(clip)
        spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent)


def write_card(card: dict[str, object]) -> None:
    """Replace the encoder's entry in the shipped cards."""
    document = tomlkit.parse(SHIPPED_CARDS.read_text("utf-8"))
    document.pop(NAME, None)
    points = card.pop("operating_points")
    table = tomlkit.item(card)
    table["operating_points"] = tomlkit.item(points)
    document[NAME] = table
    card["operating_points"] = points
    SHIPPED_CARDS.write_text(tomlkit.dumps(document), "utf-8")


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
        "are trained on 30 other phrases; mean of five seeds where no other number is said. Intervals are 95%, over "
        "motions, of the first seed. Says nothing about other people. Written by `benchmarks/grid.py`.",
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


def write_readme(results: dict[str, object]) -> None:
    """Replace what stands between the grid marks of README.md."""
    systems: dict[str, dict[str, object]] = results["systems"]  # type: ignore[assignment]
    rows = [
        f"| {name} | {own['AP']:.3f} | {own['peak F1']:.3f} | {own['EER']:.3f} |"
        for name, own in sorted(systems.items(), key=lambda item: -item[1]["AP"])
    ]
    own = systems[ENCODER]
    low, high = own["AP interval"]
    lines = [
        f"Real lips: one speaker of the GRID corpus, all {own['genuine'] + own['impostor']} pairs of "
        f"{results['clips']['test']} clips of 14 phrases that no system was trained on; {own['prevalence']:.1%} of the "
        "pairs are genuine, which is the average precision of a guess. Encoders: mean of five seeds.",
        "",
        "| system | average precision | peak F1 | EER |",
        "|---|---|---|---|",
        *rows,
        "",
        f"95% interval of the transformer's average precision over motions (first seed): {low:.3f} to {high:.3f}. "
        "One speaker: this says nothing about other people. Written by `benchmarks/grid.py`; other networks and "
        "enrolment takes are in [docs/results/grid.md](docs/results/grid.md).",
    ]
    if "shipped" in results:
        lines += ["", *shipped_lines(results["shipped"]["card"])]  # type: ignore[index]
    write_section(ROOT / "README.md", "grid", "\n".join(lines))


def shipped_lines(card: dict[str, Any]) -> list[str]:
    """The table of the shipped encoder."""
    measured, default = card["figures"], card["default_point"]
    return [
        "The shipped encoder is trained on these 30 phrases and on simulated people together (one seed), since an "
        "encoder of one speaker alone is blind on everyone else. These are clips that it wasn't trained on: the "
        "rendered people are new to it, the GRID phrases too, but not their speaker. Its recipe was chosen on other "
        "rendered people, and after figures on these phrases had been seen. FMR and FNMR are at its default "
        f"operating point (`{default}`, one take enrolled): impostor pairs accepted and genuine pairs rejected. Its "
        "threshold rests on both sets together, most of whose genuine pairs are GRID's.",
        "",
        "| clips | prevalence | average precision | peak F1 | EER | FMR | FNMR |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {own['prevalence']:.3f} | {own['AP']:.3f} | {own['peak F1']:.3f} | {own['EER']:.3f} "
            f"| {rate(own['rates'][default]['FMR'])} | {rate(own['rates'][default]['FNMR'])} |"
            for name, own in measured.items()
            if name != "milliseconds for 3 s"
        ),
    ]


def show(name: str):
    def progress(step: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"{name}: step {step}, loss {loss:.3f}", flush=True)

    return progress


if __name__ == "__main__":
    main()
