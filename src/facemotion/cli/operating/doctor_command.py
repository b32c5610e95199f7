"""`facemotion doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, StoreOption, print_json, report_error

if TYPE_CHECKING:
    from facemotion.doctor import Section


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(config: ConfigOption = None, store: StoreOption = "", json: JsonOption = False) -> None:
    """Say what is installed and how it is set up, and the first thing in it that is wrong."""
    from facemotion.doctor import examine, first_fault

    sections = examine(config, store)
    fault = first_fault(sections)
    if json:
        page: dict[str, object] = {"healthy": fault is None}
        if fault is not None:
            page |= {"error": type(fault).__name__, "message": str(fault)}
        faults = {section.name: str(section.fault) for section in sections if section.fault is not None}
        print_json(page | {"facts": {section.name: section.facts for section in sections}, "faults": faults})
    else:
        print_page(sections)
        if fault is not None:
            report_error(fault, as_json=False)
    if fault is not None:
        raise typer.Exit(fault.exit_code)


def print_page(sections: tuple[Section, ...]) -> None:
    """The facts, one a line and never cut short, so that they can be pasted; each part with what is wrong in it."""
    from facemotion.doctor.facts import plain

    for section in sections:
        print(section.name)
        for name, value in section.facts.items():
            print(f"  {name}: {plain(value)}")
        if section.fault is not None:
            print(f"  WRONG: {section.fault}")
    if all(section.fault is None for section in sections):
        print("All is well.")
