"""`facemotion audit check`, `show`, `prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, StoreOption, agreed, default_store, print_json


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Read and check the audit trail of the service.", no_args_is_help=True)
    group.command()(check)
    group.command()(show)
    group.command()(prune)
    app.add_typer(group, name="audit")


def check(
    expect: Annotated[str, typer.Option(help="Digest noted earlier; the trail must lead through it.")] = "",
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Hold every row of the audit trail to its digest and to the row before; print the newest digest."""
    from facemotion.service.guard import audit
    from facemotion.service.migrate import open_database

    with open_database(store or default_store(), make=False) as database:
        report = audit.check(database, expect)
    if json:
        print_json({"rows": report.rows, "pruned": report.pruned, "head": report.head})
    else:
        pruned = f" behind {report.pruned} that were pruned" if report.pruned else ""
        print(f"The trail holds: {report.rows} rows{pruned}. Note its newest digest elsewhere: {report.head}")


def show(
    after: Annotated[int, typer.Option(help="Start after the row with this number.")] = 0,
    limit: Annotated[int, typer.Option(help="Most rows.", min=1)] = 1000,
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """List rows of the audit trail, oldest first."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from facemotion.service.guard import audit
    from facemotion.service.migrate import open_database

    with open_database(store or default_store(), make=False) as database:
        rows = audit.read(database, after, limit)
    if json:
        print_json({"rows": [asdict(row) for row in rows]})
        return
    table = Table("number", "at", "actor", "action", "user", "outcome", box=box.SIMPLE, pad_edge=False)
    for row in rows:
        moment = datetime.fromtimestamp(row.at, UTC)
        table.add_row(
            str(row.number), f"{moment:%Y-%m-%d %H:%M:%S}", Text(row.actor), row.action, Text(row.user), row.outcome
        )
    Console().print(table)


def prune(
    days: Annotated[int, typer.Option(help="Remove rows that are older than this number of days.", min=1)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Remove rows from the beginning of the audit trail; the rest can be checked as before. Asks first."""
    import time

    from facemotion.errors import UsageError
    from facemotion.service.guard import audit
    from facemotion.service.migrate import open_database

    if json and not yes:
        raise UsageError("Give --yes to prune the audit trail; with --json nothing is asked.")
    before = time.time() - 86400 * days
    with open_database(store or default_store(), make=False) as database:
        count = audit.older_rows(database, before)
        if count and not yes and not agreed(f"Remove {count} rows of the audit trail, older than {days} days?"):
            print("Nothing was removed.")
            raise typer.Exit(2)
        pruned = audit.prune(database, before)
    if json:
        print_json({"pruned": pruned})
    else:
        print(f"Rows that were removed: {pruned}.")
