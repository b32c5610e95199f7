"""Replays against genuine takes: how well a recording that is sent again is recognised, whatever was done to it.

    python benchmarks/replays.py DATA [--cache CACHE] [--write]

DATA holds grid_s1, grid_people, grid_faces and grid33 (docs/reference/data.md). Every take to report on is changed in
each way of `replay_changes.CHANGES` and compared with its original by the service's own rule; genuine takes are
compared with every other take of their phrase. Nothing reported here was fitted or chosen on:
`tools/replay_directions.py` and the setting rest on other phrases and people. What the front end sees is kept in the
cache: the first run takes about a quarter of an hour of one core, the next ones less than a minute. With --write the
tables go into docs/results/security.md and the figures into docs/results/replays.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from replay_clips import FIT_TAKES, ReplayClips, Seen, Take
from replay_crowd import replays_in_a_crowd
from replay_lips import lips_figures
from replay_sentences import pieces_table, sentence_replays
from replay_splices import splices, splices_table
from sections import write_section

from facemotion.config import Settings
from facemotion.encoder import Encoder
from facemotion.models import Models
from facemotion.service.guard.likeness import Comparison, Directions, compare
from facemotion.service.settings import ReplaySettings
from facemotion.thresholds import for_takes, operating_points, template_score
from facemotion.types import FloatArray

RESULTS = ROOT / "docs" / "results"
REPLAYED = (3, 8)
"""Which takes of each phrase are replayed."""
TEMPLATE = (0, 1, 2)
"""Takes that the encoder's template is made of, to see whether a replay would be let in."""
THRESHOLDS = tuple(round(0.5 + 0.025 * step, 3) for step in range(19))
CHOSEN_ON = ("crf 35", "size 0.5, crf 28", "several at once", "mirrored", "without the first fifth", "slower by 5%")
"""Changes, for `--choose`."""
Scores = NDArray[np.float64]


class Rule:
    """The service's rule on what the front end saw; its comparison of features has no part in it.

    Args:
        settings: of replays.
    """

    def __init__(self, frontend_id: str, settings: ReplaySettings) -> None:
        directions = Directions.packaged(frontend_id)
        if directions is None:
            raise SystemExit("There are no directions for this front end; run tools/replay_directions.py.")
        self._directions = directions
        self._settings = settings

    def courses(self, seen: Seen) -> tuple[FloatArray, FloatArray]:
        """Of a take, as its picture is and mirrored."""
        return self._directions.courses(seen.points, seen.features.times)

    def compared(self, seen: Seen, before: Sequence[Seen]) -> Comparison:
        """A recording with earlier ones."""
        return compare(self.courses(seen), [self.courses(earlier)[0] for earlier in before])

    def by_pieces(self, found: Comparison) -> bool:
        """Whether a recording counts as a replay by its pieces."""
        agree = bool(found.pieces.max() >= self._settings.piece_likeness)
        agree |= found.joined >= self._settings.joined_likeness
        return agree or found.share >= self._settings.found_share

    def is_replay(self, found: Comparison) -> bool:
        """Whether a recording counts as a replay, whole or by its pieces."""
        return bool(found.whole.max() >= self._settings.likeness) or self.by_pieces(found)


@dataclass(frozen=True, eq=False)
class Genuine:
    """What came of takes of people, each compared with the earlier ones of its phrase.

    Attributes:
        pairs: (P,) likenesses of pairs.
        largest: (T,) of each take the largest of these.
        pieces: (T,) of each take the largest agreement by pieces.
        shares: (T,) of its movement that earlier takes hold.
        by_pieces, by_two, called: how many takes count as replays by their pieces, by pieces in two recordings alone,
            and in all.
    """

    pairs: Scores
    largest: Scores
    pieces: Scores
    shares: Scores
    by_pieces: int
    by_two: int
    called: int


