"""Replays against genuine takes: how well a recording that is sent again is recognised, whatever was done to it.

    python benchmarks/replays.py DATA [--cache CACHE] [--simulated FOLDER] [--write]

DATA holds grid_s1, grid_people, grid_faces and grid33 (docs/reference/data.md). Every take to report on is changed in
each way of `replay_changes.CHANGES` and compared with its original by the service's own rule; genuine takes are
compared with every other take of their phrase. No clip reported here was fitted or chosen on (kinds of change were):
`tools/replay_directions.py` and the settings rest on other phrases and people. FOLDER is a data set of simulated
people (`facemotion synth dataset`). What the front end sees is kept in the cache: the first run takes about half an
hour of one core, the next ones a few minutes. With --write the tables go into docs/results/security.md and the figures
into docs/results/replays.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("SVT_LOG", "1")
ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # what is fitted here is fitted as by the tool

import numpy as np
from numpy.typing import NDArray
from replay_changes import CHANGES
from replay_clips import FIT_TAKES, ReplayClips, Seen
from replay_crowd import replays_in_a_crowd
from replay_genuine import genuine, genuine_row, genuine_table, largest, pairs, spread
from replay_lips import lips_figures
from replay_rule import Compared, Rule
from replay_sentences import pieces_table, sentence_replays
from replay_simulated import simulated, simulated_table
from replay_splices import splices, splices_table
from sections import write_section

from facemotion.config import Settings
from facemotion.encoder import Encoder
from facemotion.models import Models
from facemotion.service.replays.comparison import compare
from facemotion.service.settings import ReplaySettings
from facemotion.thresholds import for_takes, operating_points, template_score

RESULTS = ROOT / "docs" / "results"
REPLAYED = (3, 8)
"""Which takes of each phrase are replayed."""
TEMPLATE = (0, 1, 2)
"""Takes that the encoder's template is made of, to see whether a replay would be let in."""
THRESHOLDS = tuple(round(0.5 + 0.025 * step, 3) for step in range(19))
CHOSEN_ON = (
    "crf 35",
    "size 0.5, crf 28",
    "several at once",
    "mirrored",
    "without the first fifth",
    "slower by 5%",
    "cropped by a cut that wanders",
    "all of these",
    "all of these, crf 28",
    "swaying and rolling, light that turns by 15%",
    "swaying and rolling, a bulge round the mouth by 20%",
    "swaying and rolling, a bend by 2 pixels",
    "swaying and rolling, a bar that slides",
    "swaying and rolling, a clock that wobbles by 0.1 s",
    "a clock that wobbles by 0.1 s",
)
"""Changes, for `--choose`."""
Scores = NDArray[np.float64]


class Gate:
    """The shipped encoder at its default point, to see which replays would be let in if nobody recognised them."""

    def __init__(self) -> None:
        name, models = Settings().verifier.encoder, Models.configured()
        self._encoder = Encoder.load(name, models)
        self._point = for_takes(operating_points(models, name), len(TEMPLATE))

    def lets_in(self, template: Sequence[Seen | None], probe: Seen) -> bool:
        """Whether a probe scores as a genuine one with takes."""
        own = self._encoder(probe.features).vector
        cosines = [self._encoder(seen.features).vector @ own for seen in template if seen is not None]
        return self._point.accepts(template_score(np.array(cosines, np.float32)))


def replays(clips: ReplayClips, rule: Rule) -> dict[str, dict[str, Any]]:
    """Of each change: likenesses with the original, and how many replays aren't recognised or are let in."""
    gate, found = Gate(), {}
    for name, change in CHANGES.items():
        ones, missed, by_landmarks, let_in = [], 0, 0, 0
        jobs = [(phrase, phrase[number]) for phrase in clips.report for number in REPLAYED]
        jobs += [([], take) for take in clips.report_people]
        for phrase, take in jobs:
            original, replay = clips.seen(take), clips.seen(take, name)
            if original is None or replay is None:
                continue  # without a face nobody is let in
            ones.append(one := rule.compared(replay, [original]))
            by_landmarks += not rule.is_replay(one.by_landmarks())
            if not rule.is_replay(one):
                missed += 1
                # Of the other people there is one take each: a replay of theirs counts as let in.
                let_in += not phrase or gate.lets_in([clips.seen(phrase[place]) for place in TEMPLATE], replay)
        found[name] = {
            "marked": change.marked,
            "replays": len(ones),
            "not recognised": missed,
            "not by landmarks": by_landmarks,
            "let in": let_in,
            "landmarks": _sorted([float(one.placed.whole[0]) for one in ones]),
            "look": _sorted([float(one.surface.whole[0]) for one in ones]),
            "warped, least": round(min(float(one.placed.warped[0]) for one in ones), 3),
            "look warped, least": round(min(float(one.surface.warped[0]) for one in ones), 3),
            "landmarks by pieces, least": round(min(float(one.placed.pieces[0]) for one in ones), 3),
            "look by pieces, least": round(min(float(one.surface.pieces[0]) for one in ones), 3),
        }
        print(f"{name}: {missed} of {len(ones)} not recognised, {let_in} let in", flush=True)
    return found


