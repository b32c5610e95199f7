"""`facemotion serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, StoreOption, default_store, print_json

INSTALL = "The service needs more packages: pip install '.[serve]' in the clone."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; default: as in the settings (this machine alone).")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one; default: as in the settings (8470).")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes; default: as in the settings (1).")] = None,
    service: Annotated[
        Path | None, typer.Option("--service", envvar="FACEMOTION_SERVICE", help="Settings file of the service (TOML).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", envvar="FACEMOTION_CONFIG", help="Settings file of the verifier (TOML).")
    ] = None,
    store: StoreOption = "",
    json: JsonOption = False,
) -> None:
    """Answer requests over HTTP until stopped."""
    import dataclasses
    import os

    from facemotion.config import from_table, load_settings, read_toml
    from facemotion.errors import MissingExtraError

    try:
        from facemotion.service.http.server import serve as run
        from facemotion.service.settings import ServerSettings, ServiceSettings
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error

    settings = read_toml(ServiceSettings, service) if service else ServiceSettings()
    given = {"host": host, "port": port, "workers": workers}
    table = dataclasses.asdict(settings.server) | {name: value for name, value in given.items() if value is not None}
    settings = dataclasses.replace(settings, server=from_table(ServerSettings, table, "options and [server]"))
    load_settings(config)  # a mistake in them is told now, not by every worker
    if config is not None:
        os.environ["FACEMOTION_CONFIG"] = str(config)

    def announce(address: str) -> None:
        if json:
            print_json({"url": address})
        else:
            print(f"facemotion listens on {address}; stop it with Ctrl-C.", flush=True)

    run(store or default_store(), settings, announce)
