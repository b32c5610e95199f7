"""The operating points of the shipped encoder, for one clip against another and for templates of two and more takes.

    python benchmarks/operating_points.py GRID/manifest.csv RENDERED/manifest.csv --cache CACHE [--write] [--card]

Embeds clips that the encoder wasn't trained on (other phrases of GRID s1, and other rendered people), finds the
thresholds for each number of takes that both allow, and says what those of one take would do to templates of more. The
features must lie in the cache (`facemotion features MANIFEST --cache CACHE`). With --write the table goes into
docs/results/security.md, with --card the points into the encoder's card (cards.toml); `benchmarks/grid.py` finds the
same points when it ships an encoder.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tomlkit
from sections import write_section

from facemotion.config import Settings
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.encoder import Encoder
from facemotion.evaluation.trials import join_trials, most_takes, template_trials
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_CARDS
from facemotion.thresholds import calibrate
from facemotion.types import ClipRecord, FloatArray, OperatingPoint, ScoredTrials

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
FMRS = (1e-1, 5e-2, 2e-2, 1e-2)
SOURCE = (
    "14 phrases of GRID s1 (one real speaker) and rendered people (simulated, not real), none of them trained on, all "
    "pairs; the threshold was chosen on these very trials"
)
Embedded = tuple[FloatArray, Sequence[ClipRecord]]


def trials_of(sets: Sequence[Embedded], takes: int) -> ScoredTrials:
    """Trials of several sets of clips, which never meet each other, with templates of so many takes."""
    everyone = [record for _, records in sets for record in records]
    return join_trials([template_trials(vectors, records, takes, "all", everyone) for vectors, records in sets])


def find_points(sets: Sequence[Embedded], most: int, fmrs: Sequence[float] = FMRS) -> list[OperatingPoint]:
    """The points of wanted FMRs for one take and for each number that every set allows."""
    most = min([most, *(most_takes(records) for _, records in sets)])
    return [point for takes in range(1, most + 1) for point in calibrate(trials_of(sets, takes), fmrs, SOURCE, takes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--fmr", type=float, action="append", help="default: those of the card")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--card", action="store_true", help="only for both sets, which the card's words speak of")
    given = parser.parse_args()
    settings = Settings()
    name = settings.verifier.encoder
    encoder = Encoder.load(name, Models.configured())
    cache = FeatureCache(given.cache, encoder.frontend_id)
    sets = []
    for path in given.manifests:
        manifest = read_manifest(path)
        if any(record.split == "test" for record in manifest.records):
            manifest = manifest.select(split="test")
        acquired, clips = read_features(cache, manifest)
        sets.append((np.stack([encoder(clip).vector for clip in clips]), acquired.records))
    points = find_points(sets, settings.verifier.max_takes, given.fmr or FMRS)
    head = (
        "point",
        "takes",
        "threshold",
        "FMR",
        "FNMR",
        "genuine, impostor trials",
        "FMR, FNMR by one take's threshold",
    )
    lines = [f"Measured on {' and '.join(path.parent.name for path in given.manifests)}.", ""]
    lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
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
        write_section(PAGE, "points", table)
    if given.card:
        cards = tomlkit.parse(SHIPPED_CARDS.read_text("utf-8"))
        cards[name]["operating_points"] = tomlkit.item([dataclasses.asdict(point) for point in points])
        SHIPPED_CARDS.write_text(tomlkit.dumps(cards), "utf-8")
        print(f"Written to the card of {Models.configured().card(name).model_id}.")


if __name__ == "__main__":
    main()
