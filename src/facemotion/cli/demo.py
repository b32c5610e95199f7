"""`facemotion demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.console import ConfigOption, JsonOption, decision_json, print_decision, print_json

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
        titles = ("Two takes of one motion", "Two different motions")
        for title, other, decision in zip(titles, paths[1:], decisions, strict=True):
            print(f"\n{title}: {paths[0].name} against {other.name}")
            print_decision(decision)
    if png is not None:
        write_picture(png, paths, decisions)
        if not json:
            print(f"\nThe frames are in {png}.")


def sample_clips() -> list[Path]:
    """Two takes of one motion and a take of another, by one simulated person, as shipped."""
    folder = Path(__file__).parents[1] / "samples"
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
