"""`facemotion synth assets`: the folder of head and portraits, built from public repositories (extra: synth)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.terminal.console import JsonOption, print_json
from facemotion.cli.terminal.progress import Progress
from facemotion.errors import AssetError, UsageError
from facemotion.system.files import user_folder


def build(
    out: Annotated[Path, typer.Argument(help="Folder to make, or to continue.")],
    *,
    head: Annotated[Path | None, typer.Option(help="A copy of ICT-FaceKit; default: OUT/sources/ICT-FaceKit.")] = None,
    portraits: Annotated[
        Path | None,
        typer.Option(help="A copy of assets-person-portrait; default: OUT/sources/assets-person-portrait."),
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Bring with git what isn't given.")] = False,
    clay: Annotated[
        bool, typer.Option("--clay", help="Build people of clay instead, from nothing but the package.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Build the folder that simulated people are drawn from; run again to continue after a kill."""
    from facemotion.synth.sources.building import DIGEST, build_assets, build_clay

    if clay and (fetch or head or portraits):
        raise UsageError("People of clay need no copies: leave out --head, --portraits and --fetch.")
    with Progress("steps", quiet=json) as report:

        def tell(done: int, total: int, what: str) -> None:
            report(done, total, note=what)

        if clay:
            digest = build_clay(out, progress=tell)
        else:
            digest = build_assets(out, head=head, portraits=portraits, fetch=fetch, progress=tell)
    if json:
        print_json({"folder": str(out), "sha256": digest, "as_shipped": digest == DIGEST})
        return
    if clay:
        typer.echo(f"People of clay are in {out} (SHA-256 {digest}). Now set FACEMOTION_ASSETS={out}")
        return
    same = (
        "the same as those that the shipped models were trained with"
        if digest == DIGEST
        else "NOT the same as those that the shipped models were trained with: this machine writes other JPEGs, "
        "or the folder was changed"
    )
    typer.echo(f"The assets are in {out}, {same} (SHA-256 {digest}).")
    typer.echo(f"Now set FACEMOTION_ASSETS={out}")


def clay_folder(*, quiet: bool) -> Path:
    """People of clay in the user's cache folder, built on first use.

    Args:
        quiet: say nothing of how far building has got.
    Raises:
        AssetError: the user has no home.
        WriteError: the folder can't be written.
    """
    from facemotion.synth.people.assets import PORTRAIT_LIST
    from facemotion.synth.sources.building import build_clay

    cache = user_folder("cache")
    if cache is None:
        raise AssetError(
            "There is no home folder to keep people of clay in; build them with `synth assets OUT --clay`."
        )
    folder = cache / "clay"
    if not (folder / PORTRAIT_LIST).exists():
        with Progress("portraits of clay, once", quiet=quiet) as report:
            build_clay(folder, progress=lambda done, total, _: report(done, total))
    return folder
