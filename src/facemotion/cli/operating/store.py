"""`facemotion store`: the keys of a template store."""

from __future__ import annotations

from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, StoreOption, agreed, default_store, print_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Keys of the template store.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(key)
    group.command()(rotate)
    group.command()(revoke)
    group.command()(scrub)
    group.command()(seal)
    group.command()(index)
    app.add_typer(group, name="store")


def key() -> None:
    """Print a new key for a store, to be kept in a file, the environment or a key service."""
    from facemotion.store.keys import new_key

    print(new_key())


def rotate(store: StoreOption = "", json: JsonOption = False) -> None:
    """Encrypt every template anew, under the newest key."""
    from facemotion.service.guard.audit import keep_journal
    from facemotion.store import open_store

    with open_store(store or default_store(), make=False) as opened:
        keep_journal(opened)
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
    from facemotion.service.guard.audit import keep_journal
    from facemotion.store import open_store

    with open_store(store or default_store(), make=False) as opened:
        keep_journal(opened)
        opened.revoke(user)
    if json:
        print_json({"user": user, "revoked": True})
    else:
        print(f"What was stored of {user} until now matches nothing any more; {user} need not enrol again.")


def scrub(store: StoreOption = "", json: JsonOption = False) -> None:
    """Remove what deletions had to leave in the store's files while somebody read them."""
    from facemotion.store import open_store

    with open_store(store or default_store(), make=False) as opened:
        opened.scrub()
    if json:
        print_json({"scrubbed": True})
    else:
        print("Nothing of what was deleted is left in the store's files.")


def seal(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Take what the database holds now for right: after a restore, or for API keys of an earlier version."""
    from facemotion.errors import UsageError
    from facemotion.service.guard import audit
    from facemotion.service.guard.auth import ApiKeys
    from facemotion.service.migrate import open_served

    if json and not yes:
        raise UsageError("Give --yes to seal what is there; with --json nothing is asked.")
    with open_served(store or default_store(), make=False) as opened:
        strange = [key for key in ApiKeys(opened.database).list() if not key.sealed]
        if not yes:
            for key in strange:
                print(f"{key.id}  {key.role}  {key.name}  made {key.made:%Y-%m-%d %H:%M} UTC")
            if not agreed(f"Let these {len(strange)} API keys in, and take all that is stored for right?"):
                print("Nothing was sealed.")
                raise typer.Exit(2)
        audit.adopt(opened, [key.id for key in strange])
    if json:
        print_json({"sealed": True, "keys": [key.id for key in strange]})
    else:
        print("What the database holds is sealed.")


def index(
    remove: Annotated[bool, typer.Option("--remove", help="Delete the search codes, and make none any more.")] = False,
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Give each enrolled face a search code, so that looking for duplicate faces is fast among many."""
    from facemotion.cli.terminal.progress import Progress
    from facemotion.store import open_store

    with open_store(store or default_store(), make=False) as opened:
        if remove:
            opened.drop_index()
        else:
            with Progress("faces", quiet=json) as progress:
                made = opened.index(progress)
    if json:
        print_json({"indexed": False} if remove else {"indexed": True, "made": made})
    elif remove:
        print("The search codes are deleted; new faces get none.")
    else:
        print(f"Faces that were given a search code: {made}. New ones get theirs when they are enrolled.")
