"""`facemotion evaluate`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.learning.runs import embed_run, make_folder
from facemotion.cli.terminal.console import JsonOption, check_place, print_json

if TYPE_CHECKING:
    from facemotion.evaluation.report import Report


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evaluate)


def evaluate(
    what: Annotated[Path, typer.Argument(help="Score file (.npz or .csv), or the folder of a training run.")],
    *,
    manifest: Annotated[Path | None, typer.Option(help="Clips to evaluate a run on.")] = None,
    features: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    split: Annotated[str, typer.Option(help="Rows of this split of the manifest only.")] = "",
    within_subject: Annotated[
        bool, typer.Option("--within-subject", help="Pairs inside one subject only, as in the paper.")
    ] = False,
    scores: Annotated[Path | None, typer.Option(help="Also write the scores to this file (.npz or .csv).")] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for PR and DET curves, a histogram and, for a run, a t-SNE map.")
    ] = None,
    fmr: Annotated[list[float] | None, typer.Option(help="FMR at which FNMR is wanted; may be repeated.")] = None,
    replicates: Annotated[int, typer.Option(help="Draws of the bootstrap.", min=10)] = 1000,
    json: JsonOption = False,
) -> None:
    """Figures of a score file, or of a trained encoder on a manifest: AP, F1, EER, FNMR at fixed FMR, intervals."""
    from facemotion.errors import DataError, EvidenceError, MissingExtraError
    from facemotion.evaluation.report import make_report
    from facemotion.evaluation.scores import check_suffix, read_scores, write_scores
    from facemotion.evaluation.trials import score_pairs

    if scores:
        check_place(scores)
        check_suffix(scores)
    if plots:
        if find_spec("matplotlib") is None:
            raise MissingExtraError(
                "Plots need matplotlib; install it with `pip install -c requirements/locked.txt '.[train]'`."
            )
        make_folder(plots)
    if what.is_dir():
        if manifest is None:
            raise DataError(f"{what} is a run; say what to evaluate it on with --manifest.")
        vectors, clips, _, _ = embed_run(what, manifest, features, split)
        trials = score_pairs(vectors, clips.records, "within-subject" if within_subject else "all")
    elif not what.exists():
        raise DataError(f"There is no run folder and no score file {what}.")
    else:
        trials = read_scores(what)
    if scores:
        write_scores(scores, trials)
    if plots:
        from facemotion.evaluation.plots import plot_embeddings, plot_scores

        about = f"{what}{f' on {manifest}' if what.is_dir() else ''}{f', {split}' if split else ''}"
        plot_scores(trials, plots / "scores.png", about)
        written = [plots / "scores.png"]
        if what.is_dir():
            try:
                plot_embeddings(vectors, clips.records, plots / "embeddings.png")
                written.append(plots / "embeddings.png")
            except EvidenceError as error:  # the figures don't need it
                typer.echo(f"facemotion: {error}", err=True)
    report = make_report(trials, tuple(fmr or (0.01, 0.001)), replicates)
    if json:
        print_json(report.to_json())
    else:
        _print(report)
        if plots:
            typer.echo(f"Plots: {', '.join(map(str, written))}.")


def _print(report: Report) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "95% interval", box=box.SIMPLE, pad_edge=False)
    for name, interval in report.figures.items():
        table.add_row(name, f"{interval.value:.3f}", f"{interval.low:.3f} to {interval.high:.3f}, over {interval.unit}")
    table.add_row("prevalence", f"{report.prevalence:.3f}", "average precision of a guess")
    for rate in report.rates:
        value = "refused" if rate.fnmr is None else f"{rate.fnmr:.3f}"
        table.add_row(f"FNMR at FMR {rate.fmr:g}", value, rate.reason or f"threshold {rate.threshold:.3f}")
    for kind, own in report.kinds.items():
        table.add_row(f"EER, {kind}", f"{own.eer:.3f}", f"{own.trials} impostor trials, AP {own.average_precision:.3f}")
    for kind, reason in report.unmeasured.items():
        table.add_row(f"EER, {kind}", "refused", reason)
    console = Console()
    console.print(table)
    console.print(
        f"{report.genuine} genuine and {report.impostor} impostor trials of {report.subjects} "
        f"subject{'' if report.subjects == 1 else 's'}; {report.independent} different pairs of motions.",
        highlight=False,
    )