def genuine(clips: ReplayClips, rule: Rule, groups: Sequence[Sequence[Take]]) -> Genuine:
    """All takes within a group: an attempt is compared with what came before it."""
    found = []
    for takes in groups:
        sightings = [seen for take in takes if (seen := clips.seen(take)) is not None]
        found += [rule.compared(seen, sightings[:number]) for number, seen in enumerate(sightings) if number]
    return Genuine(
        np.concatenate([one.whole for one in found]),
        np.array([one.whole.max() for one in found]),
        np.array([one.pieces.max() for one in found], np.float64),
        np.array([one.share for one in found]),
        sum(map(rule.by_pieces, found)),
        sum(rule.is_replay(one) and not rule.is_replay(replace(one, joined=0.0)) for one in found),
        sum(map(rule.is_replay, found)),
    )


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
        values, pieces, missed, let_in = [], [], 0, 0
        jobs = [(phrase, phrase[number]) for phrase in clips.report for number in REPLAYED]
        jobs += [([], take) for take in clips.report_people]
        for phrase, take in jobs:
            original, replay = clips.seen(take), clips.seen(take, name)
            if original is None or replay is None:
                continue  # without a face nobody is let in
            one = rule.compared(replay, [original])
            values.append(float(one.whole[0]))
            pieces.append(float(one.pieces[0]))
            if not rule.is_replay(one):
                missed += 1
                # Of the other people there is one take each: a replay of theirs counts as let in.
                let_in += not phrase or gate.lets_in([clips.seen(phrase[place]) for place in TEMPLATE], replay)
        found[name] = {
            "marked": change.marked,
            "replays": len(values),
            "not recognised": missed,
            "let in": let_in,
            "least": round(min(values), 3),
            "median": round(float(np.median(values)), 3),
            "by pieces, least": round(min(pieces), 3),
            "likenesses": [round(value, 4) for value in sorted(values)],
        }
        print(f"{name}: {missed} of {len(values)} not recognised, {let_in} let in, least {min(values):.3f}", flush=True)
    return found


def choose(clips: ReplayClips, rule: Rule) -> None:
    """Show what the thresholds were chosen on: phrases that were neither fitted nor are reported."""
    found = genuine(clips, rule, clips.choose)
    mean, deviation = spread(found.pairs)
    print(
        f"{len(found.pairs)} pairs of takes: largest {found.pairs.max():.3f}, four standard deviations "
        f"{np.tanh(mean + 4 * deviation):.3f}; 0.5% of {len(found.largest)} takes "
        f"{np.quantile(found.largest, 0.995):.3f}, by pieces {np.quantile(found.pieces, 0.995):.3f}, largest share "
        f"of movement found {found.shares.max():.3f}; of {found.called} called replays {found.by_two} by pieces in two "
        "recordings alone"
    )
    for name in CHOSEN_ON:
        takes = [phrase[FIT_TAKES - 1] for phrase in clips.choose]
        both = [(clips.seen(take), clips.seen(take, name)) for take in takes]
        ones = [rule.compared(replay, [original]) for original, replay in both if original and replay]
        whole, pieces = min(float(one.whole[0]) for one in ones), min(float(one.pieces[0]) for one in ones)
        print(f"{name}: least of {len(ones)} {whole:.3f}, by pieces {pieces:.3f}")


def pooled(found: dict[str, dict[str, Any]], marked: bool) -> Scores:
    """Likenesses of all replays with or without a mark."""
    return np.array([value for row in found.values() if row["marked"] == marked for value in row["likenesses"]])


