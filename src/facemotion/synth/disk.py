"""Writing files that may not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facemotion.errors import WriteError


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Name what can't be written within.

    Raises:
        WriteError: the disk is full, or the place can't be written to.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(f"Can't write {path}: {error.strerror}; make room and run the same command again.") from error
