"""Numpy's files: arrays as bytes, and what can go wrong."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

DAMAGE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy raises on a damaged npz file, besides OSError."""


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """The arrays of an npz file, each read when it is asked for. `np.load` of a path would leave a damaged file open.

    Raises:
        OSError: it can't be read.
        DAMAGE: it isn't an npz file of plain arrays, or only a part of one.
    """
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        yield file


def pack(**arrays: NDArray[Any]) -> bytes:
    """The content of a compressed npz file of arrays, by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
