"""`facemotion train encoder`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.console import JsonOption, print_json

INSTALL = "Training needs torch; install it with `pip install 'facemotion[train]'`."


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Train networks (extra: train).", no_args_is_help=True)
    group.command()(encoder)
    group.callback()(_group)
    app.add_typer(group, name="train")


def _group() -> None:
    """Train networks (extra: train)."""


def encoder(
    config: Annotated[Path, typer.Argument(help="Training settings (TOML); see configs/.")],
    run: Annotated[Path, typer.Option(help="Run folder: settings, versions, curve, checkpoint.")] = Path("run"),
    export: Annotated[Path | None, typer.Option(help="Also write the trained encoder to this ONNX file.")] = None,
    json: JsonOption = False,
) -> None:
    """Train the sequence encoder over cached features; a run that was cut off goes on where it was."""
    from facemotion.errors import MissingExtraError

    try:
        from facemotion.training.dataset import load_training_set
        from facemotion.training.encoder import train_encoder
        from facemotion.training.export import export_encoder
        from facemotion.training.runs import RunFolder
        from facemotion.training.settings import TrainingSettings
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from facemotion.config import read_toml
    from facemotion.features import load_extractor

    settings = read_toml(TrainingSettings, config)
    data = load_training_set(settings, load_extractor(settings.extractor).frontend_id)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    final = 0.0
    with Progress(*columns, transient=True, disable=json, console=Console(stderr=True)) as bar:
        task = bar.add_task("loss", total=settings.optimiser.steps)

        def show(step: int, loss: float) -> None:
            nonlocal final
            final = loss
            bar.update(task, completed=step, description=f"loss {loss:.3f}")

        net = train_encoder(settings, data, RunFolder(run), show)
    if export:
        export_encoder(net, export)
    if json:
        print_json({"run": str(run), "clips": len(data.records), "steps": settings.optimiser.steps, "loss": final})
        return
    Console().print(
        f"Trained on {len(data.records)} clips for {settings.optimiser.steps} steps; the run is in {run}. Next: "
        f"`facemotion evaluate {run} --manifest MANIFEST`.",
        highlight=False,
    )
