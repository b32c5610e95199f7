"""Facial motions of simulated people, whole takes and parts as short as a phrase, and replays of them that drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from replay_clips import ReplayClips, Seen, Take
from replay_genuine import genuine, genuine_row
from replay_rule import Rule

from facemotion.data.manifest import read_manifest

PEOPLE, MOTIONS, TAKES = 10, 2, 4
"""Simulated people, motions of each and takes of each that are used."""
EXCERPTS = (0.3, 0.9, 1.5, 2.1)
EXCERPT_SECONDS = 1.2
"""Where parts of takes begin, and how long they are."""
HARDEST = ("crf 28", "cropped by a cut that wanders", "all of these", "all of these, crf 28")


def simulated(clips: ReplayClips, rule: Rule, folder: Path) -> dict[str, Any]:
    """Figures of takes and of their replays.

    Args:
        clips: what looks at them. rule: the service's.
        folder: of the data engine, with manifest.csv and films; of Synth-59 the first 20 people alone, since the
            network learned from the others.
    """
    groups = simulated_takes(folder)
    seen = [[one for take in takes if (one := clips.seen(take)) is not None] for takes in groups]
    parts = [
        [part for one in takes if (part := excerpt(one, begin)) is not None] for takes in seen for begin in EXCERPTS
    ]
    found: dict[str, Any] = {
        "whole takes": genuine_row(rule, genuine(rule, seen)),
        f"{EXCERPT_SECONDS} s of each": genuine_row(rule, genuine(rule, [takes for takes in parts if len(takes) > 1])),
        "replays": {},
    }
    for name in HARDEST:
        both = [(clips.seen(takes[0]), clips.seen(takes[0], name)) for takes in groups]
        ones = [rule.compared(replay, [original]) for original, replay in both if original and replay]
        found["replays"][name] = {
            "replays": len(ones),
            "not recognised": sum(not rule.is_replay(one) for one in ones),
            "not by landmarks": sum(not rule.is_replay(one.by_landmarks()) for one in ones),
        }
        print(f"simulated people, {name}: {found['replays'][name]}", flush=True)
    return found


def simulated_takes(folder: Path) -> list[list[Take]]:
    """Takes of some motions of some simulated people, motion by motion."""
    people = simulated_motions(folder)
    chosen = [motions[:MOTIONS] for motions in people[:: -(-len(people) // PEOPLE)]]
    return [takes[:TAKES] for motions in chosen for takes in motions if len(takes) >= TAKES]


def simulated_motions(folder: Path) -> list[list[list[Take]]]:
    """Takes of simulated people, person by person and motion by motion."""
    manifest = read_manifest(folder / "manifest.csv")
    found: dict[str, dict[str, list[Take]]] = {}
    for record in manifest.records:
        found.setdefault(record.subject, {}).setdefault(record.motion, []).append(Take(manifest.file(record)))
    return [list(found[subject].values()) for subject in sorted(found)]


def excerpt(seen: Seen, begin: float) -> Seen | None:
    """Some seconds of a take; None where it is shorter."""
    times = seen.features.times
    kept = (times >= begin) & (times < begin + EXCERPT_SECONDS)
    if times[-1] < begin + EXCERPT_SECONDS or kept.sum() < 2:
        return None
    features = replace(seen.features, values=seen.features.values[kept], times=times[kept] - times[kept][0])
    return Seen(seen.points[kept], seen.surface[kept], features)


def simulated_table(found: dict[str, Any]) -> Sequence[str]:
    """Lines of the page."""
    lines = ["", "| replays of simulated people | number | missed | by landmarks alone |", "|---|---|---|---|"]
    for name, row in found["replays"].items():
        lines.append(f"| {name} | {row['replays']} | {row['not recognised']} | {row['not by landmarks']} |")
    return lines
