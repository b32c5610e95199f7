"""What can go wrong with numpy's files."""

from __future__ import annotations

import tokenize
import zipfile
import zlib

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
