"""`facemotion features`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.console import ConfigOption, JsonOption, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(features)


def features(
    manifest: Annotated[Path, typer.Argument(help="CSV file with one row per clip.")],
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Extract the features of all clips of a manifest into the cache; clips that are there already cost nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from facemotion.config import load_settings
    from facemotion.data.cache import FeatureCache, fill_cache
    from facemotion.data.manifest import check_manifest, read_manifest
    from facemotion.frontend import Frontend

    frontend = Frontend.load(load_settings(config))
    read = read_manifest(manifest)
    check_manifest(read)
    store = FeatureCache(cache, frontend.extractor.frontend_id)
    failures = {}
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=json, console=Console(stderr=True)) as bar:
        for result in bar.track(fill_cache(store, read, frontend.features), total=len(read)):
            if result.features is None:
                failures[result.record.path] = result.failure
    if json:
        print_json({"clips": len(read), "frontend_id": store.frontend_id, "failures": failures})
        return
    console = Console()
    for path, reason in failures.items():
        console.print(f"{path}: {reason}", highlight=False)
    console.print(
        f"{len(read) - len(failures)} clips are in {cache} as features of {store.frontend_id}; "
        f"{len(failures)} ({len(failures) / len(read):.1%}) could not be acquired.",
        highlight=False,
    )
