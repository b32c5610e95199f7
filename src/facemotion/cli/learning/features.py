"""`facemotion features`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import ClusterOption, ConfigOption, JsonOption, print_json
from facemotion.cli.terminal.progress import Progress
from facemotion.system.files import file_sha256


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(features)


def features(
    manifest: Annotated[Path, typer.Argument(help="CSV file with one row per clip.")],
    *,
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    jobs: Annotated[int, typer.Option(help="Processes that extract side by side.", min=1, max=256)] = 1,
    cluster: ClusterOption = "",
    extractor: Annotated[
        str, typer.Option(help="Feature extractor, by the name of its card; default: that of the settings.")
    ] = "",
    kind: Annotated[
        list[str] | None, typer.Option(help="Clips of this kind only, such as facial; may be repeated.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Extract the features of all clips of a manifest into the cache; clips that are there already cost nothing."""
    from dataclasses import replace

    from rich.console import Console

    from facemotion.config import load_settings
    from facemotion.data.cache import FeatureCache
    from facemotion.data.extraction import fill_cache, fill_cache_by_processes
    from facemotion.data.manifest import check_manifest, read_manifest
    from facemotion.errors import DataError
    from facemotion.frontend import Frontend
    from facemotion.system.processes import workers

    settings = load_settings(config)
    if extractor:
        settings = replace(settings, verifier=replace(settings.verifier, extractor=extractor))
    frontend = Frontend.load(settings)
    read = read_manifest(manifest)
    check_manifest(read, labelled=False)  # features are of no label; training looks at them
    read = read.select(kinds=kind or None)
    store = FeatureCache(cache, frontend.extractor.frontend_id)
    recipes = [record for record in read.records if record.path.endswith(".json")]
    if not all(store.knows(file_sha256(read.file(record))) for record in recipes):
        raise DataError(
            f"{manifest} is of a set made without video (--features): its clips are recipes, whose features lie in "
            "the cache that it was made with, for the default extractor alone. Make it with video to extract by "
            f"{settings.verifier.extractor}."
        )
    store.claim(settings)
    if jobs > 1 or cluster:
        results = fill_cache_by_processes(store, read, settings, workers(jobs, cluster))
    else:
        results = fill_cache(store, read, frontend.features)
    failures = {}
    with Progress("clips", quiet=json, total=len(read)) as progress:
        for done, result in enumerate(results, 1):
            progress(done)
            if result.failure:
                failures[result.record.path] = result.failure
    if json:
        print_json({"clips": len(read), "frontend_id": store.frontend_id, "failures": failures})
        return
    console = Console()
    for path, reason in failures.items():
        console.print(f"{path}: {reason}", highlight=False, markup=False)
    console.print(
        f"{len(read) - len(failures)} clips are in {cache} as features of {store.frontend_id}; "
        f"{len(failures)} ({len(failures) / len(read):.1%}) could not be acquired.",
        highlight=False,
        markup=False,
    )
