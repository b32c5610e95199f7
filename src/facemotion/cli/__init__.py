"""The command line: `facemotion COMMAND`. Each command group is a file here; heavy imports stand inside the commands.

Exit codes: 0 accepted or done, 1 rejected, 2 usage or unreadable input, 3 no usable face motion could be acquired,
70 a fault of facemotion itself, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, NoReturn

import typer

import facemotion
from facemotion.cli import models, synth
from facemotion.cli.learning import (
    crossval_command,
    data,
    evaluate,
    failures_command,
    features,
    tables_command,
    train_commands,
)
from facemotion.cli.operating import (
    audit_commands,
    backup_commands,
    bench_commands,
    doctor_command,
    key_commands,
    serve,
    store,
)
from facemotion.cli.people import calibrate, demo, landmarks, record, users, verify
from facemotion.cli.terminal.console import lost_output, report_error, speak_on
from facemotion.errors import FacemotionError, MissingExtraError, UsageError, WriteError
from facemotion.system.files import FULL

INTERNAL_FAULT = 70
"""Exit code of a fault of our own, EX_SOFTWARE of BSD's sysexits."""
app = typer.Typer(
    name="facemotion",
    help="Verify a person by a secret facial motion made before a camera.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# In the order of `facemotion --help`; one a line.
GROUPS = (
    demo,
    doctor_command,
    verify,
    users,
    store,
    backup_commands,
    models,
    serve,
    key_commands,
    audit_commands,
    synth,
    data,
    features,
    landmarks,
    train_commands,
    crossval_command,
    tables_command,
    evaluate,
    failures_command,
    record,
    calibrate,
    bench_commands,
)
for group in GROUPS:
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"facemotion {facemotion.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Verify a person by a secret facial motion made before a camera."""


def main() -> None:
    """Entry point: run a command, print a named error as its one sentence."""
    speak_on()
    try:
        _run()
    finally:
        if (lost := lost_output()) is not None:
            told = WriteError(f"The output can't be written ({lost.strerror}); send it elsewhere.")
            sys.exit(report_error(told, as_json=False))


def _run() -> None:
    try:
        app()
    except FacemotionError as error:
        sys.exit(report_error(error, as_json="--json" in sys.argv))
    except OSError as error:  # of a file that the user named: a path too long, a folder in a file's place
        if error.filename is None and error.errno not in FULL:
            _report_fault()
        what = f"{error.filename}: " if error.filename is not None else ""
        told = UsageError(f"{what}{error.strerror}; choose another place.")
        sys.exit(report_error(told, as_json="--json" in sys.argv))
    except ModuleNotFoundError as error:  # commands about users import what the extra brings before they open a store
        from facemotion.store.base import MISSING, PACKAGES

        if (error.name or "").partition(".")[0] not in PACKAGES:
            _report_fault()
        sys.exit(report_error(MissingExtraError(MISSING), as_json="--json" in sys.argv))
    except Exception:  # noqa: BLE001 - the border of the program: 1 says "rejected", so no fault of ours may exit with it
        _report_fault()


def _report_fault() -> NoReturn:
    """Say that the exception at hand is a fault of ours; the exit code 1 would say "rejected"."""
    traceback.print_exc()
    print("facemotion: that is a fault of facemotion itself; please report it with the lines above.", file=sys.stderr)
    sys.exit(INTERNAL_FAULT)
