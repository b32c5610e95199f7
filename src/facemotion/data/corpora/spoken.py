"""Data sets of people who speak the same words several times."""

from __future__ import annotations

import re
from functools import partial
from itertools import groupby
from pathlib import Path

from facemotion.data.corpora.base import Corpus, Take, files, in_order, named_part
from facemotion.errors import DataError
from facemotion.types import ClipKind

GRID_SPEAKER = r"s\d+"
GRID_TICKS = 25_000  # of an alignment, in a second
GRID_PHRASE = 3  # words: command, colour, preposition
GRID_MARGIN = {"phrase": 0.2, "word": 0.1}  # seconds before and after what was said
PAUSES = frozenset({"sil", "sp"})
MIRACL_RATE = 15.0  # pictures a second
OULU_TAKES = 3  # of each string of digits and each phrase
OULU_KINDS = ((1, "digits"), (31, "phrase"), (61, "sentence"))  # number of the first utterance of each


def grid(folder: Path, unit: str) -> list[Take]:
    """GRID: sentences of six words, cut to their first three words or to each word by the alignments.

    Args:
        folder: holds videos `sN/.../bbaf2n.mpg` and alignments `.../sN/.../bbaf2n.align`.
        unit: "phrase" or "word".
    Raises:
        DataError: a video has no alignment, or it can't be read.
    """
    said = {(named_part(path, GRID_SPEAKER), path.stem): path for path in files(folder, "*.align")}
    takes = []
    for video in files(folder, "*.mpg", "*.mp4"):
        speaker = named_part(video, GRID_SPEAKER)
        if not speaker:
            continue
        path = said.get((speaker, video.stem))
        if path is None:
            raise DataError(
                f"{video} has no alignment {speaker}/{video.stem}.align; unpack the alignments of GRID too."
            )
        words = [row for row in _aligned(path) if row[2] not in PAUSES]
        margin = GRID_MARGIN[unit]
        groups = [words[:GRID_PHRASE]] if unit == "phrase" else [[word] for word in words]
        for group in groups:
            span = (max(0.0, group[0][0] - margin), group[-1][1] + margin)
            motion = " ".join(word for _, _, word in group)
            takes.append(Take(video, speaker, motion, ClipKind.LIP, span=span))
    return takes


def _aligned(path: Path) -> list[tuple[float, float, str]]:
    """Begin and end in seconds, and the word, of each row of an alignment."""
    try:
        rows = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
        found = [(int(begin) / GRID_TICKS, int(end) / GRID_TICKS, word) for begin, end, word in rows]
    except (OSError, ValueError) as error:
        raise DataError(f"{path} isn't an alignment of GRID: each line needs begin, end and word.") from error
    if len([word for _, _, word in found if word not in PAUSES]) < GRID_PHRASE:
        raise DataError(f"{path} names fewer than {GRID_PHRASE} words.")
    return found


def miracl(folder: Path) -> list[Take]:
    """MIRACL-VC1: ten words and ten phrases, ten times each, as folders of colour and depth pictures.

    Args:
        folder: holds `F01/words/01/01/color_001.jpg`: speaker, words or phrases, which one, which take.
    """
    takes = []
    pictures = files(folder, "color_*.jpg")
    for place, _ in groupby(pictures, key=lambda path: path.parent):
        match = re.search(r"/([FM]\d+)/(word|phrase)s/(\d+)/\d+$", place.resolve().as_posix())
        if match:
            motion = f"{match[2]} {match[3]}"
            takes.append(Take(place, match[1], motion, ClipKind.LIP, pictures="color_*.jpg", rate=MIRACL_RATE))
    return takes


def oulu(folder: Path) -> list[Take]:
    """OuluVS2, the frontal camera: ten strings of digits and ten phrases, three times each, and sentences said once.

    Args:
        folder: holds `.../sS_v1_uU.mp4`: speaker, view and utterance.
    """
    takes = []
    for path in files(folder, "*.mp4"):
        match = re.fullmatch(r"s(\d+)_v1_u0*([1-9]\d*)", path.stem)
        if match is None:
            continue
        number = int(match[2])
        first, kind = max(pair for pair in OULU_KINDS if pair[0] <= number)
        which = number - first if kind == "sentence" else (number - first) // OULU_TAKES
        takes.append(Take(path, f"s{int(match[1])}", f"{kind} {which + 1}", ClipKind.LIP))
    return sorted(takes, key=lambda take: in_order([take.subject, take.source.stem]))


SPOKEN = {
    "grid": Corpus("GRID", "s1/bbaf2n.mpg and alignments/s1/bbaf2n.align", partial(grid, unit="phrase")),
    "grid-words": Corpus("GRID", "s1/bbaf2n.mpg and alignments/s1/bbaf2n.align", partial(grid, unit="word")),
    "miracl-vc1": Corpus("MIRACL-VC1", "F01/words/01/01/color_001.jpg", miracl),
    "ouluvs2": Corpus("OuluVS2", "s1_v1_u31.mp4", oulu),
}
"""By the name that `facemotion data import` takes."""
