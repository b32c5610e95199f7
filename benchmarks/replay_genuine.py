"""Genuine takes, each compared with the earlier ones of its motion: how many would be called replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from replay_clips import Seen
from replay_rule import Compared, Rule

Scores = NDArray[np.float64]


def genuine(rule: Rule, groups: Sequence[Sequence[Seen]]) -> list[Compared]:
    """All takes within a group: an attempt is compared with what came before it."""
    return [one for takes in groups for one in rule.within(takes)]


def pairs(found: Sequence[Compared], *, surface: bool) -> Scores:
    """(P,) likenesses of all pairs of takes that can be compared."""
    both = [one.surface.whole if surface else one.placed.whole for one in found]
    values = np.concatenate(both) if both else np.zeros(0)
    return np.asarray(values[values > -1], np.float64)


def largest(found: Sequence[Compared], *, surface: bool) -> Scores:
    """(T,) of each take the largest likeness with an earlier one."""
    return np.array([(one.surface if surface else one.placed).whole.max() for one in found], np.float64)


def spread(values: Scores) -> tuple[float, float]:
    """Mean and standard deviation of Fisher's z."""
    z = np.arctanh(values.clip(-0.999, 0.999))
    return float(z.mean()), float(z.std())


def genuine_row(rule: Rule, found: Sequence[Compared]) -> dict[str, Any]:
    """Figures of some takes: of landmarks and look, whole and by pieces, and how many are called replays."""
    row: dict[str, Any] = {"takes": len(found)}
    for name, surface in (("landmarks", False), ("look", True)):
        values, ones = pairs(found, surface=surface), [one.surface if surface else one.placed for one in found]
        row[name] = {
            "pairs": len(values),
            "median": round(float(np.median(values)), 3),
            "99%": round(float(np.quantile(values, 0.99)), 3),
            "largest": round(float(values.max()), 3),
            "pieces": round(max(float(one.pieces.max()) for one in ones), 3),
            "joined": round(max(one.joined for one in ones), 3),
            "share": round(max(one.share for one in ones), 3),
            "warped": round(max(float(one.warped.max()) for one in ones), 3),
        }
    row["called"] = sum(map(rule.is_replay, found))
    row["called by landmarks"] = sum(rule.is_replay(one.by_landmarks()) for one in found)
    row["called by look"] = sum(rule.is_replay(one.by_look()) for one in found)
    row["called by two alone"] = row["called"] - sum(rule.is_replay(one.by_single_ones()) for one in found)
    return row


def genuine_table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines of the page."""
    lines = [
        "",
        "| genuine | pairs of takes | landmarks: median, 99%, largest | the same by pieces, by pieces in two, share, "
        "warped | look: median, 99%, largest | by pieces, by pieces in two, warped | called replays, by landmarks, by "
        "look, by pieces in two alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        keys = ("median", "99%", "largest"), ("pieces", "joined")
        others = ", ".join(f"{row['landmarks'][key]:.2f}" for key in ("share", "warped"))
        cells = [
            " | ".join(", ".join(f"{part[key]:.2f}" for key in some) for some in keys)
            for part in (row["landmarks"], row["look"])
        ]
        look = row["look"]["warped"]
        lines.append(
            f"| {name} | {row['landmarks']['pairs']} | {cells[0]}, {others} | {cells[1]}, {look:.2f} | "
            f"{row['called']} of {row['takes']}, {row['called by landmarks']}, {row['called by look']}, "
            f"{row['called by two alone']} |"
        )
    return lines
