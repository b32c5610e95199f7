"""Rest round the motion and slow cameras: what they do to the shipped encoder, on real recordings.

    python benchmarks/rest.py DATA/grid_s1/manifest.csv DATA/grid_faces --cache features [--write]

Two sets, each by what `facemotion bench real` measures: the test phrases of GRID s1, cut tight, with rest held round
them and frames left out; and whole sentences of two speakers, whose rest is real, for the sound tells when they speak.
They say a sentence once each, so that no trial is genuine: the cosine of a sentence with itself, cut tight, and
refusals count there. With --write the figures go into docs/results/rest.json and rest.md;
tools/release_figures.py holds them to the encoder that ships and puts them on its card.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from sections import write_section
from speech_spans import speech_span

from facemotion.bench.bench_page import markdown
from facemotion.bench.condition_figures import measure_conditions
from facemotion.bench.real_clips import RealBench
from facemotion.bench.seen_clips import see_clips
from facemotion.config import Settings
from facemotion.data.cache import SightingCache
from facemotion.data.manifest import Manifest, read_manifest
from facemotion.encoder import Encoder
from facemotion.frontend import Frontend
from facemotion.models import Models
from facemotion.types import ClipKind, ClipRecord, OperatingPoint
from facemotion.verifier import Verifier

PAGE = Path(__file__).parents[1] / "docs" / "results" / "rest.md"
RESULTS = PAGE.with_suffix(".json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both sets, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phrases", type=Path, help="manifest of GRID s1; its split `test` is measured")
    parser.add_argument("sentences", type=Path, help="folder of whole sentences, with clips.csv")
    parser.add_argument("--cache", type=Path, default=Path("features"), help="folder of the feature cache")
    parser.add_argument("--write", action="store_true", help="write docs/results/rest.json and rest.md")
    given = parser.parse_args(arguments)
    verifier = load_measured(Models.shipped(), RESULTS.with_name("operating_points.json"))
    sets = {
        "phrases": read_manifest(given.phrases).select(split="test"),
        "sentences": read_sentences(given.sentences),
    }
    card = Models.shipped().card(verifier.settings.verifier.encoder)
    results: dict[str, object] = {"model": card.name, "sha256": card.sha256}
    for name, clips in sets.items():
        bench = measure(clips, verifier, given.cache)
        results[name] = bench.to_json()
        print(f"{name}\n\n{markdown(bench)}", flush=True)
        if given.write:
            write_section(PAGE, name, markdown(bench))
    if given.write:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def load_measured(models: Models, operating_points: Path) -> Verifier:
    """The verifier that ships, by the operating points that were measured last; they go on the card with what is
    measured here.

    Raises:
        ValueError: they were measured on another file of the encoder.
    """
    settings, found = Settings(), json.loads(operating_points.read_text("utf-8"))
    if found["sha256"] != models.card(settings.verifier.encoder).sha256:
        raise ValueError(f"{operating_points.name} is about another encoder; run benchmarks/operating_points.py first")
    points = [OperatingPoint(**own) for own in found["operating_points"] if own["name"] == found["default_point"]]
    encoder = Encoder.load(settings.verifier.encoder, models)
    return Verifier(Frontend.load(settings), encoder, tuple(sorted(points, key=lambda point: point.takes)), settings)


def measure(clips: Manifest, verifier: Verifier, cache: Path) -> RealBench:
    """What `facemotion bench real` measures."""
    store = SightingCache(cache, verifier.frontend.extractor.frontend_id, verifier.settings)
    seen = list(see_clips(clips, verifier.settings, store))
    return RealBench.of(seen, verifier, measure_conditions(seen, verifier))


def read_sentences(folder: Path) -> Manifest:
    """Sentences of a folder with `clips.csv` (path, subject, sentence), marked where somebody speaks."""
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    records = tuple(
        ClipRecord(
            row["path"], row["subject"], row["sentence"], ClipKind.LIP, 0, 1, span=speech_span(folder / row["path"])
        )
        for row in rows
    )
    return Manifest(folder, records)


if __name__ == "__main__":
    main()
