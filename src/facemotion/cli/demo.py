"""`facemotion demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facemotion.cli.console import ConfigOption, JsonOption, decision_json, print_decision, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    same: Annotated[
        list[Path] | None, typer.Argument(help="Two takes of one motion, then one of another motion.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Verify three clips: the first against the second take of its motion, then against another motion."""
    from facemotion.config import load_settings
    from facemotion.errors import UsageError
    from facemotion.verifier import Verifier

    clips = same or []
    if len(clips) != 3:
        raise UsageError("Give three clips: two takes of one motion, then one of another motion.")
    verifier = Verifier.load(load_settings(config))
    decisions = [verifier.verify(clips[0], other) for other in clips[1:]]
    if json:
        print_json({"same": decision_json(decisions[0]), "other": decision_json(decisions[1])})
        return
    for title, other, decision in zip(("The same motion", "Another motion"), clips[1:], decisions, strict=True):
        print(f"\n{title}: {clips[0].name} against {other.name}")
        print_decision(decision)