def _sorted(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in sorted(values)]


def choose(clips: ReplayClips, rule: Rule) -> None:
    """Show what the thresholds were chosen on: phrases that were neither fitted nor are reported."""
    found = genuine(rule, [clips.all_seen(takes) for takes in clips.choose])
    row = genuine_row(rule, found)
    for part, surface in (("landmarks", False), ("look", True)):
        mean, deviation = spread(pairs(found, surface=surface))
        ones = [one.surface if surface else one.placed for one in found]
        print(
            f"{part}: {row[part]}; four standard deviations {np.tanh(mean + 4 * deviation):.3f}; 0.5% of {len(found)} "
            f"takes {np.quantile(largest(found, surface=surface), 0.995):.3f}, by pieces "
            f"{np.quantile([one.pieces.max() for one in ones], 0.995):.3f}, by pieces in two "
            f"{np.quantile([one.joined for one in ones], 0.995):.3f}, warped: largest "
            f"{max(float(one.warped.max()) for one in ones):.3f}"
        )
    print({name: number for name, number in row.items() if name.startswith("called")})
    for name in CHOSEN_ON:
        takes = [phrase[FIT_TAKES - 1] for phrase in clips.choose]
        both = [(clips.seen(take), clips.seen(take, name)) for take in takes]
        ones = [rule.compared(replay, [original]) for original, replay in both if original and replay]
        least = [
            f"{min(float(part.whole[0]) for part in parts):.3f}, by pieces "
            f"{min(float(part.pieces[0]) for part in parts):.3f}, warped "
            f"{min(float(part.warped[0]) for part in parts):.3f}"
            for parts in ([one.placed for one in ones], [one.surface for one in ones])
        ]
        missed = sum(not rule.is_replay(one) for one in ones)
        print(f"{name}: {missed} of {len(ones)} missed; least: landmarks {least[0]}; look {least[1]}", flush=True)


def pooled(found: dict[str, dict[str, Any]], part: str, marked: bool) -> Scores:
    """Likenesses of all replays with or without a mark."""
    return np.array([value for row in found.values() if row["marked"] == marked for value in row[part]])


def curve(found: dict[str, dict[str, Any]], takes: Sequence[Compared], part: str) -> list[dict[str, float]]:
    """What a threshold on the whole alone would do, of "landmarks" or "look"."""
    surface = part == "look"
    both, most = pairs(takes, surface=surface), largest(takes, surface=surface)
    marked, others = pooled(found, part, True), pooled(found, part, False)
    return [
        {
            "threshold": step,
            "pairs": round(float((both >= step).mean()), 5),
            "takes": round(float((most >= step).mean()), 5),
            "marked": round(float((marked < step).mean()), 5),
            "others": round(float((others < step).mean()), 5),
        }
        for step in THRESHOLDS
    ]


def milliseconds(remembered: int = 200, frames: int = 100) -> float:
    """Processor time of one comparison with a remembered recording, mirrored too, of four seconds each."""
    random = np.random.default_rng(0)
    courses = [20 * random.normal(size=(frames, 6)).cumsum(axis=0).astype(np.float32) for _ in range(remembered)]
    begin = time.process_time()
    for course in courses[:4]:
        compare((course, course), courses)
    return round(1000 * (time.process_time() - begin) / 4 / remembered, 3)


