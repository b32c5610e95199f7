"""Failures as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.evaluation.failures import Failure, count_categories
from facemotion.types import ClipRecord

Strip = Callable[[ClipRecord], Sequence[NDArray[np.uint8]]]

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #1c1c1c; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
section { margin: 1.5rem 0; }
img { display: block; width: 100%; margin: 3px 0; border-radius: 3px; }
table { border-collapse: collapse; }
td, th { padding: .15rem .9rem .15rem 0; text-align: left; }
small { color: #555; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #eee; } small { color: #aaa; } }
"""


def failure_page(failures: Sequence[Failure], records: Sequence[ClipRecord], threshold: float, strip: Strip) -> str:
    """The page: counts per category, then each failure with strips of both clips and its cues.

    Args:
        failures: worst first, of both sorts.
        records: that the positions of the failures point into.
        threshold: at which they failed.
        strip: gives some frames (H, W, 3) uint8 of a clip, all of one size, in order of time.
    Returns:
        HTML text; the pictures are inside.
    """
    counts = "".join(f"<tr><td>{html.escape(c)}<td>{n}" for c, n in count_categories(failures).items())
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Failures</title>",
        f"<style>{STYLE}</style><h1>Failures at threshold {threshold:.3f}</h1>",
        f"<table><tr><th>category<th>of the worst {len(failures)}{counts}</table>",
    ]
    for title, accepted in (("False accepts", True), ("False rejects", False)):
        chosen = [failure for failure in failures if failure.accepted is accepted]
        parts.append(f"<h2>{title}</h2>" + ("" if chosen else "<p>None.</p>"))
        parts += [_section(failure, records, strip) for failure in chosen]
    return "\n".join(parts) + "</html>\n"


def _section(failure: Failure, records: Sequence[ClipRecord], strip: Strip) -> str:
    lines = [f"<section><b>{html.escape(failure.category)}</b>, score {failure.score:.3f}"]
    for position, cues in zip((failure.first, failure.second), failure.cues, strict=True):
        record = records[position]
        label = f"{record.subject}, {record.motion}, take {record.repetition} ({record.path})"
        lines.append(f'<img alt="{html.escape(label)}" src="{_picture(strip(record))}">')
        lines.append(
            f"<small>{html.escape(label)}: neutral {cues.neutral_share:.0%} of the frames, "
            f"ends at {cues.ending:.0%} of its largest distance from rest</small>"
        )
    lines.append(
        f"<br><small>intensity ratio {failure.intensity_ratio:.2f}, left after time warping "
        f"{failure.warp_residual:.2f} of the mean intensity</small></section>"
    )
    return "\n".join(lines)


def _picture(frames: Sequence[NDArray[np.uint8]]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
