"""Writes the tables of messages in docs/reference/service.md from the models that the service checks them with.

    python -m tools.service_messages

A test fails where the page isn't as this writes it.
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from benchmarks.sections import write_section
from fastapi.routing import APIRoute

from facemotion.service.http import messages
from facemotion.service.http.routes import routes
from facemotion.service.http.session_routes import session_routes
from facemotion.service.live import protocol
from facemotion.service.problems import Message, Problem

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "service.md"
SIMPLE: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    datetime: "time, ISO 8601",
    types.NoneType: "null",
}
BODIES: dict[Any, str] = {
    messages.NonceRequest: "`createNonce`",
    messages.SessionRequest: "`createSession`",
    messages.PageRequest: "`openPage`, `pageNonce`, `endPage`",
}
COUNTS = {2: "two", 3: "three", 4: "four"}


def tables() -> dict[str, str]:
    """The sections of the page by their names."""
    rest = [kind for kind in _models(messages) if kind is not Message]
    live = [kind for kind in _models(protocol) if kind is not protocol.FromClient]
    return {
        "problem": _table("message", [("**Problem**", Problem)]),
        "rest": _table("message", [(f"**{kind.__name__}**, {_use(kind)}", kind) for kind in rest]),
        "live-client": _table(
            "the client sends",
            [(f"**{kind.__name__}**", kind) for kind in live if issubclass(kind, protocol.FromClient)],
        ),
        "live-service": _table(
            "the service sends",
            [(f"**{kind.__name__}**", kind) for kind in live if not issubclass(kind, protocol.FromClient)],
        ),
    }


def type_words(kind: Any) -> str:
    """A type of a field as a reader of the page knows it."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{_as_json(value)}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(type_words(one) for one in inner)
    if origin is list:
        return f"list of {_plural(inner[0])}"
    if origin is dict:
        return f"object: {type_words(inner[0])} to {type_words(inner[1])}"
    if origin is tuple:
        return f"list of {COUNTS[len(inner)]} {_plural(inner[0])}"
    if isinstance(kind, type) and issubclass(kind, Message):
        return kind.__name__
    raise TypeError(f"The page has no words for the type {kind}; add them to SIMPLE.")


def _plural(kind: Any) -> str:
    words = type_words(kind)
    return f"{words}s" if kind in (str, int, float) else words.replace("list ", "lists ", 1)


def _as_json(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _models(module: types.ModuleType) -> list[type[Message]]:
    """The models that a module defines, in its order."""
    values = vars(module).values()
    kinds = [value for value in values if isinstance(value, type) and issubclass(value, Message)]
    return [kind for kind in kinds if kind.__module__ == module.__name__]


def _use(kind: type[Message]) -> str:
    """Which operations of REST send or answer a message, or which message it is a part of."""
    if kind in BODIES:
        return f"body of {BODIES[kind]}"
    operations = [
        f"`{route.operation_id}`"
        for route in (*routes().routes, *session_routes().routes)
        if isinstance(route, APIRoute) and route.response_model is kind and route.include_in_schema
    ]
    if operations:
        return f"answer of {', '.join(operations)}"
    owners = [
        model.__name__
        for model in _models(messages)
        if any(kind.__name__ in type_words(field.annotation).split() for field in model.model_fields.values())
    ]
    return f"part of {', '.join(owners)}"


def _table(heading: str, rows: Iterable[tuple[str, type[Message]]]) -> str:
    lines = [f"| {heading} | field | type | meaning |", "|---|---|---|---|"]
    for title, kind in rows:
        words = " ".join((kind.__doc__ or "").split())
        lines.append(f"| {title}: {words[0].lower()}{words[1:].rstrip('.')} | | | |")
        for name, field in kind.model_fields.items():
            if not field.description:
                raise ValueError(f"{kind.__name__}.{name} has no description; add one to its Field.")
            lines.append(f"| | `{name}` | {type_words(field.annotation)} | {field.description} |")
    return "\n".join(lines)


if __name__ == "__main__":
    for name, text in tables().items():
        write_section(PAGE, name, text)
