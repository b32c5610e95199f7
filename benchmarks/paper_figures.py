"""docs/results/paper_figures.md: Fig. 5 to 9 of the paper on simulated people, drawn for benchmarks/failed_pairs.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from failed_pairs_page import QUALITY, caption, strip_of
from judged_pairs import CATEGORY_OF, Judged, is_known

from facemotion.evaluation.failures import Failure
from facemotion.evaluation.plots import plot_embeddings
from facemotion.media.strip import contact_sheet
from facemotion.synth.performance.takes import FLASH, INCONSISTENT, INTENSITY, OTHER_ENDING

if TYPE_CHECKING:
    from facemotion.cli.learning.strips import FaceStrips

FRAMES = 8  # of a clip
PEOPLE, MOTIONS = 5, 5  # in Fig. 9


@dataclass(frozen=True)
class Wanted:
    """An example that the paper shows.

    Attributes:
        number: of the paper's figure.
        title, paper: its heading, and what the paper says of it.
        flag: what goes wrong on purpose in a take of that sort.
        highest: whether the pair with the highest score is shown, or the one with the lowest.
    """

    number: int
    title: str
    paper: str
    flag: str
    highest: bool


WANTED = (
    Wanted(
        5,
        "two flash motions, taken for one",
        "Both clips show a resting face in more than 70% of their frames. The paper shows raised brows and a wink.",
        FLASH,
        highest=True,
    ),
    Wanted(
        6,
        "another ending",
        "One clip ends at the peak of the motion, the other at the resting face. The paper calls it extremely rare.",
        OTHER_ENDING,
        highest=False,
    ),
    Wanted(
        7,
        "another intensity",
        "The same motion, larger in one clip than in the other; in the paper the distance is only just too large.",
        INTENSITY,
        highest=True,
    ),
    Wanted(
        8,
        "an inconsistent repetition",
        "More than the intensity differs. The paper calls it a borderline case: hardly the same motion any more.",
        INCONSISTENT,
        highest=False,
    ),
)


def write(judged: Judged, results: dict[str, Any], strips: FaceStrips, folder: Path) -> str:
    """Draw the figures, and the page that shows them.

    Args:
        judged: all pairs.
        results: of `figures`.
        strips: of the clips.
        folder: for the pictures.
    Returns:
        The page, as Markdown.
    """
    lines = [
        "# Figures of the paper, made anew",
        "",
        "Fig. 5 to 9 of the paper on simulated people of Synth-59 version 2. The pairs are those that the best row of "
        f"[the tables](tables_v2.md) judges wrongly (`{results['row']}`, threshold {results['threshold']:.3f}); "
        "[Failed pairs](failures.md) counts them. Of each clip there is the first frame, then "
        f"the liveliest of each of {FRAMES - 2} equal parts of the motion, then the last, each with its time. People "
        "and motions are the data engine's; [where their heads and portraits come "
        "from](../explanation/synth.md#what-people-are-drawn-from). Written by `benchmarks/failed_pairs.py`.",
    ]
    lines += [
        "",
        "The tables say how much of each clip rests, how near it ends to its largest distance from rest, how many "
        "times as large one motion is as the other, and which share of their size time warping leaves between them; "
        "first by the features, then by the weights with which the engine moved the face, blinks among them.",
    ]
    for wanted in WANTED:
        lines += ["", f"## Fig. {wanted.number}: {wanted.title}", "", wanted.paper]
        chosen, how = choose(judged, wanted)
        if chosen is None:
            lines += ["", "No pair of this sort fails on our data."]
            continue
        pair, performed = judged.failures[chosen], judged.performed[chosen]
        name = f"figure{wanted.number}.jpg"
        rows = [
            (
                f"({mark}) {judged.clips.records[place].subject}, {caption(judged, place)}",
                strip_of(judged, strips, place, FRAMES),
            )
            for mark, place in (("a", pair.first), ("b", pair.second))
        ]
        contact_sheet(rows).save(folder / name, quality=QUALITY, optimize=True)
        lines += [
            "",
            f"![Fig. {wanted.number}, made anew: two clips, a row each](../images/results/{name})",
            "",
            f"{how} Its cosine is {pair.score:.3f}.",
            "",
            "| measured on | (a) rests | (b) rests | (a) ends at | (b) ends at | larger by | left | category |",
            "|---|---|---|---|---|---|---|---|",
            f"| the features | {_cues(pair)} |",
            f"| the engine's weights | {_cues(performed)} |",
        ]
    return "\n".join([*lines, "", *_map(judged, folder)]) + "\n"


def _cues(pair: Failure) -> str:
    rests = " | ".join(f"{own.neutral_share:.0%}" for own in pair.cues)
    ends = " | ".join(f"{own.ending:.0%}" for own in pair.cues)
    return f"{rests} | {ends} | {pair.intensity_ratio:.2f} | {pair.warp_residual:.2f} | {pair.category}"


def choose(judged: Judged, wanted: Wanted) -> tuple[int | None, str]:
    """Which failed pair is shown, and how it was chosen, in words.

    Pairs whose takes are of that sort on purpose come first. Where none of them fails, those that the engine's weights
    sort so are taken, if nothing went wrong in them on purpose.
    """
    pairs, category = judged.failures, CATEGORY_OF[wanted.flag]
    known = [k for k, pair in enumerate(pairs) if is_known(judged, pair, wanted.flag)]
    told = [
        k
        for k, pair in enumerate(judged.performed)
        if pair.category == category and not any(judged.truths[place].flags for place in (pair.first, pair.second))
    ]
    if known:
        where = "both takes are" if wanted.flag == FLASH else "one take is"
        how = f"In {len(known)} failed pairs {where} of this sort on purpose. Shown is the one with the"
    elif told:
        how = (
            "No failed pair has a take that is of this sort on purpose. By the weights with which the engine moved the "
            f"face {len(told)} others are. Shown is the one with the"
        )
    else:
        return None, ""
    choice = max if wanted.highest else min
    return choice(
        known or told, key=lambda k: pairs[k].score
    ), f"{how} {'highest' if wanted.highest else 'lowest'} score."


def _map(judged: Judged, folder: Path) -> list[str]:
    """Fig. 9: the first people of the first fold, whose embeddings come from one network."""
    records = judged.clips.records
    people = list(dict.fromkeys(record.subject for record in records))[:PEOPLE]
    chosen = [k for k, record in enumerate(records) if record.subject in people]
    plot_embeddings(
        judged.vectors[chosen], [records[k] for k in chosen], folder / "figure9.png", subjects=PEOPLE, motions=MOTIONS
    )
    cosines = judged.vectors[chosen] @ judged.vectors[chosen].T
    motions = np.array([records[k].motion for k in chosen])
    np.fill_diagonal(cosines, -np.inf)
    right = float(np.mean(motions[cosines.argmax(axis=1)] == motions))
    count = len(set(motions.tolist()))
    programs = [f"| {motion} | {judged.clips.programs.get(motion, '')} |" for motion in dict.fromkeys(motions.tolist())]
    return [
        "## Fig. 9: embeddings on a map",
        "",
        "t-SNE of the vectors of five people, as in the paper; each has five motions of ten takes. A mark is a person, "
        "a colour a motion.",
        "",
        "![t-SNE of the embeddings of five people](../images/results/figure9.png)",
        "",
        f"The first five people of the first fold, none chosen: {len(chosen)} clips of {count} motions, embedded by "
        f"one network that never saw them. The vector nearest to a clip's is of the same motion in {right:.1%} of the "
        "clips.",
        "",
        "| motion | what is done |",
        "|---|---|",
        *programs,
    ]
