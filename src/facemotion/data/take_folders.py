"""Clips without a manifest: a folder a subject, in it a folder a motion, in it a file a take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facemotion.data.manifest import MANIFEST, Manifest, read_manifest
from facemotion.errors import ManifestError
from facemotion.system.files import natural_order
from facemotion.types import ClipKind, ClipRecord


def read_clips(place: Path) -> Manifest:
    """The clips of a manifest, of a folder that holds one, or of folders of subjects, motions and takes.

    Args:
        place: a CSV file; a folder with `manifest.csv`; or a folder laid out SUBJECT/MOTION/TAKE, whose takes are
            facial motions, numbered in the order of their names (`take2` before `take10`).
    Raises:
        ManifestError: neither is there, or see `read_manifest`.
    """
    if not place.is_dir():
        return read_manifest(place)
    if (place / MANIFEST).exists():
        return read_manifest(place / MANIFEST)
    records = tuple(_records(place))
    if not records:
        raise ManifestError(
            f"{place} holds no {MANIFEST} and no takes laid out SUBJECT/MOTION/TAKE; sort the clips into such folders, "
            "or write a manifest."
        )
    return Manifest(place, records)


def _records(folder: Path) -> Iterator[ClipRecord]:
    for subject in visible_files(folder):
        for motion in visible_files(subject) if subject.is_dir() else ():
            takes = visible_files(motion) if motion.is_dir() else []
            for number, take in enumerate(takes):
                path = take.relative_to(folder).as_posix()
                yield ClipRecord(path, subject.name, motion.name, ClipKind.FACIAL, number, 1)


def visible_files(folder: Path) -> list[Path]:
    """Files and folders in a folder, in the order of `natural_order`; hidden files are a system's."""
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(visible, key=lambda path: natural_order(path.name))
