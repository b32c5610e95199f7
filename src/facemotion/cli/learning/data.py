"""`facemotion data check`, `facemotion data import` and `facemotion data complete`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json
from facemotion.cli.terminal.progress import Progress
from facemotion.errors import UsageError

SERIES_NAMES = ("series", "grid33", "grid33-ends", "mediapipe", "openface", "livelink", "expressions")
CORPUS_NAMES = ("grid", "grid-words", "miracl-vc1", "ouluvs2", "crema-d", "ravdess", "mead", "mug", "plain")


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Look after recordings.", no_args_is_help=True)
    group.command()(check)
    group.command(name="import")(import_set)
    group.command()(complete)
    group.callback()(_group)
    app.add_typer(group, name="data")


def _group() -> None:
    """Look after recordings."""


def check(
    manifest: Annotated[Path, typer.Argument(help="CSV file with one row per clip.")],
    json: JsonOption = False,
) -> None:
    """Check a manifest before anything is trained on it: columns, missing files, the same clip twice, single takes."""
    from collections import Counter

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.data.manifest import find_problems, read_manifest
    from facemotion.errors import ManifestError

    counts: dict[str, int | dict[str, int]] = {}
    try:
        read = read_manifest(manifest)
    except ManifestError as error:
        if not error.problems:
            raise
        problems = list(error.problems)  # with rows that can't be read, nothing else is looked at
    else:
        problems = list(find_problems(read))
        counts = {
            "clips": len(read),
            "subjects": len({r.subject for r in read.records}),
            "motions": len({(r.subject, r.motion) for r in read.records}),
            "kinds": dict(Counter(r.kind for r in read.records)),
            "splits": dict(Counter(r.split for r in read.records if r.split)),
        }
    if json:
        print_json(counts | {"problems": problems})
    else:
        table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
        for name, value in counts.items():
            table.add_row(
                name, ", ".join(f"{k} {n}" for k, n in value.items()) if isinstance(value, dict) else str(value)
            )
        console = Console()
        if counts:
            console.print(table)
        for problem in problems:
            console.print(f"• {problem}", highlight=False, markup=False)
        console.print(f"{len(problems) or 'No'} problem{'' if len(problems) == 1 else 's'} found.")
        if not counts:
            console.print("Check again once these rows can be read: nothing else was looked at.")
    if problems:
        raise typer.Exit(2)


def import_set(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help=f"{', '.join(CORPUS_NAMES + SERIES_NAMES)}; see docs/reference/data.md."),
    ],
    source: Annotated[Path, typer.Argument(help="Folder that holds the data set, as it is published.")],
    out: Annotated[Path, typer.Argument(help="Folder to write: a manifest, and what has to be made.")],
    features: Annotated[
        Path | None,
        typer.Option(help="Folder of the feature cache for series of points; features in OUT if not given."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Turn a public data set, or series of facial points without pictures, into a manifest to train on."""
    from dataclasses import asdict

    if name not in CORPUS_NAMES + SERIES_NAMES:
        raise UsageError(f"There is no data set {name!r}; choose among {', '.join(CORPUS_NAMES + SERIES_NAMES)}.")
    if name in CORPUS_NAMES:
        if features is not None:
            raise UsageError(f"{name} is filmed: leave out --features, and extract them with `facemotion features`.")
        _import_corpus(name, source, out, json=json)
        return
    from facemotion.data.manifest import MANIFEST
    from facemotion.data.series.importing import import_series

    with Progress("takes", quiet=json) as progress:
        done = import_series(name, source, out, progress, features=features)
    if json:
        print_json(asdict(done))
        return
    left = f" {done.left_out} takes of motions that were made only once are left out." if done.left_out else ""
    typer.echo(
        f"{done.clips} takes of {done.motions} motions by {done.subjects} subjects, {len(done.names)} points at "
        f"{done.rate:g} frames/s, are in {out / MANIFEST}.{left} In training settings:"
    )
    typer.echo(f'  extractor = "{done.frontend_id}"')


def _import_corpus(name: str, source: Path, out: Path, *, json: bool) -> None:
    from dataclasses import asdict

    from facemotion.data.corpora.manifests import import_corpus
    from facemotion.data.manifest import MANIFEST

    with Progress("takes", quiet=json) as progress:
        done = import_corpus(name, source, out, progress)
    if json:
        print_json(asdict(done))
        return
    left = f" {done.left_out} takes of motions that were made only once are left out." if done.left_out else ""
    made = f" {done.made} clips were cut or joined into {out / 'clips'}." if done.made else ""
    typer.echo(
        f"{done.clips} takes of {done.motions} motions by {done.subjects} subjects are in {out / MANIFEST}.{made}"
        f"{left} Now `facemotion data check {out / MANIFEST}`."
    )


def complete(
    series: Annotated[Path, typer.Argument(help="Folder that `facemotion data import` wrote.")],
    like: Annotated[Path, typer.Argument(help="Manifest of filmed clips whose features lie in the cache.")],
    features: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    split: Annotated[str, typer.Option(help="Take filmed clips of this split only; all if not given.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the whole face mesh from imported points of it, so that the mesh's encoder can be trained on them.

    How the face goes with the points is fitted on filmed clips. Training settings then name SERIES/manifest.csv as a
    source and keep `extractor = "face-mesh"`.
    """
    from dataclasses import asdict

    from facemotion.config import load_settings
    from facemotion.data.cache import FeatureCache, read_features
    from facemotion.data.manifest import read_manifest
    from facemotion.data.series.completing import complete_series
    from facemotion.features import MESH, load_extractor
    from facemotion.models import Models

    cache = FeatureCache(features, load_extractor(MESH, Models.of(load_settings(config).runtime)).frontend_id)
    _, filmed = read_features(cache, read_manifest(like).select(split=split or None))
    with Progress("takes", quiet=json) as progress:
        done = complete_series(series, filmed, cache, progress)
    if json:
        print_json(asdict(done))
        return
    typer.echo(
        f"{done.clips} takes of {done.subjects} subjects have features of the face mesh in {features}. On filmed clips "
        f"that it wasn't fitted on, the map foretells {done.explained:.0%} of how the mesh moves."
    )
