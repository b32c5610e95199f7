"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file in one step; text in UTF-8.

    A reader sees the old file or the whole new one, also after a kill. Not for a file that several processes write: all
    use the same draft.

    Raises:
        OSError: the disk is full, or the place can't be written to; what was there before is intact.
    """
    draft = path.with_name(f"{path.name}.part")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)  # half a file fills a full disk for nothing
