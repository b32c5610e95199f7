"""`facemotion tables`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.learning.runs import INSTALL, DeviceOption, make_folder
from facemotion.cli.terminal.console import ClusterOption, JsonOption, print_json
from facemotion.cli.terminal.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(tables)


def tables(
    config: Annotated[Path, typer.Argument(help="Settings of the tables (TOML); see configs/tables.toml.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for tables.json, tables.md and the runs.")] = Path("tables"),
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Train only the runs whose names begin with this; may be repeated. Earlier runs stay in the tables."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Trainings side by side.", min=1, max=256)] = 1,
    together: Annotated[
        int | None,
        typer.Option(
            help="Folds of a run trained in one loop, fewer where memory is missing; 0: all of them. Default: all on a "
            "GPU, 1 on a CPU.",
            min=0,
            max=1000,
        ),
    ] = None,
    device: DeviceOption = "auto",
    cluster: ClusterOption = "",
    json: JsonOption = False,
) -> None:
    """The paper's two tables on a manifest, and what it leaves out: impostors by kind, controls, baselines, takes."""
    import json as text

    from facemotion.errors import MissingExtraError

    try:
        from facemotion.experiments.paper_page import write_markdown
        from facemotion.experiments.paper_plan import TableSettings, choose_runs, load_clips, plan_runs
        from facemotion.experiments.paper_runs import Together, check_features, kept_runs, train_runs
        from facemotion.experiments.paper_tables import make_tables
        from facemotion.training.encoder.train import choose_device
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from facemotion.config import read_toml
    from facemotion.models import Models
    from facemotion.synth.sets.frozen import check_folder, frozen_set
    from facemotion.system.files import room_for, write_whole
    from facemotion.system.processes import workers

    place = choose_device(device).type
    if together is None:
        together = 0 if place == "cuda" else 1
    settings, models = read_toml(TableSettings, config), Models.configured()
    manifest = load_clips(settings)
    if settings.synth_59:
        with Progress("clips checked", quiet=json) as progress:
            check_folder(manifest.folder, frozen_set(settings.synth_59), progress)
    runs = plan_runs(settings, models)
    possible = choose_runs(runs, manifest)
    chosen = choose_runs(possible, manifest, only or ())
    if left := [run.name for run in runs if run not in possible]:
        typer.echo(f"facemotion: left out, since {manifest.folder} has no such clips: {'; '.join(left)}.", err=True)
    check_features(settings, models, manifest, chosen)
    make_folder(out)
    kept_runs(
        settings, models, manifest, runs, out
    )  # what is of other settings or clips is told before hours of training
    by = workers(jobs, cluster, settings.recipe.threads)
    with Progress("folds", quiet=json) as progress:
        how = Together(together, device, tell_fewer)
        held = train_runs(settings, models, chosen, out, jobs=by, together=how, progress=progress)
    if only:  # what was trained before keeps its place in the tables
        held = kept_runs(settings, models, manifest, runs, out)
    found = make_tables(held, manifest.records, settings.replicates, settings.most_takes)
    markdown = write_markdown(found, str(manifest.folder.name))
    with room_for(out):
        write_whole(out / "tables.json", text.dumps(found, indent=1) + "\n")
        write_whole(out / "tables.md", markdown)
    if json:
        print_json(found)
    else:
        typer.echo(markdown)


def tell_fewer(folds: int) -> None:
    """Say that memory is missing, and how many folds are trained at a time from now on."""
    typer.echo(f"facemotion: memory is missing for as many folds; {folds} are trained at a time.", err=True)
