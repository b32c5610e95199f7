"""docs/results/failures.md, from the figures of benchmarks/failed_pairs.py, with pictures of the worst pairs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from judged_pairs import Judged
from numpy.typing import NDArray

from facemotion.evaluation.failures import CATEGORIES, Failure
from facemotion.media.strip import contact_sheet

if TYPE_CHECKING:
    from facemotion.cli.learning.strips import FaceStrips

FALSE_ACCEPTS = ("flash motions", "alike motions", "other false accept")
FALSE_REJECTS = ("other ending", "other intensity", "inconsistent repetition", "other false reject")
FRAMES = 6  # of a clip
QUALITY = 66  # of JPEG
SHEETS = {"failures_accepts.jpg": FALSE_ACCEPTS, "failures_rejects.jpg": FALSE_REJECTS}


def draw(judged: Judged, strips: FaceStrips, folder: Path) -> dict[str, list[tuple[str, Failure]]]:
    """Draw the worst pair of each category that has no clip of an earlier one: a sheet of false accepts, and one of
    false rejects.

    Args:
        judged: the pairs.
        strips: of their clips.
        folder: to write to.
    Returns:
        What is on each sheet, in order: category and pair.
    """
    shown: dict[str, list[tuple[str, Failure]]] = {}
    for name, categories in SHEETS.items():
        used: set[int] = set()
        rows = []
        shown[name] = []
        for category in categories:
            fits = (f for f in judged.failures if f.category == category and not used & {f.first, f.second})
            pair = next(fits, None)
            if pair is None:
                continue
            shown[name].append((category, pair))
            used |= {pair.first, pair.second}
            rows += [
                (f"{category}, {caption(judged, place)}", strip_of(judged, strips, place, FRAMES))
                for place in (pair.first, pair.second)
            ]
        if rows:
            contact_sheet(rows).save(folder / name, quality=QUALITY, optimize=True)
    return shown


def caption(judged: Judged, place: int) -> str:
    """Which take a clip is, and of what."""
    record = judged.clips.records[place]
    return (
        f"take {record.repetition}: {re.sub('@[0-9.]+', '', judged.clips.programs.get(record.motion, record.motion))}"
    )


def strip_of(judged: Judged, strips: FaceStrips, place: int, frames: int) -> NDArray[np.uint8]:
    """The first frame, the liveliest of each equal part of the motion, and the last, side by side.

    Args:
        judged: the pairs.
        strips: of their clips.
        place: of the clip.
        frames: shown, 3 or more.
    Returns:
        (side, frames * side, 3) uint8 RGB.
    """
    truth = judged.truths[place]
    away = np.linalg.norm(truth.weights - truth.weights[0], axis=1)
    parts = np.array_split(np.flatnonzero(truth.phase > 0), frames - 2)
    lively = [int(part[away[part].argmax()]) for part in parts if len(part)]
    chosen = [0, *lively, *[len(away) - 1] * (frames - 1 - len(lively))]
    return np.concatenate(strips.at(judged.clips.records[place], truth.times[chosen]), axis=1)


def page(results: dict[str, Any], shown: dict[str, list[tuple[str, Failure]]]) -> str:
    """The page as Markdown.

    Args:
        results: of `figures`.
        shown: what `draw` has drawn.
    """
    return "\n".join([*_head(results), *_categories(results, shown), *_faults(results), *_parts(results)]) + "\n"


def _head(results: dict[str, Any]) -> list[str]:
    genuine, impostor = results["genuine"], results["impostor"]
    worst = results["failures of the worst tenth of the people"]
    wrong = results["false accepts"] + results["false rejects"]
    return [
        "# Failed pairs",
        "",
        f"Which pairs fail in the best row of [the tables on Synth-59 version 2](tables_v2.md): `{results['row']}`, "
        f"{results['clips']} clips of {results['people']} simulated people. As in the paper (section 4.1), two clips "
        "of one person are compared. Each person was held out of the training of the network that judges them. All "
        f"folds share one threshold, that of the EER ({results['threshold']:.3f}). There {results['false accepts']} of "
        f"{impostor} impostor trials were accepted (FMR {results['false accepts'] / impostor:.3f}), and "
        f"{results['false rejects']} of {genuine} genuine trials rejected (FNMR "
        f"{results['false rejects'] / genuine:.3f}). The AP of all pairs together is "
        f"{results['average precision']:.3f}. The tenth of the people who fail most have {worst / wrong:.0%} of all "
        "failed pairs. Written by `benchmarks/failed_pairs.py`; [figures of the paper, made anew](paper_figures.md) "
        "shows more examples.",
        "",
    ]


def _categories(results: dict[str, Any], shown: dict[str, list[tuple[str, Failure]]]) -> list[str]:
    lines = [
        "## The paper's categories",
        "",
        "`facemotion failures --every` sorts all failed pairs by what can be measured on the features of both clips. "
        "The same cues, measured on the weights with which the engine moved the face, say what was performed. The "
        "first category that fits counts. The paper names flash motions as the reason of most false accepts, and "
        "says that nearly all false rejects have one of three reasons: another ending, another intensity, an "
        "inconsistent repetition. It gives no counts.",
        "",
        "| category | failed pairs by the features | share | by the engine's weights | share | told by |",
        "|---|---|---|---|---|---|",
    ]
    for title, names in (("false accepts", FALSE_ACCEPTS), ("false rejects", FALSE_REJECTS)):
        total = results[title]
        for name in names:
            counts = [results[how].get(name, 0) for how in ("categories", "categories by weights")]
            cells = [f"{count} | {count / total:.0%} of {title}" if total else "0 |" for count in counts]
            lines.append(f"| {name} | {' | '.join(cells)} | {CATEGORIES[name]} |")
    lines += ["", _explained(results)]
    for name, pairs in shown.items():
        if pairs:
            sort = "False accepts" if name == "failures_accepts.jpg" else "False rejects"
            scores = "; ".join(f"{category} {pair.score:.2f}" for category, pair in pairs)
            lines += [
                "",
                f"![{sort}: the worst pair of each category](../images/results/{name})",
                "",
                f"{sort}, the worst pair of each category (its cosine: {scores}). Of each clip the first frame, "
                f"the liveliest of {FRAMES - 2} equal parts of the motion, and the last.",
            ]
    return [*lines, ""]


def _explained(results: dict[str, Any]) -> str:
    """How much of what failed the paper's own categories explain, in a sentence."""

    def share(how: str, names: tuple[str, ...], total: int) -> str:
        return f"{sum(results[how].get(name, 0) for name in names) / total:.1%}" if total else "none"

    told = [
        f"{share(how, FALSE_ACCEPTS[:1], results['false accepts'])} of the false accepts and "
        f"{share(how, FALSE_REJECTS[:3], results['false rejects'])} of the false rejects"
        for how in ("categories by weights", "categories")
    ]
    return (
        f"By what was performed, the paper's four categories hold {told[0]}; by the features, {told[1]}. What the cues "
        "see in the features alone lies in how a motion is observed, and not in how it was made."
    )


