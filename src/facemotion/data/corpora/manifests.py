"""A public data set becomes a manifest; what has to be cut or joined from pictures becomes clips beside it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.data.corpora.acted import ACTED
from facemotion.data.corpora.base import Corpus, Take, in_order
from facemotion.data.corpora.spoken import SPOKEN
from facemotion.data.manifest import MANIFEST, write_manifest
from facemotion.data.take_folders import read_clips
from facemotion.errors import DataError
from facemotion.media import read_frames
from facemotion.media.write import write_video
from facemotion.system.files import room_for
from facemotion.types import ClipRecord

CLIPS = "clips"  # folder of those that are made
QUALITY = 16  # constant rate factor of clips that are made; their loss can't be seen


def _plain(folder: Path) -> list[Take]:
    manifest = read_clips(folder)
    return [
        Take(manifest.file(record), record.subject, record.motion, record.kind, record.session)
        for record in manifest.records
    ]


CORPORA: dict[str, Corpus] = SPOKEN | ACTED | {"plain": Corpus("folder of takes", "anna/wink-pout/1.mp4", _plain)}
"""By the name that `facemotion data import` takes."""


@dataclass(frozen=True)
class ImportedClips:
    """What an import wrote.

    Attributes:
        clips, subjects, motions: how many; motions of two subjects are two.
        left_out: takes of motions that were made only once, which nothing can be learned from.
        made: clips that were cut or joined, in the folder `clips`; the others are read where they lie.
    """

    clips: int
    subjects: int
    motions: int
    left_out: int
    made: int


def import_corpus(
    name: str, source: Path, out: Path, progress: Callable[[int, int], None] | None = None
) -> ImportedClips:
    """Write `manifest.csv` of a data set, and the clips that have to be made; clips that are there stay.

    Args:
        name: of CORPORA.
        source: folder of the data set, as it is published.
        out: folder to write, or to continue.
        progress: told how many takes are done, and of how many.
    Raises:
        DataError: no such data set or folder; it holds no take, or only motions made once.
        MediaError: a clip that has to be cut can't be read.
        WriteError: the folder can't be written.
    """
    if name not in CORPORA:
        raise DataError(f"There is no data set {name!r}; choose among {', '.join(CORPORA)}.")
    corpus = CORPORA[name]
    if not source.is_dir():
        raise DataError(f"There is no folder {source}; name the one that holds {corpus.title}.")
    everything = corpus.takes(source)
    if not everything:
        raise DataError(f"{source} doesn't look like {corpus.title}: no file lies there as {corpus.layout} does.")
    times = Counter((take.subject, take.motion) for take in everything)
    kept = [take for take in everything if times[take.subject, take.motion] > 1]
    if not kept:
        raise DataError(f"{source}: every motion was made only once; record each at least twice.")
    numbers: Counter[tuple[str, str]] = Counter()
    records = []
    for done, take in enumerate(kept, 1):
        number = numbers[take.subject, take.motion]
        numbers[take.subject, take.motion] += 1
        path = _made(take, number, out) if take.is_made else _seen_from(out, take.source)
        records.append(ClipRecord(path, take.subject, take.motion, take.kind, number, take.session))
        if progress:
            progress(done, len(kept))
    records.sort(key=lambda record: in_order([record.subject, record.motion, str(record.repetition)]))
    with room_for(out):
        out.mkdir(parents=True, exist_ok=True)
        write_manifest(out / MANIFEST, records)
    return ImportedClips(
        len(kept),
        len({take.subject for take in kept}),
        len(numbers),
        len(everything) - len(kept),
        sum(take.is_made for take in kept),
    )


def _seen_from(out: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _made(take: Take, number: int, out: Path) -> str:
    """Path of a take's own clip, relative to `out`; written unless it is there."""
    words = [re.sub(r"[^\w-]+", "-", text) for text in (take.subject, take.motion)]
    path = f"{CLIPS}/{words[0]}/{words[1]}_{number:03d}.mp4"
    if not (out / path).exists():
        with room_for(out):
            (out / path).parent.mkdir(parents=True, exist_ok=True)
        frames = _joined(take) if take.pictures else _cut(take)
        first = next(frames, None)
        if first is None:
            raise DataError(f"{take.source} ends before its take begins; its alignment is of another video.")
        write_video(chain([first], frames), out / path, QUALITY)
    return path


def _cut(take: Take) -> Iterator[tuple[NDArray[np.uint8], float]]:
    begin, end = take.span or (0.0, float("inf"))
    first = None
    for frame, seconds in read_frames(take.source, MediaSettings()):
        if begin <= seconds <= end:
            first = seconds if first is None else first
            yield frame, seconds - first


def _joined(take: Take) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Frames of a folder that holds other pictures too."""
    with tempfile.TemporaryDirectory(prefix="facemotion-") as folder:
        for picture in sorted(take.source.glob(take.pictures), key=lambda path: in_order([path.name])):
            shutil.copy(picture, folder)
        yield from read_frames(Path(folder), MediaSettings(), take.rate)
