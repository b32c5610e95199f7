"""How numba compiles what the data engine does to every vertex and pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code, kept for the next process where there is a place for it.

    Where neither the package nor the user's cache folder can be written, as in a container with a read-only disk, each
    process compiles for itself.
    """
    try:
        return cast(Function, njit(cache=True, fastmath=True, nogil=True)(function))
    except RuntimeError:  # numba found no place for its cache
        return cast(Function, njit(fastmath=True, nogil=True)(function))