def spread(pairs: Scores) -> tuple[float, float]:
    """Mean and standard deviation of Fisher's z of pairs of takes."""
    z = np.arctanh(pairs[pairs > -1])  # without those that share too little to be compared
    return float(z.mean()), float(z.std())


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
    lines = ["| replays | number | least, median likeness | not recognised | let in |", "|---|---|---|---|---|"]
    for name, row in results["replays"].items():
        words = f"**{name}**" if row["marked"] else name
        lines.append(
            f"| {words} | {row['replays']} | {row['least']:.2f}, {row['median']:.2f} | {row['not recognised']} "
            f"({row['not recognised'] / row['replays']:.1%}) | {row['let in']} ({row['let in'] / row['replays']:.1%}) |"
        )
    lines += [*pieces_table(results["sentences"])]
    lines += splices_table(results["of two"])
    crowd = results["crowd"]
    lines += [
        "",
        f"Few recordings are looked at frame by frame, those that come closest. Of {crowd['replays']} replays that are "
        f"recognised where only their original is remembered, {crowd['lost']} are lost among {crowd['remembered']} "
        "takes of the speaker.",
    ]
    lines += [
        "",
        "| genuine | pairs of takes | median, 99%, largest likeness | largest by pieces, largest share found | "
        "pairs called replays | takes called replays, of these by pieces alone, by two recordings alone |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results["genuine"].items():
        lines.append(
            f"| {name} | {row['pairs']} | {row['median']:.2f}, {row['99%']:.2f}, {row['largest']:.2f} | "
            f"{row['pieces']:.2f}, {row['share']:.2f} | {row['pairs called']} | {row['takes called']} of "
            f"{row['takes']}, {row['by pieces alone']}, {row['by two alone']} |"
        )
    lines += [
        "",
        "| threshold of the whole alone | pairs of takes called replays | takes called replays | bold rows missed | "
        "others missed |",
    ]
    lines += ["|---|---|---|---|---|"]
    for row in results["DET"]:
        cells = " | ".join(f"{row[key]:.2%}" for key in ("pairs", "takes", "marked", "others"))
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
    parser.add_argument("--choose", action="store_true", help="only show what `likeness` was chosen on")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    clips, settings = ReplayClips(given.data, given.cache), ReplaySettings()
    rule, threshold = Rule(clips.frontend_id, settings), settings.likeness
    if given.choose:
        choose(clips, rule)
        return 0
    takes = {
        f"s1, {len(clips.report)} phrases of about a second": genuine(clips, rule, clips.report),
        "s2 and s4, sentences of 3 s that begin alike": genuine(clips, rule, clips.sentences),
    }
    found = replays(clips, rule)
    marked, others = pooled(found, True), pooled(found, False)
    pairs, largest = (first := next(iter(takes.values()))).pairs, first.largest
    results: dict[str, Any] = {
        "threshold": threshold,
        "replays": found,
        "sentences": sentence_replays(clips, rule),
        "of two": splices(clips, rule, Gate(), REPLAYED),
        "crowd": replays_in_a_crowd(clips, rule, REPLAYED),
        "genuine": {
            name: {
                "pairs": len(all_of.pairs),
                "takes": len(all_of.largest),
                "median": round(float(np.median(all_of.pairs)), 3),
                "99%": round(float(np.quantile(all_of.pairs, 0.99)), 3),
                "largest": round(float(all_of.pairs.max()), 3),
                "pieces": round(float(all_of.pieces.max()), 3),
                "share": round(float(all_of.shares.max()), 3),
                "pairs called": int((all_of.pairs >= threshold).sum()),
                "takes called": all_of.called,
                "by two alone": all_of.by_two,
                "by pieces alone": all_of.called - int((all_of.largest >= threshold).sum()),
                "standard deviations to the threshold": round(
                    (np.arctanh(threshold) - spread(all_of.pairs)[0]) / spread(all_of.pairs)[1], 2
                ),
            }
            for name, all_of in takes.items()
        },
        "DET": [
            {
                "threshold": step,
                "pairs": round(float((pairs >= step).mean()), 5),
                "takes": round(float((largest >= step).mean()), 5),
                "marked": round(float((marked < step).mean()), 5),
                "others": round(float((others < step).mean()), 5),
            }
            for step in THRESHOLDS
        ],
        "lips": lips_figures(clips, given.data / "grid33"),
        "milliseconds a comparison": milliseconds(),
    }
    table = tables(results)
    print(table)
    if given.write:
        write_section(RESULTS / "security.md", "replays", table)
        (RESULTS / "replays.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
