"""Whether the shape of the face alone tells a replay whose picture drifts from a genuine take.

    python benchmarks/replay_shapes.py DATA SIMULATED [--cache CACHE] [--write]

A picture that sways, turns, zooms, shears or leans slowly adds a course of its own to where landmarks lie, and the
service's rule then recognises no replay. The course of the shape leaves out what a shift, turn, zoom or shear does to
landmarks. Its directions are those in which takes move most next to what coding and drifts do, on the clips that
`tools/replay_directions.py` fits on. DATA is the folder of `benchmarks/replays.py`, SIMULATED one of the data engine
with manifest.csv. The first run takes ten minutes of one core. With --write the table goes into
docs/results/security.md and the figures into docs/results/replay_shapes.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # what is fitted here is fitted as by the tool

import numpy as np
from numpy.typing import NDArray
from replay_changes import CHANGES, FITTED
from replay_clips import FIT_TAKES, ReplayClips, Seen, Take
from replays import REPLAYED
from sections import write_section
from tools.replay_directions import CODED, fit

from facemotion.data.manifest import read_manifest
from facemotion.service.guard.likeness import RIDGE, filtered, likenesses, placed
from facemotion.signals import resample
from facemotion.types import FloatArray

RESULTS = ROOT / "docs" / "results"
Floats = NDArray[np.float64]
WANDERS = "cropped by a cut that wanders"
DRIFTS = (WANDERS, *(name for name, change in CHANGES.items() if change.drift))
HARDEST = (WANDERS, "all of these")
"""Of whole sentences and simulated takes these alone are replayed."""
COUNT = 10
"""Directions."""
DRIFT_WEIGHT = 3.0
"""How many times what a drift does counts beside coding."""
SHAPE_RIDGE = 3.0
"""As RIDGE of the service: with less, coding drowns what the last directions tell."""
SENTENCES, PEOPLE, MOTIONS, TAKES = 5, 10, 2, 4
"""Sentences of a speaker that are replayed; simulated people, motions of each and takes of each that are used."""
EXCERPTS = (0.3, 0.9, 1.5, 2.1)
EXCERPT_SECONDS = 1.2
"""Where parts of simulated takes begin, and how long they are: as long as a clip of a phrase."""
THRESHOLDS = (0.75, 0.8, 0.825, 0.85, 0.865, 0.875, 0.9, 0.925)


class Shapes:
    """Courses of the shape.

    Args:
        clips: some of which they are fitted on.
    """

    def __init__(self, clips: ReplayClips) -> None:
        takes = [take for phrase in clips.fit for take in phrase[:FIT_TAKES]] + clips.fit_people
        changed = [phrase[FIT_TAKES - 1] for phrase in clips.fit] + clips.fit_people
        coding, drifts = (
            _covariance(_apart(clips.seen(take), clips.seen(take, name)) for take in changed for name in names)
            for names in (CODED, (*FITTED, WANDERS))
        )
        moving = _covariance(_centred(_course(clips.seen(take))) for take in takes)
        places = np.mean([_course(clips.seen(phrase[0])).mean(axis=0) for phrase in clips.fit], axis=0)
        rest = without_moves(places)
        noise = rest.T @ (coding + DRIFT_WEIGHT * drifts) @ rest
        # Likenesses of the service even out what exceeds RIDGE; a longer course makes that SHAPE_RIDGE.
        longer = (RIDGE / SHAPE_RIDGE) ** 0.5
        self._matrix = (longer * rest @ fit(noise, rest.T @ moving @ rest)[:, :COUNT]).astype(np.float32)

    def course(self, seen: Seen, begin: float = 0.0, end: float = np.inf) -> FloatArray:
        """(L, COUNT) float32 of a take, or of some seconds of it."""
        times = seen.features.times
        chosen = (times >= begin) & (times < end)
        return filtered(resample(placed(seen.points[chosen]), times[chosen]) @ self._matrix)


def without_moves(places: Floats) -> Floats:
    """What shifts, turns, zooms and shears leave as it is.

    Args:
        places: (2N,) means of landmarks.
    Returns:
        (2N, 2N - 6) an orthonormal basis.
    """
    across, down = places.reshape(-1, 2).T
    moves = [np.kron(along, side) for along in (np.ones(len(across)), across, down) for side in np.eye(2)]
    base, _ = np.linalg.qr(np.stack(moves, axis=1), mode="complete")
    return base[:, len(moves) :]


def genuine(groups: Iterable[Sequence[FloatArray]]) -> dict[str, Any]:
    """Takes of one motion, each compared with the earlier ones."""
    found = [likenesses(one, takes[:number]) for takes in groups for number, one in enumerate(takes) if number]
    pairs, largest = np.concatenate(found), np.array([one.max() for one in found])
    return {
        "pairs": len(pairs),
        "median": round(float(np.median(pairs)), 3),
        "largest": round(float(pairs.max()), 3),
        "takes": len(largest),
        "called": [int((largest >= threshold).sum()) for threshold in THRESHOLDS],
    }


def replayed(clips: ReplayClips, shapes: Shapes, takes: Sequence[Take], name: str) -> dict[str, Any]:
    """Replays, each compared with its original."""
    both = [(clips.seen(take), clips.seen(take, name)) for take in takes]
    values = np.array(
        [likenesses(shapes.course(again), [shapes.course(first)])[0] for first, again in both if first and again]
    )
    return {
        "replays": len(values),
        "least": round(float(values.min()), 3),
        "median": round(float(np.median(values)), 3),
        "missed": [int((values < threshold).sum()) for threshold in THRESHOLDS],
    }


def simulated_takes(folder: Path) -> list[list[Take]]:
    """Takes of some motions of some simulated people, motion by motion."""
    manifest, found = read_manifest(folder / "manifest.csv"), {}
    for record in manifest.records:
        found.setdefault(record.subject, {}).setdefault(record.motion, []).append(Take(manifest.file(record)))
    people = [found[subject] for subject in sorted(found)]
    chosen = [list(motions.values())[:MOTIONS] for motions in people[:: -(-len(people) // PEOPLE)]]
    return [takes[:TAKES] for motions in chosen for takes in motions if len(takes) >= TAKES]


def _parts(shapes: Shapes, takes: Sequence[Seen]) -> list[list[FloatArray]]:
    """The same seconds of each of these takes, for each place where all of them last long enough."""
    shortest = min(seen.features.times[-1] for seen in takes)
    begins = [begin for begin in EXCERPTS if begin + EXCERPT_SECONDS < shortest]
    return [[shapes.course(seen, begin, begin + EXCERPT_SECONDS) for seen in takes] for begin in begins]


def _covariance(courses: Iterable[Floats]) -> Floats:
    joined = np.concatenate(list(courses))
    return joined.T @ joined / len(joined)


def _course(seen: Seen | None) -> Floats:
    if seen is None:
        raise SystemExit("A clip to fit shows no face; this front end can't be fitted.")
    return resample(placed(seen.points), seen.features.times).astype(np.float64)


def _centred(course: Floats) -> Floats:
    return course - course.mean(axis=0)


def _apart(original: Seen | None, replay: Seen | None) -> Floats:
    one, other = _course(original), _course(replay)
    length = min(len(one), len(other))
    return _centred(other[:length] - one[:length])


def table(results: dict[str, Any]) -> str:
    """The section of the page."""
    steps = " | ".join(f"{threshold:g}" for threshold in THRESHOLDS)
    lines = [f"| genuine takes, called replays from | takes | median, largest of pairs | {steps} |"]
    lines.append("|---" * (3 + len(THRESHOLDS)) + "|")
    for name, row in results["genuine"].items():
        cells = " | ".join(f"{called / row['takes']:.1%}" for called in row["called"])
        lines.append(f"| {name} | {row['takes']} | {row['median']:.2f}, {row['largest']:.2f} | {cells} |")
    lines += ["", f"| replays, missed below | number | least, median | {steps} |"]
    lines.append("|---" * (3 + len(THRESHOLDS)) + "|")
    for name, row in results["replays"].items():
        cells = " | ".join(f"{missed / row['replays']:.0%}" for missed in row["missed"])
        lines.append(f"| {name} | {row['replays']} | {row['least']:.2f}, {row['median']:.2f} | {cells} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    clips = ReplayClips(given.data, given.cache)
    shapes, simulated = Shapes(clips), simulated_takes(given.simulated)

    def seen(groups: Sequence[Sequence[Take]]) -> list[list[Seen]]:
        return [[one for take in takes if (one := clips.seen(take)) is not None] for takes in groups]

    def courses(groups: Sequence[Sequence[Take]]) -> list[list[FloatArray]]:
        return [[shapes.course(one) for one in takes] for takes in seen(groups)]

    of_simulated = seen(simulated)
    takes = [phrase[number] for phrase in clips.report for number in REPLAYED]
    sentences = [take for speaker in clips.sentences for take in speaker[:SENTENCES]]
    last = [takes[-1] for takes in simulated]
    results: dict[str, Any] = {
        "thresholds": THRESHOLDS,
        "genuine": {
            "s1, 22 other phrases": genuine(courses(clips.choose)),
            "s1, 14 phrases of about a second": genuine(courses(clips.report)),
            "s2 and s4, sentences of 3 s": genuine(courses(clips.sentences)),
            "simulated people, whole takes": genuine([[shapes.course(one) for one in takes] for takes in of_simulated]),
            "simulated people, 1.2 s of each": genuine([p for takes in of_simulated for p in _parts(shapes, takes)]),
        },
        "replays": {
            **{f"s1: {name}": replayed(clips, shapes, takes, name) for name in DRIFTS},
            **{f"s2 and s4: {name}": replayed(clips, shapes, sentences, name) for name in HARDEST},
            **{f"simulated people: {name}": replayed(clips, shapes, last, name) for name in HARDEST},
        },
    }
    text = table(results)
    print(text)
    if given.write:
        write_section(RESULTS / "security.md", "shapes", text)
        (RESULTS / "replay_shapes.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
