"""Lips of speakers of the GRID corpus: one npz file a speaker, each sentence in six words.

`sN.npz` of the speaker sN holds `points` (F, 9, 2) int16 in 1/32 pixel from the middle between the eyes, 25 frames/s;
`clip` names of sentences; `first` frame of each; `words` and `frames` (S, 8), the words said and the frames of each,
where "sp" is a pause. The corpus: Cooke, Barker, Cunningham and Shao, An audio-visual corpus for speech perception and
automatic speech recognition, 2006.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.series.base import LEAST_FRAMES, PointSeries
from facemotion.data.series.reading import TEXT, WHOLE, check_kinds, read_arrays
from facemotion.errors import SeriesFormatError, SeriesUnitError
from facemotion.types import ClipKind, FloatArray

NAMES = tuple(f"mesh.{number}" for number in (78, 308, 13, 14, 152, 311, 81, 402, 178))
UNITS_A_PIXEL = 32
RATE = 25.0
PAUSE = "sp"
PHRASE = slice(0, 3)  # command, colour, preposition
END = slice(4, 6)  # digit, adverb


def read_phrases(folder: Path) -> list[PointSeries]:
    """The first three words of every sentence, a motion of the speaker by their names.

    Raises:
        SeriesFormatError, SeriesUnitError: a file isn't as the module says.
        SeriesError: see PointSeries.
    """
    return _read(folder, PHRASE)


def read_ends(folder: Path) -> list[PointSeries]:
    """As `read_phrases`, the last two words of every sentence: further motions to train on."""
    return _read(folder, END)


def _read(folder: Path, part: slice) -> list[PointSeries]:
    files = sorted(folder.glob("*.npz"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise SeriesFormatError(f"{folder} holds no npz file; name the folder with one file per speaker (s1.npz, ...).")
    return [series for path in files for series in _speaker(path, part)]


def _speaker(path: Path, part: slice) -> Iterator[PointSeries]:
    arrays = read_arrays(path, "points", "clip", "first", "words", "frames")
    points, words = arrays["points"], arrays["words"]
    if points.dtype != np.int16:
        raise SeriesUnitError(f"{path}: points are {points.dtype}, not int16 in 1/{UNITS_A_PIXEL} pixel.")
    if points.ndim != 3 or points.shape[1:] != (len(NAMES), 2):
        raise SeriesFormatError(f"{path}: points are {points.shape}, not (F, {len(NAMES)}, 2).")
    check_kinds(path, arrays, ("first", "frames"), WHOLE)
    check_kinds(path, arrays, ("clip", "words"), TEXT)
    wanted = {"clip": words.shape[:1], "first": words.shape[:1], "frames": words.shape}
    if words.ndim != 2 or not len(words) or any(arrays[name].shape != shape for name, shape in wanted.items()):
        raise SeriesFormatError(f"{path}: clip, first, words and frames aren't of one length, or empty.")
    first = arrays["first"].astype(np.int64)
    lengths = np.diff(first, append=len(points))
    wrong = np.flatnonzero(lengths != arrays["frames"].sum(axis=1))
    if first[0] != 0 or len(wrong):
        raise SeriesFormatError(
            f"{path}: the frames of the words of {arrays['clip'][wrong[0] if len(wrong) else 0]} aren't those of its "
            "clip; the file is damaged."
        )
    scaled: FloatArray = np.asarray(points / UNITS_A_PIXEL, np.float32)
    taken: Counter[str] = Counter()
    for clip, start, row, frames in zip(arrays["clip"], first, words, arrays["frames"], strict=True):
        said, begin, end = _part(row.tolist(), frames, part)
        if not said:
            raise SeriesFormatError(f"{path}: {clip} has fewer words than a sentence of GRID.")
        if end - begin < LEAST_FRAMES:
            continue
        motion = "_".join(said)
        values = scaled[start + begin : start + end].copy()
        yield PointSeries(
            values,
            np.arange(len(values)) / RATE,
            NAMES,
            "pixel",
            path.stem,
            motion,
            ClipKind.LIP,
            repetition=taken[motion],
            source=f"{path.name}, {clip}",
        )
        taken[motion] += 1


def _part(words: Sequence[str], frames: NDArray[np.int16], part: slice) -> tuple[list[str], int, int]:
    """The words of a part of a sentence, its first frame and the one after its last; no words if it is shorter."""
    spoken = [place for place, word in enumerate(words) if word and word != PAUSE][part]
    if len(spoken) < part.stop - part.start:
        return [], 0, 0
    ends = np.cumsum(frames.astype(np.int64))
    begin = int(ends[spoken[0]] - frames[spoken[0]])
    return [words[place] for place in spoken], begin, int(ends[spoken[-1]])
