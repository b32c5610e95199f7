"""docs/results/failures.md and paper_figures.md: which pairs fail in the best row of the tables, with pictures.

    python benchmarks/failed_pairs.py RUN --manifest synth59v2/manifest.csv --features synth59v2-features

RUN is a folder of `facemotion tables`. Of its rows the one with the highest average precision on facial motions is
taken, and the pairs of clips of one person are judged at the threshold of their EER. The clips are those of a simulated
set with its ground truth beside it, which says what went wrong in a take on purpose. Every failed pair is explained,
about 10 ms each. Writes both pages, their pictures in docs/images/results, and the figures to failures.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import failed_pairs_page
import numpy as np
import paper_figures
from judged_pairs import CATEGORY_OF, Judged, is_known, judge
from numpy.typing import NDArray

from facemotion.cli.learning.strips import FaceStrips
from facemotion.config import load_settings
from facemotion.evaluation.failures import count_categories
from facemotion.evaluation.measures import average_precision, curve
from facemotion.evaluation.trials import score_pairs
from facemotion.synth.performance.motion import GROUPS, parse_program
from facemotion.synth.performance.takes import FLASH

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
IMAGES = ROOT / "docs" / "images" / "results"
SIDE = 84  # of a picture in a strip, pixels
GAZE = "look_"
OF_PART = {pose: "gaze" if pose.startswith(GAZE) else part for part, poses in GROUPS.items() for pose in poses}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of `facemotion tables`")
    parser.add_argument("--manifest", type=Path, required=True, help="clips that the run was made of")
    parser.add_argument("--features", type=Path, required=True, help="folder of the feature cache")
    options = parser.parse_args()
    judged = judge(options.run, options.manifest, options.features)
    results = figures(judged)
    strips = FaceStrips(judged.clips, judged.sequences, load_settings(), SIDE)
    IMAGES.mkdir(parents=True, exist_ok=True)
    (RESULTS / "failures.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    shown = failed_pairs_page.draw(judged, strips, IMAGES)
    (RESULTS / "failures.md").write_text(failed_pairs_page.page(results, shown), "utf-8")
    text = paper_figures.write(judged, results, strips, IMAGES)
    (RESULTS / "paper_figures.md").write_text(text, "utf-8")


def parts_of(program: str) -> str:
    """The part of the face that a motion moves, if it is one. The direction of the gaze counts as a part."""
    moved = {OF_PART[pose] for step in parse_program(program).steps for pose, _ in step.poses if pose in OF_PART}
    return f"{moved.pop()} alone" if len(moved) == 1 else "several parts"


def figures(judged: Judged) -> dict[str, Any]:
    """Everything that the pages say in numbers."""
    records, genuine, accepted = judged.clips.records, judged.genuine, judged.accepted
    flags = sorted({flag for truth in judged.truths for flag in truth.flags})
    wrong = genuine != accepted
    people = np.array([records[place].subject for place in judged.first])
    most = [count for _, count in Counter(people[wrong].tolist()).most_common()]
    trials = score_pairs(judged.vectors, records, "within-subject")
    return {
        "row": judged.row,
        "average precision": average_precision(curve(trials)),
        "threshold": judged.threshold,
        "people": len(set(people.tolist())),
        "clips": len(records),
        "genuine": int(genuine.sum()),
        "impostor": int((~genuine).sum()),
        "false accepts": int((~genuine & accepted).sum()),
        "false rejects": int((genuine & ~accepted).sum()),
        "categories": count_categories(judged.failures),
        "categories by weights": count_categories(judged.performed),
        "known": {flag: _known(judged, flag, category) for flag, category in CATEGORY_OF.items()},
        "false accepts by flash": [_rate(~genuine & (judged.flagged(FLASH) == k), accepted) for k in range(3)],
        "false rejects by fault": {
            "none": _rate(genuine & (sum(judged.flagged(flag) for flag in flags) == 0), ~accepted),
            **{flag: _rate(genuine & (judged.flagged(flag) > 0), ~accepted) for flag in flags},
        },
        "failures of the worst tenth of the people": sum(most[: -(-len(set(people.tolist())) // 10)]),
        "by part": _by_part(judged),
    }


def _known(judged: Judged, flag: str, category: str) -> dict[str, int]:
    """Of the failed pairs that are of a sort on purpose, those that the cues sort so."""
    places = [k for k, pair in enumerate(judged.failures) if is_known(judged, pair, flag)]
    return {
        "failed": len(places),
        "by features": sum(judged.failures[k].category == category for k in places),
        "by weights": sum(judged.performed[k].category == category for k in places),
    }


def _rate(pairs: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> dict[str, int]:
    return {"pairs": int(pairs.sum()), "failed": int((pairs & wrong).sum())}


def _by_part(judged: Judged) -> dict[str, dict[str, Any]]:
    """Of the motions that move the same parts of the face: how often takes of one fail, and how often it is taken for
    another motion of its person."""
    records, programs = judged.clips.records, judged.clips.programs
    named = {motion: parts_of(programs[motion]) for motion in dict.fromkeys(r.motion for r in records)}
    own = np.array([named[record.motion] for record in records])
    table = {}
    for part in sorted(set(own.tolist())):
        here = (own[judged.first] == part) | (own[judged.second] == part)
        table[part] = {
            "motions": sum(name == part for name in named.values()),
            "genuine": _rate(here & judged.genuine, ~judged.accepted),
            "impostor": _rate(here & ~judged.genuine, judged.accepted),
        }
    return table


if __name__ == "__main__":
    main()
