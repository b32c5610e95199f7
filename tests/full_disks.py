"""Disks without room: a small one, mounted where that is allowed, and a file on the device that is always full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ALWAYS_FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not ALWAYS_FULL.exists(), reason="there is no device that is always full")


@contextmanager
def small_disk_at(folder: Path) -> Iterator[None]:
    """Put a disk of 400 kB over a folder; the test is skipped where that isn't allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill_disk(folder: Path, room: int) -> Path:
    """Fill a small disk with a film, so that so many bytes are left."""
    film, there = folder / ".another-film", os.statvfs(folder)
    film.write_bytes(bytes(max(there.f_bavail * there.f_frsize - room, 0)))
    return film


def make_full(path: Path) -> None:
    """Let what is written to a path find a disk without room."""
    path.symlink_to(ALWAYS_FULL)
