"""Where a clip comes from: a path or bytes, opened as a stream of bytes and held to the limits."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from facemotion.config import MediaSettings
from facemotion.errors import AcquisitionError, MediaError, MediaLimitError, UnreadableMediaError

Source = Path | str | bytes


@contextmanager
def named(source: Source) -> Iterator[None]:
    """Put the name of a clip before what is said of it, so that of several the one meant is known."""
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
