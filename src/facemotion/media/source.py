"""Where a clip comes from: a path or bytes, opened as a stream of bytes and held to the limits."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facemotion.config import MediaSettings
from facemotion.errors import AcquisitionError, MediaError, MediaLimitError, UnreadableMediaError

Source = Path | str | bytes
MOST_SAMPLES_A_SECOND = 200_000
"""Entries of an MP4's tables of samples: more than of sound, whose tables may count its single values."""
TABLES = re.compile(rb"stsz|stz2|stts|ctts|trun|elst|cmov")
"""Those by which a few bytes name any number of samples. Behind the name stand version and flags, then numbers."""
MATROSKA = b"\x1a\x45\xdf\xa3"
SEGMENT, CLUSTER, GROUP, VOID = 0x18538067, 0x1F43B675, 0xA0, 0xEC
FILM = (0xA3, 0xA1)
"""Elements of a Matroska file: what holds all others, the parts of a film, a picture with what goes with it, empty
room, and the pictures."""
MOST_BESIDE = 4 * 2**20
"""Bytes of a Matroska file beside its pictures and sound: heads, an index, tags. FFmpeg takes 32 bytes of memory for
each of them where they are many small ones."""
LEAST_ELEMENT = 64
"""Bytes that an element counts as besides, however small it is."""
MOST_BOXES = 10_000
"""Of an MP4, one behind the other; a fragmented one has two for each frame."""


@contextmanager
def named(source: Source) -> Iterator[None]:
    """Put the name of a clip before the message of an error about it, so that among several clips it can be found."""
    try:
        yield
    except (MediaError, AcquisitionError) as error:
        if isinstance(source, bytes) or (name := str(source)[:200]) in str(error):
            raise
        raise type(error)(f"{name}: {error}") from error


@contextmanager
def open_bytes(source: Path | bytes, settings: MediaSettings) -> Iterator[BinaryIO]:
    """The bytes of a source as a stream.

    Raises:
        UnreadableMediaError: missing, empty or not a regular file.
        MediaLimitError: too large.
    """
    if isinstance(source, bytes):
        _check_bytes(len(source), settings)
        yield io.BytesIO(source)
        return
    try:
        if source.exists() and not source.is_file():  # asked first: opening a pipe waits for its writer
            raise UnreadableMediaError(f"{source} isn't a regular file.")
        stream = source.open("rb")
    except FileNotFoundError as error:
        where = "" if source.is_absolute() else f" in {Path.cwd()}"
        raise UnreadableMediaError(f"There is no file {source}{where}; check the path.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise UnreadableMediaError(f"Can't open {source}: {error}.") from error
    with stream:
        _check_bytes(source.stat().st_size, settings)
        yield stream


def is_folder(path: Path) -> bool:
    """Whether a path is a folder.

    Raises:
        UnreadableMediaError: the path can't be one of a file.
    """
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a null character
        raise UnreadableMediaError(f"Can't open {str(path)[:200]}: {error}.") from error


def _check_bytes(size: int, settings: MediaSettings) -> None:
    if size == 0:
        raise UnreadableMediaError("The file is empty; record the clip again.")
    if size > settings.max_mebibytes * 2**20:
        raise MediaLimitError(f"The file has {size / 2**20:.1f} MiB; at most {settings.max_mebibytes:g} are allowed.")


def check_tables(stream: BinaryIO, settings: MediaSettings) -> None:
    """Hold the tables of an MP4 file to the longest clip: FFmpeg makes an entry of 32 bytes for each sample that they
    name, before anything else of the file is looked at, and 30 kB may name a hundred million.

    Looked for in all of the file but the samples themselves, whatever boxes they lie in. The stream is at its beginning
    before and after.

    Raises:
        MediaLimitError: they name too many samples, or are packed, so that nobody can say how many; or a Matroska file
            holds too much beside its pictures.
    """
    if stream.read(4) == MATROSKA:
        stream.seek(0)
        if _beside_the_film(stream.read()) > MOST_BESIDE:
            raise MediaLimitError(
                f"The video holds more than {MOST_BESIDE / 2**20:g} MiB beside its pictures; record or export it again."
            )
        stream.seek(0)
        return
    most, edits = settings.max_seconds * MOST_SAMPLES_A_SECOND, 1
    samples = dict.fromkeys((b"stsz", b"stz2", b"stts", b"ctts", b"trun"), 0)
    for part in _all_but_samples(stream):
        for table in TABLES.finditer(part):
            kind, rest = table[0], part[table.end() + 4 :][:8]
            first, second = int.from_bytes(rest[:4], "big"), int.from_bytes(rest[4:], "big")
            match kind:
                case b"stsz" | b"stz2":
                    samples[kind] += second
                case b"trun":
                    samples[kind] += first
                case b"elst":
                    edits = max(edits, first)
                case b"stts" | b"ctts":  # pairs: of how many samples, and their time
                    pairs = part[table.end() + 8 :][: 8 * first]
                    samples[kind] += int(np.frombuffer(pairs, ">u4", len(pairs) // 8 * 2)[::2].sum(dtype=np.int64))
                case _:
                    raise MediaLimitError("The video's tables are packed; record or export the clip again.")
    stream.seek(0)
    if max(samples.values()) * edits > most:
        raise MediaLimitError(
            f"The video's tables name more than {most:.0f} samples, or cut them too often; record a shorter clip, or "
            "export this one again."
        )


def _beside_the_film(data: bytes) -> int:
    """Bytes of a Matroska file beside its pictures and sound; all of the rest from where it can't be read on."""
    place = beside = 0
    while place < len(data) and beside <= MOST_BESIDE:
        kind, begin = _number(data, place, keep_mark=True)
        size, begin = _number(data, begin, keep_mark=False) if begin else (None, 0)
        beside += LEAST_ELEMENT
        if kind in (SEGMENT, CLUSTER, GROUP) and begin:  # whether its size is known or not: what it holds comes next
            place = begin
            continue
        if not begin or size is None:
            return beside + len(data) - place
        if kind not in (*FILM, VOID):
            beside += min(begin + size, len(data)) - place
        place = begin + size
    return beside


def _number(data: bytes, place: int, *, keep_mark: bool) -> tuple[int | None, int]:
    """A number of EBML (RFC 8794, 4), and where it ends.

    Args:
        data: the file.
        place: where the number begins.
        keep_mark: whether the bit that tells its length is a part of it, as in names.
    Returns:
        None for a size that isn't known; 0 as its end where there is no number.
    """
    first = data[place] if place < len(data) else 0
    length = 9 - first.bit_length()
    if length > 8 or place + length > len(data):
        return None, 0
    value = int.from_bytes(data[place : place + length], "big")
    if keep_mark:
        return value, place + length
    value &= (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), place + length


def _all_but_samples(stream: BinaryIO) -> Iterator[bytes]:
    """The boxes of an MP4 file, but for the samples; nothing of other files.

    Read as FFmpeg does it: from the first one on, by their lengths. What can't be read so is given whole.
    """
    end, place = stream.seek(0, io.SEEK_END), 0
    for _ in range(MOST_BOXES):
        stream.seek(place)
        head = stream.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if place == 0 and size > end and not kind.isalnum():
            return
        if not 8 <= size < end - place:
            break
        if kind != b"mdat":
            stream.seek(place)
            yield stream.read(size)
        place += size
    if kind != b"mdat":
        stream.seek(place)
        yield stream.read()
