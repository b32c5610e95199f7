"""The shipped encoder on clips that it wasn't trained on: figures, and operating points by number of takes.

    python benchmarks/operating_points.py GRID/manifest.csv RENDERED/manifest.csv --spoken PHRASES/manifest.csv \
        --cache CACHE [--write]

The clips are other phrases of GRID s1, the same phrases by speakers who weren't trained on, of whom lips alone were
recorded (an import of GRID, `facemotion data complete`), and other rendered people. Their features must lie in the
cache (`facemotion features MANIFEST --cache CACHE`). The thresholds are found for each number of takes that all sets
allow; the table says what those of one take would do to templates of more. With --write the figures go into
docs/results/operating_points.json, README.md and docs/results/security.md; tools/release_figures.py puts them on the
encoder's card.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from figures import figures, rate, rates
from sections import write_section

from facemotion.config import Settings, read_toml
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import Manifest, read_manifest
from facemotion.encoder import Encoder
from facemotion.evaluation.trials import join_trials, most_takes, score_pairs, select_trials, template_trials
from facemotion.models import Models
from facemotion.thresholds import find_operating_points
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.types import ClipRecord, FeatureSequence, FloatArray, OperatingPoint, ScoredTrials

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
FMRS = (1e-1, 5e-2, 2e-2, 1e-2)
RECIPE = ROOT / "configs" / "shipped.toml"
FILMED = "s1"  # the speaker whose other phrases are trained on
SPOKEN_TAKES = 10  # of each phrase of each speaker
SOURCE = (
    "14 phrases of GRID by s1 (whose other phrases were trained on) and by four speakers never seen (lips alone), "
    "and rendered people (simulated, not real), all pairs; the threshold was chosen on these very trials"
)
Embedded = tuple[FloatArray, Sequence[ClipRecord]]


def trials_of(sets: Sequence[Embedded], takes: int) -> ScoredTrials:
    """Trials of several sets of clips, which never meet each other, with templates of so many takes."""
    everyone = [record for _, records in sets for record in records]
    return join_trials([template_trials(vectors, records, takes, "all", everyone) for vectors, records in sets])


def points_for_sets(sets: Sequence[Embedded], most: int, fmrs: Sequence[float] = FMRS) -> list[OperatingPoint]:
    """The points of wanted FMRs for one take and for each number that every set allows."""
    most = min([most, *(most_takes(records) for _, records in sets)])
    return [
        point
        for takes in range(1, most + 1)
        for point in find_operating_points(trials_of(sets, takes), fmrs, SOURCE, takes)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, help="manifest of GRID s1; its split `test` is measured")
    parser.add_argument("rendered", type=Path, help="manifest of rendered people")
    parser.add_argument("--spoken", type=Path, required=True, help="manifest of the import of GRID's phrases")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    settings, models = Settings(), Models.shipped()
    name = settings.verifier.encoder
    encoder = Encoder.load(name, models)
    cache = FeatureCache(given.cache, encoder.frontend_id)
    sets: list[Embedded] = []
    filmed = read_manifest(given.grid).select(split="test")
    for manifest in (filmed, never_seen(read_manifest(given.spoken), filmed), read_manifest(given.rendered)):
        acquired, clips = read_features(cache, manifest)
        sets.append((np.stack([encoder(clip).vector for clip in clips]), acquired.records))
    points = points_for_sets(sets, settings.verifier.max_takes)
    result = {
        "model": name,
        "sha256": models.card(name).sha256,
        "figures": measure(sets, points) | {"milliseconds for 3 s": round(milliseconds(encoder, clips[0]), 2)},
        "operating_points": [dataclasses.asdict(point) for point in points],
        "default_point": points[1].name,
    }
    head = (
        "point",
        "takes",
        "threshold",
        "FMR",
        "FNMR",
        "genuine, impostor trials",
        "FMR, FNMR by one take's threshold",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    single = {point.name: point.threshold for point in points if point.takes == 1}
    for point in points:
        trials = trials_of(sets, point.takes)
        passing = trials.scores >= single[point.name]
        other = f"{passing[~trials.labels].mean():.2%}, {1 - passing[trials.labels].mean():.1%}"
        lines.append(
            f"| {point.name} | {point.takes} | {point.threshold:.3f} | {point.fmr:.2%} | {point.fnmr:.1%} "
            f"| {point.genuine_trials}, {point.impostor_trials} | {other} |"
        )
    table = "\n".join(lines)
    print(table)
    if given.write:
        (RESULTS / "operating_points.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        write_section(RESULTS / "security.md", "points", table)
        write_section(ROOT / "README.md", "shipped", readme(result["figures"], result["default_point"]))


def never_seen(spoken: Manifest, filmed: Manifest) -> Manifest:
    """Takes of the phrases of `filmed` by the speakers whom the recipe leaves out: neither was trained on."""
    left_out = read_toml(TrainingSettings, RECIPE).sources[1].without_subjects
    phrases = {record.motion for record in filmed.records}
    taken: Counter[tuple[str, str]] = Counter()
    kept = []
    for record in spoken.records:
        if record.subject in left_out and record.subject != FILMED and record.motion in phrases:
            taken[record.subject, record.motion] += 1
            if taken[record.subject, record.motion] <= SPOKEN_TAKES:
                kept.append(record)
    return dataclasses.replace(spoken, records=tuple(kept))


def measure(sets: Sequence[Embedded], points: Sequence[OperatingPoint]) -> dict[str, dict[str, object]]:
    """Figures of each set of pairs, and its rates at the operating points of one take."""
    everyone = [record for _, records in sets for record in records]
    phrases, spoken, rendered = sets
    everybody = score_pairs(*spoken, "all", everyone)
    others = everybody.subjects[:, 0] != everybody.subjects[:, 1]
    names = {
        number: motion for number, (_, motion) in enumerate(dict.fromkeys((r.subject, r.motion) for r in everyone))
    }
    same = np.array([names[one] == names[other] for one, other in everybody.motions.tolist()])
    trials = {
        "real: GRID s1, other phrases than those trained on": score_pairs(*phrases, "all", everyone),
        "real: four speakers and phrases never seen, within a person": select_trials(everybody, ~others),
        "the same, another person says the same phrase": select_trials(everybody, everybody.labels | (others & same)),
        "the same, another person says another phrase": select_trials(everybody, everybody.labels | (others & ~same)),
        "simulated: rendered people, within a person": score_pairs(*rendered, "within-subject", everyone),
        "simulated: rendered people, all pairs": score_pairs(*rendered, "all", everyone),
    }
    single = [point for point in points if point.takes == 1]
    found: dict[str, dict[str, object]] = {}
    for title, own in trials.items():
        measured = figures([own])
        found[title] = {key: measured[key] for key in ("AP", "prevalence", "peak F1", "EER", "genuine", "impostor")}
        found[title]["rates"] = {point.name: rates(own, point.threshold) for point in single}
    return found


def milliseconds(encoder: Encoder, clip: FeatureSequence, repeats: int = 50) -> float:
    """Median wall time of encoding a 3-s clip on one thread."""
    values = np.resize(clip.values, (76, clip.values.shape[1])).astype(np.float32)
    clip = FeatureSequence(values, np.arange(76) / 25, clip.frontend_id)
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        encoder(clip)
        spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent)


def readme(measured: dict[str, dict[str, object]], default: str) -> str:
    """The table of the shipped encoder."""
    lines = [
        "The shipped encoder wasn't trained on these clips. The four speakers and their phrases were left out of all "
        "training. Only their lips were recorded; the mesh is drawn from them. FMR is the share of impostor trials "
        "accepted, FNMR the share of genuine trials rejected. Both are at the default operating point "
        f"(`{default}`, one take enrolled), whose threshold lets {float(default.removeprefix('fmr-')):.1%} of the "
        "impostor trials of all sets together pass. The simulated people make facial motions. The real people speak, "
        "since no facial motions of real people are at hand.",
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
    return "\n".join(lines)


if __name__ == "__main__":
    main()
