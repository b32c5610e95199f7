"""Writes options.md, all_settings.md and http.md of docs/reference from commands, settings classes and OpenAPI.

    python -m tools.reference_pages

A test fails where a page isn't as this writes it.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from tools.http_reference import http_page

from facemotion.cli import app
from facemotion.config import Settings
from facemotion.experiments.paper_plan import TableSettings
from facemotion.service.settings import ServiceSettings
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.synth.sets.stills import StillSettings
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.extractor.settings import SfeSettings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
NOTE = "*Written by `python -m tools.reference_pages`; change the code, not this page.*"
FILES: tuple[tuple[str, str, type], ...] = (
    ("Verification", "`--config FILE`; [how the file is found](settings.md)", Settings),
    ("The service", "`facemotion serve --service FILE`; [the service](service.md)", ServiceSettings),
    (
        "Training an encoder",
        "`facemotion train encoder CONFIG` and `facemotion crossval CONFIG`; [training](training.md)",
        TrainingSettings,
    ),
    (
        "Training an extractor",
        "`facemotion train sfe CONFIG`; [extractors](../how-to/extractors.md)",
        SfeSettings,
    ),
    ("The paper's tables", "`facemotion tables CONFIG`; [training](training.md#tables)", TableSettings),
    (
        "Data sets of simulated people",
        "`facemotion synth dataset OUT --settings FILE`; [the data engine](../explanation/synth.md)",
        DatasetSettings,
    ),
    (
        "Stills of simulated people",
        "options of `facemotion synth stills OUT`; [stills](../explanation/synth.md#stills)",
        StillSettings,
    ),
)
"""Heading, where it is read, and class of every kind of settings file."""


def settings_page() -> str:
    """The page of all settings; a table that several files share stands with the first file that is all about it."""
    owners = {kind: title for title, _, kind in FILES}
    parts = [
        "# All settings",
        NOTE,
        "Every value of every settings file, by the file that it is read from. A name in square brackets is a table of "
        "the file; `[[...]]` may be repeated. Values outside the range, wrong types and unknown names are refused with "
        "a message that says what is allowed.",
    ]
    for title, where, kind in FILES:
        parts += [f"## {title}", f"Read by {where}. {_sentence(kind)}"]
        for name, settings, repeated in tables_of(kind):
            shown = f"[[{name}]]" if repeated else f"[{name}]"
            if name and settings in owners:
                link = f"[{owners[settings]}](#{_anchor(owners[settings])})"
                parts.append(f"**`{shown}`**: the settings of {link}.")
                continue
            if name:
                parts.append(f"**`{shown}`**: {_lower(_sentence(settings))}")
            rows = list(_rows(settings))
            if rows:
                parts.append("\n".join(["| setting | default | range | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def tables_of(kind: type, name: str = "") -> Iterator[tuple[str, type, bool]]:
    """The tables of a settings file: dotted name, class, and whether it may be repeated; the top first."""
    yield name, kind, False
    owners = [own for _, _, own in FILES]
    for spec, hint in _fields(kind):
        inner, repeated = _inner(hint)
        if inner is None:
            continue
        dotted = f"{name}.{spec.name}" if name else spec.name
        if repeated or inner in owners:
            yield dotted, inner, repeated
            nested = [] if inner in owners else list(tables_of(inner, dotted))[1:]
            yield from nested
        else:
            yield from tables_of(inner, dotted)


def _fields(kind: type) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = typing.get_type_hints(kind)
    return [(spec, hints[spec.name]) for spec in dataclasses.fields(kind)]


def _inner(hint: Any) -> tuple[type | None, bool]:
    """The settings class behind a type, and whether it is a list of them."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint, False
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (hint,) = (one for one in inner if one is not types.NoneType)
        return _inner(hint)
    if origin is tuple and dataclasses.is_dataclass(inner[0]):
        return inner[0], True
    return None, False


def _rows(kind: type) -> Iterator[str]:
    for spec, hint in _fields(kind):
        if _inner(hint)[0] is not None:
            continue
        if not spec.metadata.get("doc"):
            raise ValueError(f"{kind.__name__}.{spec.name} has no meaning; make it with `option`.")
        unit = spec.metadata["unit"]
        meaning = f"{spec.metadata['doc']}{f' ({unit})' if unit else ''}"
        yield f"| `{spec.name}` | {_value(spec.default)} | {_range(spec)} | {meaning.replace('|', '/')} |"


def _range(spec: dataclasses.Field[Any]) -> str:
    low, high, choices = (spec.metadata[name] for name in ("minimum", "maximum", "choices"))
    if choices:
        return ", ".join(_value(str(choice)) for choice in choices)
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    if low is not None:
        return f"{_number(low)} or more"
    return "" if high is None else f"{_number(high)} or less"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"`[{', '.join(_plain(entry) for entry in value)}]`"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _sentence(kind: type) -> str:
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())


def _lower(sentence: str) -> str:
    """A sentence after a colon; names such as AdamW or H.264 keep their capitals."""
    first = sentence.partition(" ")[0]
    return sentence if first != first.capitalize() else sentence[0].lower() + sentence[1:]


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-").replace("'", "")


def options_page() -> str:
    """The page of every command's arguments and options, with their defaults."""
    parts = [
        "# Options of every command",
        NOTE,
        "What each command does is described in [commands](commands.md). Every command also takes `--help`.",
    ]
    for name, command in _commands(typer.main.get_command(app)):
        wanted = [one for one in command.params if one.name != "help" and not one.hidden]
        usage = [
            f"{_argument(one)}{'...' if one.nargs == -1 else ''}" for one in wanted if one.param_type_name == "argument"
        ]
        parts.append(f"## `{' '.join(['facemotion', name, *usage])}`")
        if wanted:
            parts.append("\n".join(["| | default | meaning |", "|---|---|---|", *map(_option_row, wanted)]))
    return "\n\n".join(parts) + "\n"


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _argument(one: Any) -> str:
    return (one.metavar or one.name).upper().rstrip(".")


def _option_row(one: Any) -> str:
    if one.param_type_name == "argument":
        name, default = f"`{_argument(one)}`", "needed" if one.required else ""
    else:
        name = ", ".join(f"`{text}`" for text in (*one.opts, *one.secondary_opts))
        default = "needed" if one.required else _default(one.default)
    variable = f" (or `{one.envvar}`)" if isinstance(one.envvar, str) else ""
    return f"| {name} | {default} | {(one.help or '').replace('|', '/')}{variable} |"


def _default(value: Any) -> str:
    """A default as the table shows it; nothing where none is set."""
    if value is False or not value or callable(value):
        return "`0`" if value == 0 and value is not False else ""
    return f"`{', '.join(map(str, value)) if isinstance(value, list | tuple) else value}`"


PAGES = {"options.md": options_page, "all_settings.md": settings_page, "http.md": lambda: http_page(NOTE)}

if __name__ == "__main__":
    for file, page in PAGES.items():
        (FOLDER / file).write_text(page(), "utf-8")
