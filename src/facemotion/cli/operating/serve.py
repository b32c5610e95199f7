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
    host: Annotated[str, typer.Option(help="Address to listen on; default: this machine alone.")] = "",
    port: Annotated[
        int,
        typer.Option(help="Port; 0 takes a free one; default: that of the settings.", show_default=False),
    ] = -1,
    workers: Annotated[
        int, typer.Option(help="Server processes; default: that of the settings.", show_default=False)
    ] = 0,
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
    given = {"host": host, "port": port if port >= 0 else "", "workers": workers}
    table = dataclasses.asdict(settings.server) | {name: value for name, value in given.items() if value not in ("", 0)}
    if port == 0:
        table["port"] = 0
    settings = dataclasses.replace(settings, server=from_table(ServerSettings, table))
    load_settings(config)  # a mistake in them is told now, not by every worker
    if config is not None:
        os.environ["FACEMOTION_CONFIG"] = str(config)

    def announce(address: str) -> None:
        if json:
            print_json({"url": address})
        else:
            print(f"facemotion listens on {address}; stop it with Ctrl-C.", flush=True)

    run(store or default_store(), settings, announce)
