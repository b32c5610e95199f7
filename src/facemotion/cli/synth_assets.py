"""`facemotion synth assets`: the folder of head and portraits, built from public repositories (extra: synth)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, print_json
from facemotion.cli.terminal.progress import Progress


def build(
    out: Annotated[Path, typer.Argument(help="Folder to make, or to continue.")],
    *,
    head: Annotated[Path | None, typer.Option(help="A copy of ICT-FaceKit; default: OUT/sources/ICT-FaceKit.")] = None,
    portraits: Annotated[
        Path | None,
        typer.Option(help="A copy of assets-person-portrait; default: OUT/sources/assets-person-portrait."),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Bring with git what isn't given.")] = False,
    json: JsonOption = False,
) -> None:
    """Build the folder that simulated people are drawn from; run again to continue after a kill."""
    from facemotion.synth.sources.building import DIGEST, build_assets

    with Progress("steps", quiet=json) as report:
        digest = build_assets(
            out,
            head=head,
            portraits=portraits,
            fetch=fetch,
            progress=lambda done, total, what: report(done, total, note=what),
        )
    if json:
        print_json({"folder": str(out), "sha256": digest, "as_shipped": digest == DIGEST})
        return
    same = (
        "the same as those that the shipped models were trained with"
        if digest == DIGEST
        else "NOT the same as those that the shipped models were trained with: this machine writes other JPEGs, "
        "or the folder was changed"
    )
    typer.echo(f"The assets are in {out}, {same} (SHA-256 {digest}).")
    typer.echo(f"Now set FACEMOTION_ASSETS={out}")
