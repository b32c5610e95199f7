"""`facemotion store`: the keys of a template store."""

from __future__ import annotations

from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, StoreOption, default_store, print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Keys of the template store.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(key)
    group.command()(rotate)
    group.command()(revoke)
    app.add_typer(group, name="store")


def key() -> None:
    """Print a new key for a store, to be kept in a file, the environment or a key service."""
    from facemotion.store.base import require_extra

    require_extra()
    from facemotion.store.keys import new_key

    print(new_key())


def rotate(store: StoreOption = "", json: JsonOption = False) -> None:
    """Encrypt every template anew, under the newest key."""
    from facemotion.store import open_store

    with open_store(store or default_store(), make=False) as opened:
        opened.rotate()
        count = len(opened.users())
    if json:
        print_json({"rotated": True, "users": count})
    else:
        print(f"Users whose templates are now under a new key: {count}.")


def revoke(
    user: Annotated[str, typer.Argument(help="Name of an enrolled user.")],
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Turn a user's vectors by new secrets: what leaked of the old ones matches nothing any more."""
    from facemotion.store import open_store

    with open_store(store or default_store(), make=False) as opened:
        opened.revoke(user)
    if json:
        print_json({"user": user, "revoked": True})
    else:
        print(f"What was stored of {user} until now matches nothing any more; {user} need not enrol again.")
