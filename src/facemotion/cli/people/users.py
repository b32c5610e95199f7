"""`facemotion users`, `forget`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, StoreOption, agreed, default_store, print_json

if TYPE_CHECKING:
    from facemotion.types import Factor


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(users)
    app.command()(forget)


def users(
    outdated: Annotated[
        bool,
        typer.Option("--outdated", help="Only users whose templates weren't made by the present models."),
    ] = False,
    store: StoreOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List the enrolled users."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from facemotion.store import open_store

    place = store or default_store()
    with open_store(place, make=False) as opened:
        summaries = opened.users()
    if outdated:
        wanted = _model_ids(config)
        summaries = [one for one in summaries if not wanted.items() <= one.model_ids.items()]
    if json:
        print_json(
            {
                "users": [
                    {
                        "user": one.user,
                        "takes": one.takes,
                        "model_ids": one.model_ids,
                        "enrolled": one.enrolled.isoformat(),
                        "changed": one.changed.isoformat(),
                    }
                    for one in summaries
                ]
            }
        )
        return
    if not summaries:
        from facemotion.store.database import store_name

        print(f"{'No template is outdated' if outdated else 'Nobody is enrolled'} in {store_name(place)}.")
        return
    table = Table("user", "takes", "model", "enrolled (UTC)", "changed (UTC)", box=box.SIMPLE, pad_edge=False)
    for one in summaries:
        takes = ", ".join(f"{count} {factor}" for factor, count in one.takes.items())
        dates = (f"{one.enrolled:%Y-%m-%d %H:%M}", f"{one.changed:%Y-%m-%d %H:%M}")
        table.add_row(Text(one.user), takes, ", ".join(one.model_ids.values()), *dates)
    Console().print(table)


def _model_ids(config: Path | None) -> dict[Factor, str]:
    """The network of each factor that users are enrolled with now."""
    from facemotion.config import load_settings
    from facemotion.models import Models

    settings = load_settings(config)
    models, wanted = Models.of(settings.runtime), settings.verifier
    found: dict[Factor, str] = {"motion": models.card(wanted.encoder).model_id}
    return found | {"appearance": models.card(wanted.recogniser).model_id} if wanted.recogniser else found


def _forget_clips(user: str, folder: Path, yes: bool, json: bool) -> None:
    from facemotion.recorder.recorded_clips import forget_clips

    if not yes and not agreed(f"Delete all clips of {user} in {folder}?"):
        print("Nothing was deleted.")
        raise typer.Exit(2)
    count = forget_clips(folder, user)
    if json:
        print_json({"user": user, "clips": count, "forgotten": True})
    else:
        print(f"{count} clips of {user} are deleted.")


def forget(
    user: Annotated[str, typer.Argument(help="Name of an enrolled user.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    clips: Annotated[
        Path | None,
        typer.Option("--clips", help="Delete their clips and consent in this folder instead."),
    ] = None,
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Delete everything stored of a user; asks first."""
    from facemotion.errors import UsageError
    from facemotion.service.guard.audit import keep_journal
    from facemotion.store import check_user, open_store

    if json and not yes:
        raise UsageError(f"Give --yes to delete {user}; with --json nothing is asked.")
    if clips is not None:
        _forget_clips(user, clips, yes, json)
        return
    user = check_user(user)
    with open_store(store or default_store(), make=False) as opened:
        keep_journal(opened)
        # Who isn't there is told at once by `delete`; nobody should have to agree to that first.
        if not yes and opened.find(user) is not None and not agreed(f"Delete everything stored of {user}?"):
            print("Nothing was deleted.")
            raise typer.Exit(2)  # not 1, which says that a motion was rejected
        opened.delete(user)
    if json:
        print_json({"user": user, "forgotten": True})
    else:
        print(f"{user} is forgotten.")
