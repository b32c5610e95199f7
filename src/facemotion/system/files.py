"""The user's own folders, files written whole or not at all, where they may not fit, and files known by bytes."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from facemotion.errors import WriteError

log = logging.getLogger(__name__)
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a system says of a disk that takes no more; of a file that was open already, without its name."""


def user_folder(kind: Literal["config", "data", "cache"]) -> Path | None:
    """The folder for facemotion's files of a user, which may not be there yet.

    Returns:
        An absolute path; None where the user has no home: no HOME, and a user id without a name, as in containers.
    """
    import platformdirs

    find = {
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
    }[kind]
    try:
        path = find("facemotion")
    except RuntimeError:
        return None
    return path if path.is_absolute() else None  # earlier versions of platformdirs leave the "~" as it is


def warn_if_anybody_writes(path: Path, what: str) -> None:
    """Log a warning where every user of this machine may change a file that decides who gets in.

    Args:
        path: there.
        what: it is, such as "store".
    """
    if os.name == "posix" and path.stat().st_mode & stat.S_IWOTH:
        log.warning("Anybody on this machine may write the %s %s; `chmod o-w` it.", what, path)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A draft to write within, which takes the file's place at the end.

    A reader sees the old file or the whole new one, also after a kill. Not for a file that several processes write: all
    would use the same draft.

    Raises:
        OSError: the disk is full, or the place can't be written to; what was there before is intact.
    """
    draft = path.with_name(f"{path.name}.part")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)  # half a file fills a full disk for nothing


def sync_folder(folder: Path) -> None:
    """Let a power cut lose none of the names in a folder. Windows opens no folder, and keeps their names by itself.

    Raises:
        OSError: it can't be read.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file as `whole` does; text in UTF-8.

    Raises:
        OSError: as `whole`.
    """
    with whole(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Name what can't be written within.

    Raises:
        WriteError: the disk is full, or the place can't be written to.
    """
    try:
        yield
    except OSError as error:
        remedy = "make room and run the same command again" if error.errno in FULL else "choose another place"
        raise WriteError(f"Can't write {path}: {error.strerror}; {remedy}.") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as people do: the numbers in them count as numbers.

    >>> sorted(["take10", "take2"], key=natural_order)
    ['take2', 'take10']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
