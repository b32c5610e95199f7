"""What of the mesh's answer to rendered people do the head's own points explain, and what does a fitted answer?

    python benchmarks/response.py PEOPLE/manifest.csv OTHERS/manifest.csv --cache features [--write]

Both are data sets of `facemotion synth dataset` whose mesh features are in the cache; an answer is fitted on the first
(`facemotion train response`). Gives, for either set, the share of how features move within a clip that is explained;
with --write the table goes into docs/explanation/synth.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sections import write_section

from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.features import MESH, load_extractor
from facemotion.models import Models
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.head import IDENTITIES
from facemotion.synth.points.response import fit_response, read_causes
from facemotion.synth.points.simulate import HeadPoints
from facemotion.types import FloatArray

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "synth.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("people", type=Path, help="manifest that the answer is fitted on")
    parser.add_argument("others", type=Path, help="manifest of other people")
    parser.add_argument("--cache", type=Path, default=Path("features"), help="feature cache")
    parser.add_argument("--write", action="store_true", help="write the table into docs/explanation/synth.md")
    given = parser.parse_args()
    cache = FeatureCache(given.cache, load_extractor(MESH, Models.configured()).frontend_id)
    response, explained = fit_response(given.people, given.cache, cache.frontend_id)
    head = HeadPoints(Assets.find())
    columns, rows = [], []
    for manifest in (given.people, given.others):
        causes, own, seen, clips, people = centred(manifest, cache, head)
        factor = float((own * seen).sum() / np.square(own).sum())
        columns.append(f"{people} people, {clips} clips")
        rows.append((share(seen, own), share(seen, factor * own), factor, share(seen, causes @ response.usual)))
    first, second = rows
    table = [
        f"| explained | {columns[0]} | {columns[1]} |",
        "|---|---|---|",
        f"| by the head's own points | {first[0]:.2f} | {second[0]:.2f} |",
        f"| ... made smaller by the one factor that fits best ({first[2]:.2f}, {second[2]:.2f}) "
        f"| {first[1]:.2f} | {second[1]:.2f} |",
        "| by one linear answer to the weights of the shapes and the head's turn, fitted on the first "
        f"| {first[3]:.2f} | {second[3]:.2f} |",
        "",
        f"An answer fitted on half of the first people explains {explained.of_new_people:.2f} of the clips of the",
        "other half. If each person's own addition is fitted too, on half of their clips, the answer explains",
        f"{explained.of_their_own:.2f} of their other clips.",
        f"The remaining error lasts {response.seconds:.2f} s.",
    ]
    print("\n".join(table))
    if given.write:
        write_section(PAGE, "response", "\n".join(table))


def centred(
    manifest: Path, cache: FeatureCache, head: HeadPoints
) -> tuple[FloatArray, FloatArray, FloatArray, int, int]:
    """Causes (T, C), the head's own points and features (T, D) of all frames, each less the mean of its clip;
    numbers of clips and people."""
    acquired, sequences = read_features(cache, read_manifest(manifest))
    average = head.body(np.zeros(IDENTITIES, np.float32))
    causes, points, seen = [], [], []
    for record, sequence in zip(acquired.records, sequences, strict=True):
        own = read_causes(manifest, record, sequence.times)
        causes.append(own - own.mean(axis=0))
        shown = head.features(average, own[:, :-3]).reshape(len(own), -1)
        points.append(shown - shown.mean(axis=0))
        seen.append(sequence.values - sequence.values.mean(axis=0))
    people = len({record.subject for record in acquired.records})
    return np.concatenate(causes), np.concatenate(points), np.concatenate(seen), len(sequences), people


def share(seen: FloatArray, told: FloatArray) -> float:
    """Share of the variance of (T, D) that is explained by another."""
    return float(1 - np.square(seen - told).sum() / np.square(seen).sum())


if __name__ == "__main__":
    main()
