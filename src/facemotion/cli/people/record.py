"""`facemotion record`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json
from facemotion.errors import (
    AcquisitionError,
    ConsentError,
    FacemotionError,
    NoCameraError,
    UsageError,
)

if TYPE_CHECKING:
    from facemotion.recorder.cameras import Camera
    from facemotion.recorder.sitting import Outcome


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(record)


def record(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the clips and their manifest; made if it isn't there.")
    ] = None,
    *,
    plan: Annotated[
        Path | None,
        typer.Option("--plan", help="CSV file: subject, motion, takes, kind, films; without it you are asked."),
    ] = None,
    films: Annotated[
        list[Path] | None,
        typer.Option("--from", help="Film instead of a camera, one a take, matched by name or order; or a folder."),
    ] = None,
    camera: Annotated[str, typer.Option("--camera", help="Number, path or address of the camera.")] = "0",
    size: Annotated[str, typer.Option("--size", help="Wanted width x height, such as 1280x720.")] = "",
    seconds: Annotated[float, typer.Option("--seconds", help="Longest take before a camera.", min=3.0)] = 6.0,
    consent: Annotated[
        Path | None, typer.Option("--consent", help="Text that everybody has to agree to; default: a short one.")
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Ask nothing: you state that everybody agreed to the text; all usable takes are kept."
        ),
    ] = False,
    list_cameras: Annotated[bool, typer.Option("--list", help="List the cameras of this machine and stop.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Film takes of people and motions, with guidance, into clips and a manifest for `calibrate` and `train`."""
    if list_cameras:
        _list(json=json)
        return
    if folder is None:
        raise UsageError("Name the folder for the clips: `facemotion record FOLDER`.")
    if json and not yes:
        raise UsageError("With --json nothing is asked: give --yes, too, once everybody has agreed to be recorded.")
    from facemotion.cli.people.recording_terminal import TerminalAttendant, ask_for_motions
    from facemotion.config import load_settings
    from facemotion.frontend import Frontend
    from facemotion.recorder.cameras import Device, films_of
    from facemotion.recorder.consent import Consents, read_text
    from facemotion.recorder.match_films import match_films
    from facemotion.recorder.recorded_clips import RecordedClips, recording_alone
    from facemotion.recorder.recording_plan import read_plan
    from facemotion.recorder.sitting import Sitting

    settings = load_settings(config)
    longest = settings.media.max_seconds - 1  # a look may take a moment, and the clip goes on meanwhile
    if not films and seconds > longest:
        raise UsageError(f"A take may last {longest:g} s at most (max_seconds under [media]), got {seconds:g}.")
    text, planned = read_text(consent), read_plan(plan) if plan is not None else None
    if planned is None and yes:
        raise UsageError("With --yes nothing is asked: name the people and motions in a file with --plan.")
    device = Device(_which(camera), _size(size))
    cameras: Sequence[Camera] = [device]
    if films:
        cameras = found = films_of(films, settings.media)
        if planned is not None:
            matched = match_films(found, planned)
            cameras = matched.films
            if matched.by_order and not json:
                print("No film names a person or a motion of the plan: they are taken in their order.", file=sys.stderr)
    elif any(motion.films for motion in planned or ()):
        raise UsageError(f"{plan} names films; say where they lie: --from FOLDER.")
    attendant = TerminalAttendant(asks=not yes, films=bool(films), quiet=json)
    with recording_alone(folder), attendant:
        clips, consents = RecordedClips(folder), Consents(folder)
        if planned is not None:
            clips.check_plan(planned)
        sitting = Sitting(clips, consents, text, Frontend.load(settings), attendant)
        outcome = sitting.outcome
        try:
            sitting.record(ask_for_motions(clips) if planned is None else planned, cameras, seconds)
        except (KeyboardInterrupt, FacemotionError):
            if not json:
                attendant.end_line()
                print(*_sentences(outcome, clips.manifest), sep="\n", file=sys.stderr)
            raise
    if json:
        print_json(_as_json(outcome, clips.manifest, clips.session))
    else:
        print(*_sentences(outcome, clips.manifest), sep="\n")
    if not outcome.kept and outcome.without_consent:
        raise ConsentError("Nobody agreed to be recorded, so nothing was.")
    if outcome.refused:
        raise typer.Exit(AcquisitionError.exit_code)  # a film couldn't be used


def _which(camera: str) -> int | str:
    return int(camera) if camera.isdecimal() else camera


def _size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size is WIDTHxHEIGHT in pixels, such as 1280x720; got {text!r}.")
    return int(width), int(height)


def _sentences(outcome: Outcome, manifest: Path) -> list[str]:
    """What a session brought, a sentence each."""
    lines = [f"{reason} Film this take again." for reason in outcome.refused]
    lines += [f"{name} was left out." for name in outcome.left_out]
    lines += [f"{name} didn't agree; nothing of them was recorded." for name in outcome.without_consent]
    count = len(outcome.kept)
    takes = f"{count} take{'s' if count != 1 else ''}" if count else "No take"
    return [*lines, f"{takes} kept; the clips are listed in {manifest}." if count else f"{takes} was kept."]


def _as_json(outcome: Outcome, manifest: Path, session: int) -> dict[str, Any]:
    return {
        "manifest": str(manifest),
        "session": session,
        "kept": [record.path for record in outcome.kept],
        "refused": outcome.refused,
        "without_consent": outcome.without_consent,
    }


def _list(*, json: bool) -> None:
    from dataclasses import asdict

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.recorder.cameras import list_devices

    found = list_devices()
    if json:
        print_json({"cameras": [asdict(device) for device in found]})
        return
    if not found:
        raise NoCameraError(
            "No camera was found: plug one in, allow access to it, or give films in its place with --from."
        )
    table = Table("camera", "name", "size", "frames/s", box=box.SIMPLE, pad_edge=False)
    for device in found:
        size = f"{device.width} x {device.height}"
        table.add_row(str(device.number), device.name, size, f"{device.rate:g}" if device.rate else "")
    Console().print(table, markup=False)  # a camera's name may hold brackets
