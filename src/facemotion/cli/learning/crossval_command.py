"""`facemotion crossval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.learning.runs import INSTALL, make_folder
from facemotion.cli.terminal.console import ClusterOption, JsonOption, print_json
from facemotion.cli.terminal.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(crossval)


def crossval(
    config: Annotated[Path, typer.Argument(help="Training settings (TOML) with one source; see configs/.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the figures, the scores and the runs.")] = Path("crossval"),
    folds: Annotated[int, typer.Option(help="Number of folds.", min=2)] = 10,
    policy: Annotated[
        str, typer.Option(help="What folds never share: subject (subjects) or paper (motions).")
    ] = "subject",
    jobs: Annotated[int, typer.Option(help="Folds trained side by side.", min=1, max=256)] = 1,
    cluster: ClusterOption = "",
    fmr: Annotated[list[float] | None, typer.Option(help="FMR at which FNMR is wanted; may be repeated.")] = None,
    replicates: Annotated[int, typer.Option(help="Draws of the bootstrap.", min=10)] = 1000,
    json: JsonOption = False,
) -> None:
    """Cross-validate an encoder: figures of clips whose subject (or, by --policy paper, motion) it never saw."""
    import json as text

    from facemotion.errors import DataError, MissingExtraError

    try:
        from facemotion.experiments.crossval import (
            check_folds,
            cross_validate,
            cross_validate_by_processes,
            held_out_trials,
            summarise,
        )
        from facemotion.training.encoder.material.sources import (
            load_people_response,
            load_recorded,
            load_simulated,
            refuse_fitted,
        )
        from facemotion.training.encoder.settings import TrainingSettings
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from facemotion.config import read_toml
    from facemotion.data.splits import FOLD_POLICIES
    from facemotion.evaluation.scores import write_scores
    from facemotion.evaluation.trials import PAIR_POLICIES
    from facemotion.features import frontend_of
    from facemotion.models import Models
    from facemotion.system.files import room_for, write_whole
    from facemotion.system.processes import workers

    settings = read_toml(TrainingSettings, config)
    if len(settings.sources) != 1:
        raise DataError(f"Cross-validation needs settings with one source; {config} has {len(settings.sources)}.")
    if policy not in FOLD_POLICIES:
        raise DataError(f"There is no fold policy {policy!r}; choose among {', '.join(FOLD_POLICIES)}.")
    frontend_id = frontend_of(settings.extractor, Models.configured())
    response = load_people_response(settings, frontend_id)
    [source] = load_recorded(settings, frontend_id)
    records = source.records
    cut = FOLD_POLICIES[policy](records, folds, settings.seed)
    check_folds(records, cut)
    refuse_fitted(response, source.sequences)
    make_folder(out)
    beside = load_simulated(settings, response, frontend_id)
    with Progress("folds", quiet=json, total=folds) as progress:
        progress(0)
        runs = out / f"{policy}-{folds}"

        if jobs > 1 or cluster:
            by = workers(jobs, cluster, settings.threads)
            vectors = cross_validate_by_processes(
                settings, frontend_id, cut, runs=runs, jobs=by, progress=progress, beside=beside
            )
        else:
            vectors = cross_validate(settings, source, cut, runs=runs, progress=progress, beside=beside)
    summary: dict[str, object] = {"folds": folds, "policy": policy}
    for pairs in PAIR_POLICIES:
        parts = held_out_trials(vectors, records, cut, pairs)
        summary[pairs], pooled = summarise(parts, tuple(fmr or (0.01, 0.001)), replicates)
        write_scores(out / f"scores-{pairs}.npz", pooled)
    with room_for(out):
        write_whole(out / "crossval.json", text.dumps(summary, indent=1) + "\n")
    if json:
        print_json(summary)
    else:
        _print(summary, list(PAIR_POLICIES), out)


def _print(summary: dict[str, object], policies: list[str], out: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("figure, mean ± deviation over folds", *policies, box=box.SIMPLE, pad_edge=False)
    sides = [summary[name] for name in policies]
    for figure in sides[0]["folds"][0]:  # type: ignore[index]
        cells = []
        for side in sides:
            mean, deviation = side["mean"][figure], side["deviation"][figure]  # type: ignore[index]
            cells.append(f"{mean:.3f} ± {deviation:.3f}")
        table.add_row(figure.replace("_", " "), *cells)
    console = Console()
    console.print(table)
    console.print(
        f"f1, fmr and fnmr are at the threshold of the other folds. Scores and all figures are in {out}; see "
        f"`facemotion evaluate {out}/scores-within-subject.npz`.",
        highlight=False,
        markup=False,
    )
