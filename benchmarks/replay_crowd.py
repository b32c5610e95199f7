"""Replays whose original is one of many remembered recordings, few of which the service looks at frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay_clips import ReplayClips

if TYPE_CHECKING:
    from replay_rule import Rule

CHANGES = (
    "crf 35",
    "size 0.5, crf 28",
    "slower by 15%",
    "two pauses of 0.4 s",
    "two pauses of 0.4 s, crf 28",
    "four pauses of 0.6 s",
    "without a fifth in the middle",
    "all of these",
    "all of these, crf 28",
)
"""Those in which single pieces fit badly, or little of a recording is left, or the picture drifts."""


def replays_in_a_crowd(clips: ReplayClips, rule: Rule, replayed: tuple[int, ...]) -> dict[str, int]:
    """How many replays aren't recognised once the speaker's other takes are remembered, too.

    Args:
        clips: of one speaker.
        rule: the service's.
        replayed: which takes of each phrase are replayed.
    Returns:
        "remembered" recordings, "replays" recognised where the original alone is remembered, and "lost" of these.
    """
    sightings = [seen for phrase in clips.report for seen in clips.all_seen(phrase)]
    recognised = lost = 0
    for take in (phrase[number] for phrase in clips.report for number in replayed):
        original = clips.seen(take)
        for name in CHANGES:
            replay = clips.seen(take, name)
            if original is None or replay is None or not rule.is_replay(rule.compared(replay, [original])):
                continue
            recognised += 1
            lost += not rule.is_replay(rule.compared(replay, sightings))
    return {"remembered": len(sightings), "replays": recognised, "lost": lost}