def tables(results: dict[str, Any]) -> str:
    """The section of the page."""
    lines = [
        "| replays | number | landmarks: least, median | warped: least | look: least, median | warped: least | not "
        "recognised | by landmarks alone | let in |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["replays"].items():
        words = f"**{name}**" if row["marked"] else name
        likenesses = [f"{row[part][0]:.2f}, {np.median(row[part]):.2f}" for part in ("landmarks", "look")]
        likenesses.insert(1, f"{row['warped, least']:.2f}")
        likenesses.append(f"{row['look warped, least']:.2f}")
        shares = [f"{row[key]} ({row[key] / row['replays']:.1%})" for key in ("not recognised", "let in")]
        lines.append(
            f"| {words} | {row['replays']} | {' | '.join(likenesses)} | {shares[0]} | {row['not by landmarks']} | "
            f"{shares[1]} |"
        )
    lines += [*pieces_table(results["sentences"])]
    lines += splices_table(results["of two"])
    if "simulated" in results:
        lines += simulated_table(results["simulated"])
    crowd = results["crowd"]
    lines += [
        "",
        f"Few recordings are looked at frame by frame, those that come closest. Of {crowd['replays']} replays that are "
        f"recognised where only their original is remembered, {crowd['lost']} are lost among {crowd['remembered']} "
        "takes of the speaker.",
    ]
    lines += genuine_table(results["genuine"])
    lines += [
        "",
        "| threshold of the whole alone | landmarks: pairs of takes, takes called replays | bold rows, others missed | "
        "look: pairs of takes, takes called replays | bold rows, others missed |",
        "|---|---|---|---|---|",
    ]
    for row, look in zip(results["DET"]["landmarks"], results["DET"]["look"], strict=True):
        cells = " | ".join(
            f"{one[first]:.2%}, {one[second]:.2%}"
            for one in (row, look)
            for first, second in (("pairs", "takes"), ("marked", "others"))
        )
        lines.append(f"| {row['threshold']:.3f} | {cells} |")
    lips = results["lips"]
    lines += [
        "",
        f"By the lips alone, without the head, {lips['pairs']} pairs of takes of one phrase by {lips['speakers']} "
        f"speakers of grid33: median {lips['median']:.2f}, 99.9% {lips['99.9%']:.2f}, largest {lips['largest']:.2f}. "
        f"{lips['beyond 3']:.3%} of them lie more than three standard deviations of Fisher's z above the mean of their "
        f"speaker, and {lips['beyond 4']:.4%} more than four. In a normal distribution it would be 0.135% and 0.0032%. "
        f"By pieces it is {lips['pieces beyond 3']:.3%} and {lips['pieces beyond 4']:.4%}.",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    parser.add_argument("--simulated", type=Path, help="folder of the data engine, with films")
    parser.add_argument("--choose", action="store_true", help="only show what the thresholds were chosen on")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    clips, settings = ReplayClips(given.data, given.cache), ReplaySettings()
    rule = Rule(clips.frontend_id, settings)
    if given.choose:
        choose(clips, rule)
        return 0
    groups = {
        f"s1, {len(clips.report)} phrases of about a second": clips.report,
        "s2 and s4, sentences of 3 s that begin alike": clips.sentences,
    }
    takes = {name: genuine(rule, [clips.all_seen(one) for one in group]) for name, group in groups.items()}
    found, first = replays(clips, rule), next(iter(takes.values()))
    results: dict[str, Any] = {
        "thresholds": {
            name: value for name, value in asdict(settings).items() if "likeness" in name or "share" in name
        },
        "replays": found,
        "sentences": sentence_replays(clips, rule),
        "of two": splices(clips, rule, Gate(), REPLAYED),
        "crowd": replays_in_a_crowd(clips, rule, REPLAYED),
        "genuine": {name: genuine_row(rule, ones) for name, ones in takes.items()},
        "DET": {part: curve(found, first, part) for part in ("landmarks", "look")},
        "lips": lips_figures(clips, given.data / "grid33"),
        "milliseconds a comparison": milliseconds(),
    }
    if given.simulated:
        results["simulated"] = simulated(clips, rule, given.simulated)
        for name in tuple(results["simulated"])[:2]:
            results["genuine"][f"simulated people, {name}"] = results["simulated"].pop(name)
    table = tables(results)
    print(table)
    if given.write:
        write_section(RESULTS / "security.md", "replays", table)
        (RESULTS / "replays.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
