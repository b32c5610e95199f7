"""How many screens, projections, prints and masks pass for people, and how many people pass for these.

    python benchmarks/screens.py DATA RENDERED --cache CACHE [--write]
    python benchmarks/screens.py --write

DATA holds grid_s1, grid_faces and grid_people, RENDERED a folder of folders of clips of rendered people. Each clip is
filmed again in each way (`screen_films.py`); what the detector reads in each film goes into docs/results/screens.json.
With --write the figures go into docs/results/security.md: each person is judged by a model that doesn't know their
genuine clips, and attacks on those alone count whom nothing was fitted to. `python -m tools.release_screens` makes the
model that ships.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from screen_clips import ATTACKS, GENUINE, Noted, ScreenClips
from screen_fit import judged
from sections import write_section

from facemotion.frontend import Frontend
from facemotion.presentation.signs import SIGNS, read_signs

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
RESULTS = PAGE.with_name("screens.json")
REPLICATES = 2000
HELD_OUT = "projection"
"""The kind of attack to which nothing was fitted."""
Row = dict[str, Any]


def measured(noted: Noted, frontend: Frontend) -> Row:
    """One row of screens.json: whose clip it is, what was done to it, its signs, and whether it gets so far."""
    settings = frontend.settings
    own = frontend.extractor.own_motion(noted.points, noted.times)
    refused = "NoFaceError" if noted.face_share < settings.face.min_face_share else ""
    if not refused and own < settings.quality.min_own_motion:
        refused = "RigidMotionError"
    source = noted.source
    about = {"part": source.part, "person": source.person, "real": source.real, "family": noted.family}
    signs = [round(float(value), 3) for value in read_signs(noted.traces)]
    return about | {"refused": refused, "signs": signs}


def table(rows: Sequence[Row], scores: np.ndarray) -> str:
    """APCER by kind of attack and BPCER by kind of film."""
    lines = [
        "| attack, filmed by simulation | films, people | refused before | suspected | pass, of all (APCER) "
        "| of those of real people |",
        "|---|---|---|---|---|---|",
    ]
    for family in ATTACKS:
        chosen = [k for k, row in enumerate(rows) if row["family"] == family and row["part"] == "report"]
        real = [k for k in chosen if rows[k]["real"]]
        before = sum(bool(rows[k]["refused"]) for k in chosen)
        suspected = sum(not rows[k]["refused"] and scores[k] >= 0 for k in chosen)
        name = family + (", fitted to nothing" if family == HELD_OUT else "")
        passing = [_share(rows, some, lambda k: not rows[k]["refused"] and scores[k] < 0) for some in (chosen, real)]
        lines.append(f"| {name} | {_count(rows, chosen)} | {before} | {suspected} | {passing[0]} | {passing[1]} |")
    lines += ["", "| genuine | films, people | called an attack (BPCER) |", "|---|---|---|"]
    for real, who in ((True, "real people"), (False, "rendered people")):
        for family in (*GENUINE, ""):
            chosen = [
                k
                for k, row in enumerate(rows)
                if row["real"] is real and row["family"] in ((family,) if family else GENUINE)
            ]
            name = f"{who}, {family}" if family else f"**{who}, all**"
            lines.append(f"| {name} | {_count(rows, chosen)} | {_share(rows, chosen, lambda k: scores[k] >= 0)} |")
    return "\n".join(lines)


def _count(rows: Sequence[Row], chosen: Sequence[int]) -> str:
    return f"{len(chosen)}, {len({rows[k]['person'] for k in chosen})}"


def _share(rows: Sequence[Row], chosen: Sequence[int], hit: Any) -> str:
    """A share with its 95% interval over people; where nobody, or everybody, is hit, what so many people can tell."""
    people: dict[str, list[bool]] = {}
    for k in chosen:
        people.setdefault(rows[k]["person"], []).append(bool(hit(k)))
    if not people:
        return "-"
    sums = np.array([[sum(hits), len(hits)] for hits in people.values()], float)
    share, count = sums[:, 0].sum() / sums[:, 1].sum(), len(people)
    bound = 1 - 0.05 ** (1 / count)
    if share in (0, 1):
        low, high = (0.0, bound) if share == 0 else (1 - bound, 1.0)
    else:
        drawn = np.random.default_rng(0).integers(0, count, (REPLICATES, count))
        totals = sums[drawn].sum(axis=1)
        low, high = np.percentile(totals[:, 0] / totals[:, 1], [2.5, 97.5])
    return f"{share:.1%} ({low:.1%} to {high:.1%})"


def main() -> int:
    """Film and look where folders are given; judge, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("rendered", type=Path, nargs="?")
    parser.add_argument("--cache", type=Path, default=Path("screens"))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.data and given.rendered:
        clips, rows = ScreenClips(given.data, given.rendered, given.cache), []
        for noted in clips.all():
            rows.append(measured(noted, clips.frontend))
            if len(rows) % 40 == 0:
                print(len(rows), "films,", round(time.process_time()), "s", flush=True)
        kept = {"signs": [sign.name for sign in SIGNS], "films": rows}
        text = json.dumps(kept, sort_keys=True).replace('{"family"', '\n{"family"')
        RESULTS.write_text(text + "\n", "utf-8")
    films = json.loads(RESULTS.read_text("utf-8"))["films"]
    text = table(films, judged(films))
    print(text)
    if given.write:
        write_section(PAGE, "screens", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
