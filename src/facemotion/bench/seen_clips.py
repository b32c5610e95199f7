"""The clips of a bench, seen once: by one process or several, kept for the next time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facemotion.config import Settings
from facemotion.data.cache import SightingCache
from facemotion.data.manifest import Manifest
from facemotion.errors import DataError, MediaError
from facemotion.frontend import Frontend
from facemotion.frontend.sighting import Sighting
from facemotion.system.files import file_sha256
from facemotion.system.processes import name_killed, run_tasks
from facemotion.types import ClipRecord


@dataclass(frozen=True, eq=False)
class SeenClip:
    """What became of one clip.

    Attributes:
        record: its labels.
        digest: SHA-256 of its bytes; empty where they can't be read.
        sighting: what was seen of it; None where nothing could be read of it.
        fault: why, in one sentence; empty where it was read.
    """

    record: ClipRecord
    digest: str
    sighting: Sighting | None
    fault: str = ""


def see_clips(manifest: Manifest, settings: Settings, cache: SightingCache, jobs: int = 1) -> Iterator[SeenClip]:
    """What the front end of the settings sees of every clip of a manifest.

    A clip that cannot be read, or is a copy of one before it, is listed with its fault and raises nothing.
    What was seen is kept when the work is cut off, and costs nothing when it is done again.

    Args:
        manifest: the clips.
        settings: of the front end and of the cache.
        cache: where what was seen is kept.
        jobs: processes that read side by side, at least 1.
    Yields:
        One result per clip, in order.
    Raises:
        DataError: a process was killed, or the cache can't be written.
    """
    digests: list[str] = []
    faults: list[str] = []
    first: dict[str, str] = {}
    for record in manifest.records:
        digest, fault = "", ""
        try:
            digest = file_sha256(manifest.file(record))
            if digest in first:
                fault = f"It is the same recording as {first[digest]}; keep one."
            first.setdefault(digest, record.path)
        except OSError as error:
            fault = f"It can't be read: {error.strerror}."
        digests.append(digest)
        faults.append(fault)
    files = [(manifest.file(record),) for record, fault in zip(manifest.records, faults, strict=True) if not fault]
    with name_killed(DataError, "looked at clips"):
        answers = run_tasks(_load, (cache, settings), _watch, files, jobs)
        for record, digest, fault in zip(manifest.records, digests, faults, strict=True):
            answer = fault or next(answers)
            if isinstance(answer, Sighting):
                answer = _misplaced(record, answer) or answer
            if isinstance(answer, Sighting):
                yield SeenClip(record, digest, answer)
            else:
                yield SeenClip(record, digest, None, answer)


def _misplaced(record: ClipRecord, sighting: Sighting) -> str:
    """What is wrong with where the motion is marked, or nothing."""
    seconds = float(sighting.times[-1] - sighting.times[0]) if len(sighting) else 0.0
    if record.span is None or record.span[0] < seconds:
        return ""
    return f"Its motion is marked from {record.span[0]:g} s on, but it lasts {seconds:.2f} s; mark it in seconds."


def _load(cache: SightingCache, settings: Settings) -> tuple[SightingCache, Frontend]:
    return cache, Frontend.load(settings)


def _watch(shared: tuple[SightingCache, Frontend], clip: Path) -> Sighting | str:
    """What is seen of one clip, or why it can't be read."""
    cache, frontend = shared
    try:
        return cache.get(clip, frontend.watch)
    except MediaError as error:
        return str(error).removeprefix(f"{clip}: ")
