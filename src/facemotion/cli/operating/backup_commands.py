"""`facemotion backup`, `restore`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, StoreOption, check_place, default_store, print_json
from facemotion.cli.terminal.interrupt import cleared_up


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; it must not be there yet.")],
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Write all that a store and its service hold into one file, but no key; others may go on using the store."""
    from facemotion.service.backup import write_backup

    check_place(file)
    with cleared_up():
        made = write_backup(store or default_store(), file)
    if json:
        print_json({"file": str(file), "users": made.users, "rows": made.rows, "head": made.head})
        return
    print(f"{file} holds {made.users} users and {made.trail} rows of the audit trail, and no key: keep the key apart.")
    if made.head:
        print(f"Note the newest digest of the trail elsewhere: {made.head}")


def restore(
    file: Annotated[Path, typer.Argument(help="What `facemotion backup` wrote.")],
    expect: Annotated[str, typer.Option(help="Digest of the audit trail noted earlier; the backup must have it.")] = "",
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Put a backup back into a store that is new or empty; needs the key that the backup was written under."""
    from facemotion.service.backup import restore as put_back

    with cleared_up():
        done = put_back(file, store or default_store(), expected=expect)
    made = datetime.fromtimestamp(done.backup.made, UTC)
    if json:
        counts = {"users": done.backup.users, "keys": done.keys, "rows": done.backup.rows}
        print_json({"made": made.isoformat(), **counts, "refused": list(done.refused)})
        return
    print(
        f"Restored {done.backup.users} users, {done.keys} valid API keys and {done.backup.trail} rows of the audit "
        f"trail, as they were at {made:%Y-%m-%d %H:%M:%S} UTC."
    )
    print("Users deleted and keys revoked since then are back: delete and revoke them again.")
    for user in done.refused:
        print(f"What was stored of {user} had been altered before; delete {user} and enrol again.")
