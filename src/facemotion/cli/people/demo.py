"""`facemotion demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import facemotion
from facemotion.cli.terminal.console import (
    ConfigOption,
    JsonOption,
    decision_json,
    evidence_rows,
    note,
    print_json,
    quality_line,
    score_line,
    spent_line,
    verdict,
)

if TYPE_CHECKING:
    from facemotion.types import Decision


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    clips: Annotated[
        list[Path] | None,
        typer.Argument(help="Three clips of your own: two takes of one motion, then another motion. Default: samples."),
    ] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Write a picture of the compared frames here.")] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Verify sample clips: two takes of one motion, then two different motions."""
    from facemotion.config import load_settings
    from facemotion.errors import UsageError
    from facemotion.verifier import Verifier

    paths = clips or sample_clips()
    if len(paths) != 3:
        raise UsageError("Give three clips: two takes of one motion, then one of another motion.")
    verifier = Verifier.load(load_settings(config))
    decisions = [verifier.verify(paths[0], other) for other in paths[1:]]
    if json:
        print_json({"same": decision_json(decisions[0]), "other": decision_json(decisions[1])})
    else:
        print_demo(paths, decisions)
        if not clips:
            print("The clips show a simulated person. To compare two of your own: facemotion verify CLIP CLIP")
    if png is not None:
        write_picture(png, paths, decisions)
        if not json:
            print(f"The frames are in {png}.")


def print_demo(clips: list[Path], decisions: list[Decision]) -> None:
    """Both verdicts, then what they share, once: evidence of the thresholds, quality of each clip, milliseconds.

    Args:
        clips: one, and the two that it was compared with.
        decisions: one for each of those two.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for title, other, decision in zip(("One motion twice", "Two motions"), clips[1:], decisions, strict=True):
        console.print(Text(f"{title}: {clips[0].name} and {other.name}"))
        scores = "; ".join(f"{result.factor} {score_line(result)}" for result in decision.factors)
        console.print(f"  {verdict(decision)}  {scores}", highlight=False)
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    first, second = decisions
    for result in first.factors:
        for row in evidence_rows(f"{result.factor} threshold", result.operating_point):
            table.add_row(*row)
    for clip, report in zip(clips, (*first.quality, *second.quality[1:]), strict=True):
        table.add_row(Text(clip.stem), quality_line(report))
    table.add_row("milliseconds", f"{spent_line(first.milliseconds)}, first pair")
    console.print(table, markup=False)
    console.print(note(first))


def sample_clips() -> list[Path]:
    """Two takes of one motion and a take of another, by one simulated person, as shipped."""
    folder = Path(facemotion.__file__).parent / "samples"
    return [folder / name for name in ("anna-wink-pout-1.mp4", "anna-wink-pout-2.mp4", "anna-brows-smile-1.mp4")]


def write_picture(path: Path, clips: list[Path], decisions: list[Decision]) -> None:
    """Write the three clips as rows of frames, with the scores in the captions.

    Raises:
        UsageError: the picture can't be written.
    """
    from facemotion.errors import UsageError
    from facemotion.media import load_clip
    from facemotion.media.strip import contact_sheet, frame_strip

    captions = [f"{clips[0].name}: the take that the others are compared with"]
    for other, decision in zip(clips[1:], decisions, strict=True):
        verdict = "accepted" if decision.accepted else "rejected"
        captions.append(f"{other.name}: score {decision.factors[0].score:.3f}, {verdict}")
    rows = [(caption, frame_strip(load_clip(clip))) for caption, clip in zip(captions, clips, strict=True)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows).save(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"Can't write the picture {path}: {error}.") from error
