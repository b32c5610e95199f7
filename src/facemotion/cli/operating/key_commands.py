"""`facemotion keys add`, `list`, `revoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, StoreOption, default_store, print_json


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Look after the API keys of the service.", no_args_is_help=True)
    group.command()(add)
    group.command("list")(show)
    group.command()(revoke)
    app.add_typer(group, name="keys")


def add(
    name: Annotated[str, typer.Argument(help="Who will use the key.")],
    role: Annotated[str, typer.Option(help="verify, enrol (may verify too) or admin (may do everything).")] = "verify",
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Make an API key and print it, this once; only a digest of it is stored."""
    from facemotion.service.guard import audit
    from facemotion.service.guard.auth import ApiKeys, check_key
    from facemotion.service.migrate import open_database

    checked = check_key(name, role)  # before a store is made for nothing
    with open_database(store or default_store()) as database, database.write():
        key = ApiKeys(database).add(name, checked)
        made = {"key": key.split("_")[1], "name": name, "role": role}
        audit.append(database, audit.COMMAND_LINE, "add key", "", "done", made)
    if json:
        print_json({"key": key, "name": name, "role": role})
    else:
        print(key)


def show(store: StoreOption = "", json: JsonOption = False) -> None:
    """List the API keys: id, name, role; never a key itself."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from facemotion.service.guard.auth import ApiKeys
    from facemotion.service.migrate import open_database

    with open_database(store or default_store(), make=False) as database:
        keys = ApiKeys(database).list()
    if json:
        rows = [
            {
                "id": key.id,
                "name": key.name,
                "role": key.role,
                "made": key.made.isoformat(),
                "revoked": key.revoked.isoformat() if key.revoked else None,
                "sealed": key.sealed,
            }
            for key in keys
        ]
        print_json({"keys": rows})
        return
    if not keys:
        print("There is no API key.")
        return
    table = Table("id", "name", "role", "made", "revoked", box=box.SIMPLE, pad_edge=False)
    for key in keys:
        revoked = f"{key.revoked:%Y-%m-%d %H:%M} UTC" if key.revoked else "" if key.sealed else "not sealed"
        table.add_row(key.id, Text(key.name), key.role, f"{key.made:%Y-%m-%d %H:%M} UTC", revoked)
    Console().print(table)


def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as `facemotion keys list` shows it.")],
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Make an API key worthless, from the next request on."""
    from facemotion.service.guard import audit
    from facemotion.service.guard.auth import ApiKeys
    from facemotion.service.migrate import open_database

    with open_database(store or default_store(), make=False) as database, database.write():
        gone = ApiKeys(database).revoke(key)
        revoked = {"key": gone.id, "name": gone.name, "role": gone.role}
        audit.append(database, audit.COMMAND_LINE, "revoke key", "", "done", revoked)
    if json:
        print_json({"id": key, "revoked": True})
    else:
        print(f"The key {key} is revoked.")
