"""`facemotion models`: the list, one card, and fetching a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json

NameArgument = Annotated[str, typer.Argument(help="Name of a model.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Models, their cards and their files.", no_args_is_help=True, rich_markup_mode=None)
    group.command(name="list")(list_models)
    group.command()(show)
    group.command()(pull)
    group.command()(keep)
    app.add_typer(group, name="models")


def list_models(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the models, and whether their files are the ones that their cards describe."""
    from dataclasses import asdict

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.config import load_settings
    from facemotion.errors import MissingModelError, ModelError
    from facemotion.models import Models

    models = Models.of(load_settings(config).runtime)
    states: dict[str, str] = {}
    for each in models.cards():
        try:
            models.path(each)
            states[each] = "ready"
        except MissingModelError as error:
            optional = bool(models.cards()[each].sources)
            states[each] = f"not fetched; optional: models pull {each}" if optional else str(error)
        except ModelError as error:
            states[each] = str(error)
    if json:
        print_json({"models": [asdict(entry) | {"state": states[n]} for n, entry in models.cards().items()]})
        return
    table = Table("model", "role", "size", "licence", "state", box=box.SIMPLE, pad_edge=False)
    for each, entry in models.cards().items():
        table.add_row(each, entry.role, f"{entry.bytes / 1e6:.1f} MB", entry.licence, states[each])
    Console().print(table, markup=False)


def show(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the whole card of one model."""
    from dataclasses import asdict

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.config import load_settings
    from facemotion.models import Models

    whole = asdict(Models.of(load_settings(config).runtime).card(name))
    if json:
        print_json(whole)
        return
    points = whole.pop("operating_points")
    for key, value in whole.items():
        for number, line in enumerate(_plain(value).splitlines() if value else ()):
            print(f"{key.replace('_', ' ') if number == 0 else '':<14} {line}")  # no table, which would cut a hash
    if not points:
        return
    table = Table("point", "takes", "threshold", "FMR", "FNMR", box=box.SIMPLE, pad_edge=False)
    for point in points:
        rates = (f"{point['fmr']:.2%}", f"{point['fnmr']:.2%}")
        table.add_row(point["name"], str(point["takes"]), f"{point['threshold']:.3f}", *rates)
    Console().print(table, markup=False)
    for source in dict.fromkeys(point["source"] for point in points):
        print(f"Measured on {source}.")


def pull(name: NameArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Fetch the file of a model that doesn't ship; it is kept only if its hash is the card's."""
    from facemotion.config import load_settings
    from facemotion.models import Models
    from facemotion.models.pull import pull as fetch

    models = Models.of(load_settings(config).runtime)
    path = fetch(name, models, progress=lambda text: print(text, file=sys.stderr))
    entry = models.card(name)
    if json:
        print_json({"model": name, "file": str(path), "licence": entry.licence, "note": entry.note})
        return
    print(f"{name} is at {path}. Licence: {entry.licence}. {entry.note}".rstrip())
    if entry.role == "recogniser":
        print(f'To compare faces too, set recogniser = "{name}" under [verifier]; users must enrol again.')


def keep(
    name: NameArgument,
    new_name: Annotated[str, typer.Argument(help="Name that the copy gets.")],
    package: Annotated[
        Path | None, typer.Option("--from", help="Wheel or sources of an earlier facemotion to take the model from.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a model under another name, so that an upgrade doesn't take it away from those who enrolled with it."""
    from facemotion.config import load_settings
    from facemotion.models import Models
    from facemotion.models.keep import keep as copy

    settings = load_settings(config)
    used = settings.verifier.operating_point if settings.verifier.encoder == name else ""
    kept = copy(name, new_name, Models.of(settings.runtime), package, point=used)
    if json:
        print_json({"model": kept.name, "model_id": kept.model_id, "sha256": kept.sha256})
        return
    print(f"{kept.model_id} is kept as {kept.name}.")
    if kept.role == "encoder":
        print(f'After the upgrade, set earlier_encoders = ["{kept.name}"] under [verifier].')


def _plain(value: object) -> str:
    """The value of a card's key, one line for each of its parts."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_in_one_line(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(_in_one_line(inner) for inner in value)
    return str(value)


def _in_one_line(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    parts = (
        f"{key} ({_in_one_line(part)})" if isinstance(part, dict) else f"{key} {part}" for key, part in value.items()
    )
    return ", ".join(parts)
