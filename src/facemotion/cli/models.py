"""`facemotion models`."""

from __future__ import annotations

from typing import Annotated

import typer

from facemotion.cli.console import ConfigOption, JsonOption, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(models)


def models(
    name: Annotated[str, typer.Argument(help="Show the whole card of one model.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the models, whether their files are sound, and their cards."""
    from dataclasses import asdict

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.config import load_settings
    from facemotion.errors import ModelError
    from facemotion.models import card, load_cards, model_path

    settings = load_settings(config).runtime
    if name:
        whole = asdict(card(name, settings))
        if json:
            print_json(whole)
            return
        table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
        for key, value in whole.items():
            if value:
                table.add_row(key.replace("_", " "), _plain(value))
        Console().print(table)
        return
    states: dict[str, str] = {}
    for each in load_cards(settings):
        try:
            model_path(each, settings)
            states[each] = "ready"
        except ModelError as error:
            states[each] = str(error)
    if json:
        print_json({"models": [asdict(entry) | {"state": states[n]} for n, entry in load_cards(settings).items()]})
        return
    table = Table("model", "role", "size", "licence", "state", box=box.SIMPLE, pad_edge=False)
    for each, entry in load_cards(settings).items():
        table.add_row(each, entry.role, f"{entry.bytes / 1e6:.1f} MB", entry.licence, states[each])
    Console().print(table)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {inner}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(_plain(inner) if isinstance(inner, dict) else str(inner) for inner in value)
    return str(value)
