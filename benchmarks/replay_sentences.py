"""Replays of whole sentences of three seconds whose times were changed at some places, or which are of two takes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from replay_changes import CHANGES
from replay_clips import PLAIN, ReplayClips, Take

if TYPE_CHECKING:
    from replay_rule import Rule

REPLAYED = 5
"""Sentences of each speaker that are replayed."""
DRIFTS = ("cropped by a cut that wanders", "all of these", "all of these, crf 28")
CHANGED = tuple(
    name
    for name, change in CHANGES.items()
    if change.pauses[1]
    or change.without[1]
    or change.bend
    or change.wobble
    or name in (PLAIN, "slower by 15%", "faster by 15%", *DRIFTS)
)
TWO_TAKES = "the first half of one recording, the second of another"


def sentence_replays(clips: ReplayClips, rule: Rule) -> dict[str, dict[str, Any]]:
    """Of each change: how many replays of sentences aren't recognised, and the least that was measured of them."""
    found = {}
    for name in (*CHANGED, TWO_TAKES):
        ones = []
        for sentences in clips.sentences:
            for take, other in pairwise(sentences[: REPLAYED + 1]):
                halves = name == TWO_TAKES
                replay = clips.seen(Take(take.path, None, other), PLAIN) if halves else clips.seen(take, name)
                before = [seen for one in ((take, other) if halves else (take,)) if (seen := clips.seen(one))]
                if replay is not None and before:
                    ones.append(rule.compared(replay, before))
        found[name] = {
            "replays": len(ones),
            "not recognised": sum(not rule.is_replay(one) for one in ones),
            "not by landmarks": sum(not rule.is_replay(one.by_landmarks()) for one in ones),
            "whole, least": round(min(float(one.placed.whole.max()) for one in ones), 3),
            "pieces, least": round(min(float(one.placed.pieces.max()) for one in ones), 3),
            "share, least": round(min(one.placed.share for one in ones), 3),
            "look, least": round(min(float(one.surface.whole.max()) for one in ones), 3),
            "look by pieces, least": round(min(float(one.surface.pieces.max()) for one in ones), 3),
        }
        print(f"sentences, {name}: {found[name]}", flush=True)
    return found


def pieces_table(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines of the page."""
    lines = [
        "",
        "| sentences of three seconds | number | landmarks: least whole, by pieces, share | look: least whole, by "
        "pieces | missed | by landmarks alone |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        lines.append(
            f"| {name} | {row['replays']} | {row['whole, least']:.2f}, {row['pieces, least']:.2f}, "
            f"{row['share, least']:.2f} | {row['look, least']:.2f}, {row['look by pieces, least']:.2f} | "
            f"{row['not recognised']} ({row['not recognised'] / row['replays']:.1%}) | {row['not by landmarks']} |"
        )
    return lines
