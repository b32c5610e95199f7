"""Replays that no comparison recognises, and genuine takes: how many are in doubt, so that a step is asked for.

    python benchmarks/replay_doubts.py DATA [--cache CACHE] [--simulated FOLDER] [--write]

DATA, CACHE and FOLDER are those of `benchmarks/replays.py`, and so are the clips. Two of the sets are compared: the
phrases on which the margin was chosen (setting `doubt`), and those to report on. A replay counts as let in if it is
neither recognised nor in doubt, and the shipped encoder accepts it. With --write the table goes into
docs/results/security.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from replay_changes import CHANGES
from replay_clips import FIT_TAKES, ReplayClips, Seen, Take
from replay_genuine import genuine
from replay_rule import Compared, Rule
from replay_sentences import CHANGED
from replay_sentences import REPLAYED as SENTENCES
from replay_simulated import EXCERPTS, excerpt, simulated_takes
from replays import REPLAYED, RESULTS, TEMPLATE, Gate
from sections import write_section

from facemotion.service.settings import ReplaySettings

MARGINS = (0.06, 0.1, 0.14)
DRIFTING = "swaying and rolling, "
HARDEST = (
    *(name for name in CHANGES if name.startswith(DRIFTING)),
    "all of these, crf 28",
    "size 0.75, crf 35",
    "size 0.5, crf 35",
)
Row = tuple[str, Sequence[Compared], Sequence[bool]]
"""What was compared, how, and what the encoder lets in."""


def rows_of(clips: ReplayClips, rule: Rule, simulated: Path | None) -> list[Row]:
    """Genuine takes, then replays; whether the encoder lets in genuine takes isn't asked."""
    groups = {
        "genuine takes, 12 phrases to choose on": [clips.all_seen(takes) for takes in clips.choose],
        "genuine takes, 14 phrases": [clips.all_seen(takes) for takes in clips.report],
        "genuine sentences of 3 s": [clips.all_seen(takes) for takes in clips.sentences],
    }
    if simulated:
        people = [clips.all_seen(takes) for takes in simulated_takes(simulated)]
        groups["genuine takes of simulated people"] = people
        parts = [[one for seen in takes if (one := excerpt(seen, begin))] for takes in people for begin in EXCERPTS]
        groups["the same, 1.2 s of each"] = [takes for takes in parts if len(takes) > 1]
    rows: list[Row] = []
    for name, group in groups.items():
        found = genuine(rule, group)
        rows.append((name, found, [True] * len(found)))
    gate = Gate()
    chosen = [(phrase, phrase[FIT_TAKES - 1]) for phrase in clips.choose]
    reported = [(phrase, phrase[number]) for phrase in clips.report for number in REPLAYED]
    reported += [([], take) for take in clips.report_people]
    spoken = [([], take) for sentences in clips.sentences for take in sentences[:SENTENCES]]
    for change in HARDEST:
        rows += [_replayed(f"{change}, to choose on", clips, rule, gate, chosen, change)] * (change in CHANGED)
        rows.append(_replayed(change, clips, rule, gate, reported, change))
        rows += [_replayed(f"{change}, sentences", clips, rule, gate, spoken, change)] * (change in CHANGED)
    return rows


def _replayed(
    name: str, clips: ReplayClips, rule: Rule, gate: Gate, jobs: Sequence[tuple[list[Take], Take]], change: str
) -> Row:
    """Replays of takes; without a phrase, of which there are no other takes, a replay counts as let in."""
    compared, let_in = [], []
    for phrase, take in jobs:
        original, replay = clips.seen(take), clips.seen(take, change)
        if original is None or replay is None:
            continue
        compared.append(rule.compared(replay, [original]))
        template: list[Seen | None] = [clips.seen(phrase[place]) for place in TEMPLATE] if phrase else []
        let_in.append(not phrase or gate.lets_in(template, replay))
    print(name, len(compared), flush=True)
    return name, compared, let_in


def table_of(rows: Sequence[Row], frontend_id: str) -> list[str]:
    """Lines of the page."""
    rules = [Rule(frontend_id, ReplaySettings(doubt=margin)) for margin in MARGINS]
    most = " | ".join(f"in doubt, let in: margin {margin:g}" for margin in MARGINS)
    lines = [f"| takes | number | called replays | let in without a doubt | {most} |", "|---|---|---|---|---|---|---|"]
    for name, found, accepted in rows:
        left = [(one, lets) for one, lets in zip(found, accepted, strict=True) if not rules[0].is_replay(one)]
        cells = [f"{len(found) - len(left)} ({(len(found) - len(left)) / len(found):.1%})"]
        is_genuine = name.startswith(("genuine", "the same"))
        cells.append("-" if is_genuine else f"{sum(lets for _, lets in left)}")
        for rule in rules:
            doubtful = [rule.is_doubtful(one) for one, _ in left]
            passing = sum(lets and not doubt for doubt, (_, lets) in zip(doubtful, left, strict=True))
            share = f"{sum(doubtful)} ({sum(doubtful) / len(found):.1%})"
            cells.append(share if is_genuine else f"{share}, {passing}")
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    return lines


def main() -> int:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    parser.add_argument("--simulated", type=Path, help="folder of the data engine, with films")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    clips = ReplayClips(given.data, given.cache)
    rows = rows_of(clips, Rule(clips.frontend_id, ReplaySettings()), given.simulated)
    table = "\n".join(table_of(rows, clips.frontend_id))
    print(table)
    if given.write:
        write_section(RESULTS / "security.md", "doubts", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
