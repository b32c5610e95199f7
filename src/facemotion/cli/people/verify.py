"""`facemotion verify`, `enrol`, `check`."""

from __future__ import annotations

import sys
from filecmp import cmp
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.terminal.console import (
    MOTION_ALONE_ENROLLED,
    ConfigOption,
    JsonOption,
    StoreOption,
    decision_json,
    default_store,
    print_decision,
    print_json,
    quality_line,
)
from facemotion.cli.terminal.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facemotion.enrolment import Enrolment


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(verify)
    app.command()(enrol)
    app.command()(check)


def verify(
    a: Annotated[Path, typer.Argument(help="First clip.")],
    b: Annotated[Path, typer.Argument(help="Second clip.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare the motions of two clips: the same or not."""
    from facemotion.config import load_settings
    from facemotion.verifier import Verifier

    decision = Verifier.load(load_settings(config)).verify(a, b)
    if json:
        print_json(decision_json(decision))
    else:
        print_decision(decision)
    if _same_bytes(a, b):
        print("facemotion: both clips are the same file; a second take is never quite like the first.", file=sys.stderr)
    raise typer.Exit(0 if decision.accepted else 1)


def _same_bytes(a: Path, b: Path) -> bool:
    return a.is_file() and b.is_file() and cmp(a, b, shallow=False)


def enrol(
    user: Annotated[str, typer.Argument(help="Name of the user.")],
    clips: Annotated[list[Path], typer.Argument(help="Takes of the same motion, 2 to 5.")],
    keep_face: Annotated[
        bool, typer.Option("--keep-face", help="Change only the motion of a user whose face is enrolled.")
    ] = False,
    store: StoreOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Store several takes of a user's motion as their template; an older one is replaced."""
    from dataclasses import asdict

    from facemotion.config import load_settings
    from facemotion.errors import DuplicateFaceError, EnrolmentError
    from facemotion.service.guard.audit import keep_journal
    from facemotion.store import check_user, open_store, unknown_user
    from facemotion.verifier import Verifier

    user = check_user(user)
    verifier = Verifier.load(load_settings(config))
    with open_store(store or default_store()) as opened, Progress("takes", quiet=json, total=len(clips)) as progress:
        keep_journal(opened)
        known = opened.factors(user)
        replaced = "motion" in known
        if keep_face and verifier.appearance is not None and "appearance" not in known:
            raise unknown_user(user, "appearance")  # now, and not after seconds of reading the takes
        try:
            if keep_face:
                enrolment = verifier.change_motion(opened, user, clips)
            else:
                enrolment = verifier.enrol(opened, user, clips, progress=progress)
        except DuplicateFaceError as error:  # whoever runs this may read the store; the service tells no name
            raise DuplicateFaceError(f"{error} It is that of {', '.join(error.users)}.", users=error.users) from error
        except EnrolmentError as error:
            if not error.takes:
                raise
            files = " and ".join(f"take {number} is {clips[number - 1]}" for number in error.takes)
            raise EnrolmentError(f"{error} {files[0].upper()}{files[1:]}.", takes=error.takes) from error
    if json:
        print_json(
            {
                "user": user,
                "takes": len(clips),
                "model_id": enrolment.template.model_id,
                "agreement": [round(float(value), 6) for value in enrolment.agreement],
                "quality": [asdict(report) for report in enrolment.quality],
                "warnings": list(enrolment.warnings),
                "duplicates": list(enrolment.duplicates),
                "replaced": replaced,
            }
        )
        return
    _print_enrolment(user, clips, enrolment)
    if replaced:
        print("The template that was stored before is replaced.")
    if verifier.appearance is None:
        print(MOTION_ALONE_ENROLLED)


def _print_enrolment(user: str, clips: Sequence[Path], enrolment: Enrolment) -> None:
    """What was stored, how the takes agree, and what is to be said against the motion."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    for clip, agreement, report in zip(clips, enrolment.agreement, enrolment.quality, strict=True):
        console.print(Text(f"  {clip.name}: agreement {agreement:.3f}; {quality_line(report)}"))
    for warning in enrolment.warnings:
        console.print(Text("Note:", "yellow") + Text(f" {warning}", ""))
    if enrolment.duplicates:
        console.print(Text(f"The face is that of {', '.join(enrolment.duplicates)}."))
    # Text, never markup: a name may hold brackets or colons, and must be shown as it is stored.
    console.print(Text("ENROLLED", "bold green") + Text(f"  {user} with {len(clips)} takes", ""))


def check(
    user: Annotated[str, typer.Argument(help="Name of an enrolled user.")],
    clip: Annotated[Path, typer.Argument(help="Clip of the motion, the probe.")],
    store: StoreOption = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare a clip with a user's template."""
    from facemotion.config import load_settings
    from facemotion.store import check_user, open_store, unknown_user
    from facemotion.verifier import Verifier

    user = check_user(user)
    place = store or default_store()
    with open_store(place, make=False) as opened:
        # Before the clip is read: whoever runs this may list the users. The service takes as long for names it lacks.
        if "motion" not in opened.factors(user):
            from facemotion.store.database import store_name

            raise unknown_user(user, "motion", store_name(place))
        decision = Verifier.load(load_settings(config)).check(opened, user, clip)
    if json:
        print_json(decision_json(decision))
    else:
        print_decision(decision)
    raise typer.Exit(0 if decision.accepted else 1)
