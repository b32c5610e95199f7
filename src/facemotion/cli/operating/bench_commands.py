"""`facemotion bench real`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, check_place, print_json
from facemotion.cli.terminal.progress import Progress

if TYPE_CHECKING:
    from facemotion.bench.real_clips import RealBench


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Measure this installation.", no_args_is_help=True)
    group.command()(real)
    group.callback()(_group)
    app.add_typer(group, name="bench")


def _group() -> None:
    """Measure this installation."""


def real(
    folder: Annotated[
        Path, typer.Argument(help="Folder with manifest.csv or laid out SUBJECT/MOTION/TAKE, or a manifest.")
    ],
    *,
    split: Annotated[str, typer.Option(help="Rows of this split of the manifest only.")] = "",
    cache: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    jobs: Annotated[int, typer.Option(help="Processes that read clips side by side.", min=1, max=256)] = 1,
    warping: Annotated[bool, typer.Option(help="Measure time warping, too, which isn't trained.")] = True,
    replicates: Annotated[int, typer.Option(help="Draws of the bootstrap.", min=10)] = 1000,
    write: Annotated[Path | None, typer.Option(help="Also write the tables to this Markdown file.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """How this installation does on clips of your own: as they are, with rest round the motion, by slower cameras."""
    from facemotion.bench.bench_page import markdown
    from facemotion.bench.condition_figures import measure_conditions
    from facemotion.bench.conditions import CONDITIONS
    from facemotion.bench.real_clips import RealBench
    from facemotion.bench.seen_clips import see_clips
    from facemotion.config import load_settings
    from facemotion.data.cache import SightingCache
    from facemotion.data.take_folders import read_clips
    from facemotion.system.files import room_for, write_whole
    from facemotion.verifier import Verifier

    if write:
        check_place(write)
    settings = load_settings(config)
    verifier = Verifier.load(settings)
    clips = read_clips(folder)
    if split:
        clips = clips.select(split=split)
    store = SightingCache(cache, verifier.frontend.extractor.frontend_id, settings)
    seen = []
    with Progress("clips", quiet=json, total=len(clips)) as progress:
        for clip in see_clips(clips, settings, store, jobs):
            seen.append(clip)
            progress(len(seen))
    figures = []
    with Progress("conditions", quiet=json, total=len(CONDITIONS)) as progress:
        for own in measure_conditions(seen, verifier, warping=warping, replicates=replicates):
            figures.append(own)
            progress(len(figures))
    bench = RealBench.of(seen, verifier, figures)
    if write:
        with room_for(write):
            write_whole(write, markdown(bench))
    if json:
        print_json(bench.to_json())
    else:
        _print(bench)


def _print(bench: RealBench) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.bench.bench_page import notes, tables

    console = Console()
    for told in tables(bench):
        table = Table(*told.head, title=told.title, title_justify="left", box=box.SIMPLE, pad_edge=False)
        for row in told.rows:
            table.add_row(*row)
        console.print(table)
    for note in notes(bench):
        console.print(f"• {note}", highlight=False, markup=False)
