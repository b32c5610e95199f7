"""`facemotion train encoder`, `facemotion train sfe` and `facemotion train response`."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.learning.runs import INSTALL, DeviceOption
from facemotion.cli.terminal.console import JsonOption, check_place, print_json
from facemotion.cli.terminal.interrupt import Interrupts
from facemotion.cli.terminal.progress import Progress


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Train networks (extra: train).", no_args_is_help=True)
    group.command()(encoder)
    group.command()(sfe)
    group.command()(response)
    group.callback()(_group)
    app.add_typer(group, name="train")


def _group() -> None:
    """Train networks (extra: train)."""


def encoder(
    config: Annotated[Path, typer.Argument(help="Training settings (TOML); see configs/.")],
    run: Annotated[Path, typer.Option(help="Run folder: settings, versions, curve, checkpoint.")] = Path("run"),
    export: Annotated[
        Path | None, typer.Option(help="Also write the encoder to this ONNX file, its card beside it.")
    ] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Train the sequence encoder over cached features; a run that was cut off is continued."""
    from facemotion.errors import MissingExtraError

    try:
        from facemotion.training.encoder.export import export_encoder, write_card
        from facemotion.training.encoder.material.sources import load_training_set
        from facemotion.training.encoder.settings import TrainingSettings
        from facemotion.training.encoder.train import choose_device, train_encoder
        from facemotion.training.run_folder import RunFolder
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from facemotion.config import read_toml
    from facemotion.features import frontend_of
    from facemotion.models import Models

    if export:
        check_place(export)
    choose_device(device)
    settings = read_toml(TrainingSettings, config)
    frontend_id = frontend_of(settings.extractor, Models.configured())
    data = load_training_set(settings, frontend_id)
    final: float | None = None  # of a run that had ended before
    first = 0
    with Progress("steps", quiet=json, total=settings.optimiser.steps) as progress, Interrupts(progress) as interrupts:

        def show(step: int, loss: float) -> None:
            nonlocal final, first
            final, first = loss, first or step
            progress(step, note=f"loss {loss:.3f}")
            interrupts.check()

        net = train_encoder(settings, data, RunFolder(run), show, device)
    steps = RunFolder(run).load().step
    if export:
        export_encoder(net, export)
        card = write_card(export, frontend_id, spotting=settings.encoder.spotting)
    if json:
        print_json({"run": str(run), "clips": len(data.records), "steps": steps, "loss": final})
        return
    told = f"Trained on {len(data.records)} clips for {steps} steps"
    if final is None:
        told = f"The run had ended before: {len(data.records)} clips, {steps} steps"
    elif first > 1:
        told += f", the first {first - 1} of them before"
    if steps < settings.optimiser.steps:
        told += ", until the watched people gained no more"
    typer.echo(f"{told}; the run is in {run}. Next, on clips that it wasn't trained on:")
    typer.echo(f"  facemotion evaluate {run} --manifest MANIFEST")
    if export:
        typer.echo(f"The encoder is in {export}, its card in {card}. Settings that name it, for a file own.toml:")
        typer.echo(textwrap.indent(_naming(export), "  "))
        typer.echo("It decides nothing before it is calibrated, on clips that it wasn't trained on:")
        typer.echo("  facemotion calibrate MANIFEST --config own.toml --keep")


def _naming(export: Path) -> str:
    """Settings that name an exported encoder, as TOML."""
    import tomlkit

    return tomlkit.dumps(
        {"runtime": {"models_folder": str(export.parent)}, "verifier": {"encoder": export.stem}}
    ).replace("\n\n", "\n")


def sfe(
    config: Annotated[Path, typer.Argument(help="Training settings (TOML); see configs/sfe_*.toml.")],
    run: Annotated[Path, typer.Option(help="Run folder: settings, versions, curves, checkpoint.")] = Path("run"),
    export: Annotated[Path | None, typer.Option(help="Also write the trained extractor to this ONNX file.")] = None,
    json: JsonOption = False,
) -> None:
    """Train a spatial feature extractor on stills; a run that was cut off is continued."""
    from facemotion.errors import MissingExtraError

    try:
        from facemotion.training.extractor.export import export_sfe
        from facemotion.training.extractor.readout import fit_readout
        from facemotion.training.extractor.settings import SfeSettings
        from facemotion.training.extractor.train import load_stills, train_sfe
        from facemotion.training.extractor.validation import Validation
        from facemotion.training.run_folder import RunFolder
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from rich.console import Console

    from facemotion.config import read_toml

    if export:
        check_place(export)
    settings = read_toml(SfeSettings, config)
    data = load_stills(settings)
    stills = sum(len(source) for source in data.sources)
    final, figures = 0.0, None
    with Progress("steps", quiet=json, total=settings.optimiser.steps) as progress, Interrupts(progress) as interrupts:

        def show(step: int, loss: float, found: Validation | None) -> None:
            nonlocal final, figures
            final, figures = loss, found or figures
            seen = f", inner NME {figures.nme_51:.2f}%" if figures else ""
            progress(step, note=f"loss {loss:.3f}{seen}")
            interrupts.check()

        net = train_sfe(settings, data, RunFolder(run), show)
    if export:
        export_sfe(net, export, None if net.has_landmarks else fit_readout(net, data.sources[0]))
    if json:
        found = {k: v for k, v in dataclasses.asdict(figures).items() if not math.isnan(v)} if figures else {}
        steps = settings.optimiser.steps
        print_json({"run": str(run), "stills": stills, "steps": steps, "loss": final, "validation": found})
        return
    told = f" Inner NME {figures.nme_51:.2f}% on {figures.stills} validation stills." if figures else ""
    Console().print(
        f"Trained on {stills} stills for {settings.optimiser.steps} steps; the run is in {run}.{told}",
        highlight=False,
        markup=False,
    )


def response(
    manifest: Annotated[Path, typer.Argument(help="Manifest of a data set of `facemotion synth dataset`.")],
    features: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    out: Annotated[Path, typer.Option(help="File to write (.npz).")] = Path("response.npz"),
    json: JsonOption = False,
) -> None:
    """Fit how the face mesh shows what rendered people do; those without pictures can then move so."""
    from facemotion.errors import MissingExtraError

    try:
        from facemotion.synth.points.response import fit_response
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from facemotion.features import MESH, load_extractor
    from facemotion.models import Models

    check_place(out)
    found, explained = fit_response(manifest, features, load_extractor(MESH, Models.configured()).frontend_id)
    found.save(out)
    if json:
        print_json({"response": str(out)} | dataclasses.asdict(explained))
        return
    typer.echo(
        f"Fitted on {explained.clips} clips of {explained.people} people, in {out}. Fitted on half of the people, it "
        f"explains {explained.of_new_people:.0%} of how features move within clips of the others, "
        f'{explained.of_their_own:.0%} once other clips of theirs are known. Next: response = "{out}" under '
        "[simulation] of training settings; people who are tested must be others."
    )
