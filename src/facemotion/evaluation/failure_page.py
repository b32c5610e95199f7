"""Failures as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.errors import MediaError
from facemotion.evaluation.failures import CATEGORIES, Failure, Outcome, count_categories
from facemotion.evaluation.trials import PairPolicy
from facemotion.types import ClipRecord

Strip = Callable[[ClipRecord], Sequence[NDArray[np.uint8]]]

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1100px; padding: 0 1rem; color: #1c1c1c; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
section { margin: 1.5rem 0; }
img { display: block; width: 100%; margin: 3px 0; border-radius: 3px; }
p { max-width: 75ch; }
table { border-collapse: collapse; }
td, th { padding: .15rem .9rem .15rem 0; text-align: left; vertical-align: top; }
td:not(:first-child):not(:last-child) { text-align: right; }
small { color: #555; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #eee; } small { color: #aaa; } }
"""


def failure_page(
    failures: Sequence[Failure],
    records: Sequence[ClipRecord],
    threshold: float,
    outcome: Outcome,
    strip: Strip,
    *,
    about: str = "",
    programs: Mapping[str, str] = MappingProxyType({}),
    policy: PairPolicy = "all",
    counts: Mapping[str, int] | None = None,
) -> str:
    """The page: counts per category, then each failure with strips of both clips and its cues.

    Args:
        failures: worst first, of both sorts.
        records: labels that the positions of the failures point into.
        threshold: cosine at which they failed.
        outcome: counts of all trials.
        strip: gives some frames (H, W, 3) uint8 of a clip, all of one size, in order of time. If it raises a
            MediaError, for example because there is no video, the clip is shown without frames.
        about: a sentence that says what failed on what.
        programs: what is performed, by the name of the motion, where it is known.
        policy: which pairs were trials, as in `score_pairs`.
        counts: of the categories among all failures; None if they weren't sorted.
    Returns:
        HTML text; the pictures are inside.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'><title>Failures</title>",
        f"<style>{STYLE}</style><h1>Failures at threshold {threshold:.3f}</h1>",
        f"<p>{html.escape(about)}</p>",
    ]
    if not failures:
        return "\n".join([*parts, f"<p>{html.escape(outcome.without_failures(threshold))}</p></html>\n"])
    pairs = "Every pair of different clips" if policy == "all" else "Every pair of different clips of one person"
    parts.append(
        f"<p>{pairs} among {len(records)} is a trial, but for two that nobody enrols (near "
        "misses and mimics), accepted where its score, a cosine, reaches the threshold. Shown are the worst: impostor "
        "trials with the highest scores, genuine trials with the lowest.</p>"
    )
    shown = count_categories(failures)
    rows = (
        f"<tr><td>{html.escape(name)}"
        + (f"<td>{counts.get(name, 0)}" if counts is not None else "")
        + f"<td>{shown.get(name, 0)}<td>{html.escape(told)}"
        for name, told in CATEGORIES.items()
        if name in shown or (counts is not None and name in counts)
    )
    of_all = "<th>of all" if counts is not None else ""
    parts.append(f"<table><tr><th>category{of_all}<th>shown<th>told by{''.join(rows)}</table>")
    for title, accepted, wrong, of in (
        ("False accepts", True, outcome.false_accepts, f"{outcome.impostor} impostor trials"),
        ("False rejects", False, outcome.false_rejects, f"{outcome.genuine} genuine trials"),
    ):
        chosen = [failure for failure in failures if failure.accepted is accepted]
        cut = f", of which the worst {len(chosen)} are shown" if len(chosen) < wrong else ""
        parts.append(f"<h2>{title}</h2><p>{wrong or 'None'} of {of}{cut}.</p>")
        parts += [_section(failure, records, strip, programs) for failure in chosen]
    return "\n".join(parts) + "</html>\n"


def _section(failure: Failure, records: Sequence[ClipRecord], strip: Strip, programs: Mapping[str, str]) -> str:
    lines = [f"<section><b>{html.escape(failure.category)}</b>, score {failure.score:.3f}"]
    for position, cues in zip((failure.first, failure.second), failure.cues, strict=True):
        record = records[position]
        performed = f" ({programs[record.motion]})" if record.motion in programs else ""
        label = f"{record.subject}, {record.motion}{performed}, repetition {record.repetition} ({record.path})"
        try:
            lines.append(f'<img alt="{html.escape(label)}" src="{_picture(strip(record))}">')
        except MediaError:
            lines.append("<p>No frames: the file isn't a video that can be read.</p>")
        lines.append(
            f"<small>{html.escape(label)}: neutral {cues.neutral_share:.0%} of the frames, "
            f"ends at {cues.ending:.0%} of its largest distance from rest</small>"
        )
    lines.append(
        f"<br><small>one motion is {failure.intensity_ratio:.2f} times as large as the other; time warping leaves "
        f"{failure.warp_residual:.2f} of their mean intensity between them</small></section>"
    )
    return "\n".join(lines)


def _picture(frames: Sequence[NDArray[np.uint8]]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(list(frames), axis=1)).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