def _faults(results: dict[str, Any]) -> list[str]:
    lines = [
        "## What went wrong on purpose",
        "",
        "The data engine knows in which takes something goes wrong, so no cue has to tell it. A flash is no fault of a "
        "take in version 2: some motions are flashes in all their takes.",
        "",
        "| genuine trials | number | rejected | FNMR |",
        "|---|---|---|---|",
    ]
    names = {"none": "nothing went wrong in either take", "flash": "flash motions"}
    for fault, own in results["false rejects by fault"].items():
        lines.append(f"| {names.get(fault, f'{fault} in one take or both')} | {_rate(own)} |")
    lines += ["", "| impostor trials | number | accepted | FMR |", "|---|---|---|---|"]
    for name, own in zip(("no flash motion", "one", "two"), results["false accepts by flash"], strict=True):
        lines.append(f"| {name} | {_rate(own)} |")
    lines += [
        "",
        "How many of such failures the cues find: two flash motions taken for one, and pairs of which one take alone "
        "went wrong, in one way.",
        "",
        "| on purpose | failed pairs | sorted so by the features | by the engine's weights |",
        "|---|---|---|---|",
    ]
    for flag, own in results["known"].items():
        lines.append(f"| {flag} | {own['failed']} | {own['by features']} | {own['by weights']} |")
    return [*lines, ""]


def _parts(results: dict[str, Any]) -> list[str]:
    lines = [
        "## By the part of the face that moves",
        "",
        "A pair of two motions counts in the rows of both.",
        "",
        "| part | motions | FNMR | genuine trials | FMR | impostor trials |",
        "|---|---|---|---|---|---|",
    ]
    for part, own in results["by part"].items():
        cells = [f"{_share(own[kind])} | {own[kind]['pairs']}" for kind in ("genuine", "impostor")]
        lines.append(f"| {part} | {own['motions']} | {' | '.join(cells)} |")
    return lines


def _rate(own: dict[str, int]) -> str:
    return f"{own['pairs']} | {own['failed']} | {_share(own)}"


def _share(own: dict[str, int]) -> str:
    return f"{own['failed'] / own['pairs']:.3f}" if own["pairs"] else ""
