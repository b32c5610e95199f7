"""Clips of two people, one after the other, against clips of one: do the frames of a face hold together?

    python benchmarks/two_people.py DATA SIMULATED --cache CACHE [--write]

DATA holds grid_s1, grid_people and grid_faces; SIMULATED is a data set of simulated people with films, who make facial
motions and turn their heads. Each speaker's sentence is cut in the middle and goes on as another speaker's, in the same
studio's light. Slower cameras are the same clips without some of their frames. With --write the table goes into
docs/results/security.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from numpy.typing import NDArray
from replay_changes import Shown
from replay_clips import ReplayClips, Take
from replay_simulated import simulated_takes
from sections import write_section

from facemotion.service.replays.recording import SLOW_RATE, SLOWER, STRANGER_SECONDS
from facemotion.service.replays.surface import SurfaceTaker, stranger_seconds
from facemotion.service.settings import ReplaySettings
from facemotion.signals import RATE, Times

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
SAME = ("id2_vcd_swwp2s.mpg", "pwij3p.mpg")
"""Of the folder of people, sentences of s2, who is also in grid_faces."""
EVERY = (1, 2, 3)
"""One frame of so many is left: cameras of 25, 12.5 and 8.3 frames/s."""
SENTENCES = 20
"""Of each of s2 and s4."""
Pictures = NDArray[np.float32]


def joined(clips: ReplayClips, one: Shown, other: Shown) -> tuple[Pictures, Times]:
    """How the face looks in the first half of a clip and the second half of another, and when."""
    half = len(one.frames) // 2
    rest = Shown(other.frames[half:], other.times[half:])
    film = Shown(one.frames[:half], one.times[:half]).followed(rest)
    taker = SurfaceTaker(clips.geometry)
    seen = clips.frontend.watch(list(zip(film.frames, film.times, strict=True)), watcher=taker)
    return taker.pictures(seen.times[seen.used]), seen.times[seen.used]


def row(name: str, some: Sequence[tuple[Pictures, Times]], one_face: float) -> str:
    """A line of the table."""
    cells = []
    for every in EVERY:
        least = one_face - SLOWER * (RATE / every < SLOW_RATE)
        seconds = [stranger_seconds(pictures[::every], times[::every], least) for pictures, times in some]
        refused = sum(each >= STRANGER_SECONDS for each in seconds)
        cells.append(f"{refused} ({refused / len(some):.1%})")
    return f"| {name} | {len(some)} | {' | '.join(cells)} |"


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("simulated", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    clips, one_face = ReplayClips(given.data, given.cache), ReplaySettings().one_face

    def surfaces(takes: Sequence[Take]) -> list[tuple[Pictures, Times]]:
        return [(seen.surface, seen.features.times) for seen in clips.all_seen(takes)]

    speakers = [Take(path) for path in sorted((given.data / "grid_people").glob("*.mpg")) if path.name not in SAME]
    speakers += [sentences[0] for sentences in clips.sentences]
    shown = [speaker.shown() for speaker in speakers]
    of_two = [joined(clips, one, other) for one in shown for other in shown if one is not other]
    sentences = [take for some in clips.sentences for take in some[:SENTENCES]]
    lines = [
        "| clips | number | refused at 25 frames/s | at 12.5 frames/s | at 8.3 frames/s |",
        "|---|---|---|---|---|",
        row("s1, phrases of about a second", surfaces([take for takes in clips.report for take in takes]), one_face),
        row("s2 and s4, sentences of 3 s", surfaces(sentences), one_face),
        row("other speakers, a sentence each", surfaces(speakers), one_face),
        row(
            "simulated people",
            surfaces([take for takes in simulated_takes(given.simulated) for take in takes]),
            one_face,
        ),
        row("**two speakers, half a sentence each**", of_two, one_face),
    ]
    table = "\n".join(lines)
    print(table)
    if given.write:
        write_section(PAGE, "two people", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
