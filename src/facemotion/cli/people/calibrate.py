"""`facemotion calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json
from facemotion.cli.terminal.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facemotion.models import Models
    from facemotion.types import OperatingPoint

LOOSE = 0.1  # FMR above which a point is no protection


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(calibrate)


def calibrate(
    manifest: Annotated[Path, typer.Argument(help="CSV file with one row per clip, of several people and motions.")],
    *,
    fmr: Annotated[
        list[float] | None,
        typer.Option("--fmr", help="Wanted false match rate; may be given several times; default: 0.01."),
    ] = None,
    takes: Annotated[
        list[int] | None,
        typer.Option(
            "--takes", min=1, help="Enrolment takes of a template; several times; default: all that clips allow."
        ),
    ] = None,
    cache: Annotated[Path, typer.Option("--cache", help="Folder of the feature cache.")] = Path("features"),
    source: Annotated[str, typer.Option("--source", help="What the clips are, in words; default: the manifest.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Keep the points for this user's verifier.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Find the thresholds of the encoder for wanted false match rates, on clips of your own."""
    from contextlib import suppress
    from dataclasses import asdict

    import numpy as np

    from facemotion.config import load_settings
    from facemotion.data.cache import FeatureCache
    from facemotion.data.extraction import fill_cache
    from facemotion.data.manifest import check_manifest, read_manifest
    from facemotion.encoder import Encoder
    from facemotion.errors import DataError, NoMotionError
    from facemotion.evaluation.trials import most_takes, template_trials
    from facemotion.frontend import Frontend
    from facemotion.models import OWN_POINT, Models
    from facemotion.thresholds import check_fmr, find_operating_points

    rates = fmr or [0.01]
    for rate in rates:
        check_fmr(rate)  # now, and not after all clips were read
    settings = load_settings(config)
    frontend = Frontend.load(settings)
    models = Models.of(settings.runtime)
    encoder = Encoder.load(settings.verifier.encoder, models)
    read = read_manifest(manifest)
    check_manifest(read)
    records, vectors = [], []
    store = FeatureCache(cache, frontend.extractor.frontend_id)
    store.claim(settings)
    results = fill_cache(store, read, frontend.features)
    with Progress("clips", quiet=json, total=len(read)) as progress:
        for done, result in enumerate(results, 1):
            progress(done)
            if result.features is None:
                continue
            with suppress(NoMotionError):  # the verifier would refuse the clip, so it is no trial either
                frontend.check_motion(result.features)
                records.append(result.record)
                vectors.append(encoder(result.features).vector)
    if not vectors:
        raise DataError(f"Nothing could be acquired from any clip of {manifest}; see `facemotion features {manifest}`.")
    words = source or str(manifest)
    chosen = sorted(set(takes or range(1, min(settings.verifier.max_takes, most_takes(records)) + 1)))
    points = [
        point
        for count in chosen
        for point in find_operating_points(template_trials(np.stack(vectors), records, count), rates, words, count)
    ]
    entry = models.card(settings.verifier.encoder)
    before = _own_names(models, entry.name) if keep else []
    path = models.keep_operating_points(entry.name, points) if keep else None
    gone = sorted(set(before) - set(_own_names(models, entry.name))) if keep else []
    if json:
        kept = str(path) if path else None
        found = {"model_id": entry.model_id, "clips": len(records), "points": [asdict(p) for p in points]}
        print_json({**found, "kept": kept, "dropped": gone})
        return
    _print(points)
    failed = len(read) - len(records)
    print(f"{len(records)} clips used" + (f"; from {failed} nothing could be acquired." if failed else "."))
    if any(point.fmr > LOOSE for point in points):
        print(f"A point that lets more than {LOOSE:.0%} of impostors pass protects nothing: record more motions.")
    if all(point.subjects == 1 for point in points):
        print("All clips are of one person: the points say nothing about other people.")
    if path:
        print(f'Kept in {path}. To use one: operating_point = "{OWN_POINT}{points[0].name}" under [verifier].')
    if gone:
        print(f"No longer kept, from an earlier calibration of this encoder: {', '.join(gone)}.")


def _print(points: Sequence[OperatingPoint]) -> None:
    """Operating points as a table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "point", "takes", "threshold", "FMR", "FNMR", "genuine", "impostor", "subjects", box=box.SIMPLE, pad_edge=False
    )
    for point in points:
        counts = (point.genuine_trials, point.impostor_trials, point.subjects)
        rates = (f"{point.threshold:.3f}", f"{point.fmr:.2%}", f"{point.fnmr:.2%}")
        table.add_row(point.name, str(point.takes), *rates, *map(str, counts))
    Console().print(table, markup=False)


def _own_names(models: Models, encoder: str) -> list[str]:
    """Names of the points that this deployment keeps of an encoder; none where its file can't be read."""
    from facemotion.errors import ModelError
    from facemotion.models import OWN_POINT

    try:
        return [point.name for point in models.operating_points(encoder) if point.name.startswith(OWN_POINT)]
    except ModelError:  # a damaged file is written anew
        return []
