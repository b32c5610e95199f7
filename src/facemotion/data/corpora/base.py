"""What a public data set is to facemotion: who makes which motion in which file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from facemotion.system.files import natural_order
from facemotion.types import ClipKind


@dataclass(frozen=True)
class Take:
    """One take of a data set.

    Attributes:
        source: a video, or a folder of pictures.
        subject: who performs.
        motion: which motion.
        kind: what the take shows.
        session: number of the recording session, from 1.
        span: seconds of the video that are the take; all of it if not given.
        pictures: pattern of the names of its pictures, where `source` is a folder.
        rate: pictures a second, where `source` is a folder.
    """

    source: Path
    subject: str
    motion: str
    kind: ClipKind
    session: int = 1
    span: tuple[float, float] | None = None
    pictures: str = ""
    rate: float = 0.0

    @property
    def is_made(self) -> bool:
        """Whether the take has to be written as a clip of its own; others are read where they lie."""
        return self.span is not None or bool(self.pictures)


@dataclass(frozen=True)
class Corpus:
    """A public data set.

    Attributes:
        title: what it is called.
        layout: where its files lie, an example.
        takes: all takes of its folder, in a lasting order.
    """

    title: str
    layout: str
    takes: Callable[[Path], list[Take]]


def files(folder: Path, *patterns: str) -> list[Path]:
    """Files below a folder by name, in the order of their paths; numbers in names count as numbers.

    Args:
        folder: of the data set.
        *patterns: of names, such as "*.mp4".
    """
    found = {path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()}
    return sorted(found, key=lambda path: in_order(path.relative_to(folder).parts))


def in_order(parts: Iterable[str]) -> list[list[tuple[int, str]]]:
    """A key by which paths are sorted: `natural_order` of each of their names.

    Args:
        parts: names, the folder's first.
    """
    return [natural_order(part) for part in parts]


def named_part(path: Path, pattern: str) -> str:
    """The last of a path's folders that a regular expression matches wholly, or "".

    Args:
        path: of a file.
        pattern: a regular expression.
    """
    return next((part for part in reversed(path.resolve().parts[:-1]) if re.fullmatch(pattern, part)), "")
