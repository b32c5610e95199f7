"""Scores of a face recogniser on different people and on takes of one person; its operating points.

    python benchmarks/appearance.py DATA ASSETS [--recogniser sface] [--config FILE] [--every 12] [--write]

DATA holds grid_s1 and grid_people (see docs/reference/data.md), ASSETS the portraits. `--write` puts the figures into
docs/how-to/appearance.md, between the marks of this script, and the operating points into docs/results/appearance.json;
tools/release_figures.py puts them on the recogniser's card.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
from other_speakers import clips_of_speakers
from PIL import Image

from facemotion.appearance import SIZE, Portraits, Recogniser, alignment
from facemotion.config import load_settings
from facemotion.face import BlazeFace, FaceTracker, look_at
from facemotion.frontend import LOOK_EVERY
from facemotion.media import read_frames
from facemotion.media.warp import warp
from facemotion.models import Models
from facemotion.thresholds import find_operating_points
from facemotion.types import OperatingPoint, ScoredTrials

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "how-to" / "appearance.md"
RESULTS = ROOT / "docs" / "results" / "appearance.json"
BEGIN, END = "<!-- figures: begin, written by benchmarks/appearance.py -->", "<!-- figures: end -->"
FMRS = (1e-2, 1e-3)


def best_pictures(path: Path, detector: BlazeFace, settings) -> np.ndarray:
    portraits, tracker = Portraits(), FaceTracker(settings.face)
    for number, (frame, seconds) in enumerate(read_frames(path, settings.media)):
        if number % LOOK_EVERY == 0 and (face := tracker.push(detector.detect(frame), seconds)) is not None:
            portraits.push(frame, face.keypoints, look_at(frame, face.box).sharpness)
    return portraits.best()


def still(path: Path, detector: BlazeFace) -> np.ndarray | None:
    frame = np.asarray(Image.open(path).convert("RGB"))
    found = detector.detect(frame)
    if len(found) == 0:
        return None
    largest = int(np.argmax(np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)))
    return warp(frame, alignment(found.keypoints[largest]), SIZE)[None]


def pairs(people: dict[str, list[np.ndarray]]) -> ScoredTrials:
    """All pairs of takes of one person; one take of each two people, so that no person outweighs the others."""
    scores, labels, sides = [], [], []
    names = list(people)
    for i, name in enumerate(names):
        takes = np.stack(people[name])
        for k, score in enumerate(takes @ takes.T):
            scores += score[k + 1 :].tolist()
            labels += [True] * (len(takes) - k - 1)
            sides += [(i, i)] * (len(takes) - k - 1)
        for j in range(i):
            scores.append(float(takes[0] @ people[names[j]][0]))
            labels.append(False)
            sides.append((i, j))
    truth = np.array(labels)
    subjects = np.array(sides, np.int32)
    return ScoredTrials(np.array(scores, np.float32), truth, np.where(truth, 0, 2).astype(np.uint8), subjects, subjects)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("assets", type=Path)
    parser.add_argument("--recogniser", default="sface")
    parser.add_argument("--config", type=Path, default=None)
    parser.add_argument("--every", type=int, default=12, help="take every n-th clip of grid_s1")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    settings = load_settings(arguments.config)
    detector = BlazeFace(Models.of(settings.runtime), settings.face)
    recogniser = Recogniser.load(arguments.recogniser, Models.of(settings.runtime))
    people: dict[str, list[np.ndarray]] = {}

    def add(name: str, pictures: np.ndarray) -> None:
        people.setdefault(name, []).append(recogniser(pictures).vector)

    with (arguments.data / "grid_s1" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))[:: arguments.every]
    for row in rows:
        add("s1", best_pictures(arguments.data / "grid_s1" / row["path"], detector, settings))
    for path, speaker in clips_of_speakers(arguments.data / "grid_people").items():
        add(speaker, best_pictures(path, detector, settings))
    speakers = len(people)
    for path in sorted((arguments.assets / "portraits").glob("*.jpg")):
        if (picture := still(path, detector)) is not None:
            add(path.stem, picture)
    trials = pairs(people)
    source = (
        f"{speakers} speakers of the GRID corpus in one session each (genuine: {int(trials.labels.sum())} pairs of "
        f"clips, nearly all of one speaker) and {len(people) - speakers} generated portraits"
    )
    points = find_operating_points(trials, FMRS, source)
    grid = trials.subjects.max(1) < speakers
    genuine, impostor = trials.scores[trials.labels], trials.scores[~trials.labels]
    strangers = trials.scores[grid & ~trials.labels]
    lines = [
        f"| {arguments.recogniser} | cosine |",
        "|---|---|",
        f"| same person, other clip ({len(genuine)} pairs) "
        f"| lowest {genuine.min():.3f}, median {np.median(genuine):.3f} |",
        f"| two GRID speakers ({len(strangers)} pairs) | highest {strangers.max():.3f} |",
        f"| two people of any source ({len(impostor)} pairs) | highest {impostor.max():.3f} |",
    ]
    lines += [f"| threshold of `{p.name}` | {p.threshold:.3f}: FMR {p.fmr:.2%}, FNMR {p.fnmr:.2%} |" for p in points]
    print("\n".join(lines))
    if arguments.write:
        before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{rest.partition(END)[2]}", "utf-8")
        found = {
            "model": arguments.recogniser,
            "sha256": Models.of(settings.runtime).card(arguments.recogniser).sha256,
            "operating_points": [rounded(point) for point in points],
            "default_point": points[0].name,
        }
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def rounded(point: OperatingPoint) -> dict[str, object]:
    """An operating point with as many digits as its trials carry."""
    fields = dataclasses.asdict(point)
    del fields["takes"]  # a person's one picture against another
    return fields | {
        "threshold": round(point.threshold, 4),
        "fmr": round(point.fmr, 6),
        "fnmr": round(point.fnmr, 6),
    }


if __name__ == "__main__":
    main()
