"""Settings of a test are made from others by name, never by replacing text of a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from facemotion.config import to_toml

T = TypeVar("T")


def changed(settings: T, changes: Mapping[str, object]) -> T:
    """A copy of settings with some values changed.

    Args:
        settings: a dataclass of settings.
        changes: the new value of each dotted name; in a tuple a number names one element, `*` names all of them
            ("ours.*.optimiser.steps").

    Raises:
        TypeError: no field has that name.
        IndexError: a tuple has no element of that number.
    """
    for name, value in changes.items():
        settings = _put(settings, name.split("."), value)
    return settings


def _put(node: Any, names: list[str], value: object) -> Any:
    if not names:
        return value
    first, *rest = names
    if isinstance(node, tuple):
        places = range(len(node)) if first == "*" else [int(first)]
        whole = list(node)
        for place in places:
            whole[place] = _put(node[place], rest, value)
        return tuple(whole)
    return dataclasses.replace(node, **{first: _put(getattr(node, first, None), rest, value)})


def save(settings: Any, path: Path, changes: Mapping[str, object] | None = None) -> Path:
    """Write settings, with some values changed, as TOML; returns the path."""
    path.write_text(to_toml(changed(settings, changes or {})), "utf-8")
    return path
