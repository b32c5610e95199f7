"""How facts are kept and shown."""

from __future__ import annotations

from typing import Any

Facts = dict[str, Any]
"""Values of JSON by name, in the order in which they are shown."""


def plain(value: object) -> str:
    """A fact as text in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {plain(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    return "none" if value is None else str(value)
