"""What all commands share: options, tables of a decision, errors as one sentence."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facemotion.errors import FacemotionError, StoreError, WriteError
from facemotion.system.files import user_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from facemotion.types import Decision, FactorResult, OperatingPoint, QualityReport

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file (TOML); default: $FACEMOTION_CONFIG or the user's own.")
]
ClusterOption = Annotated[
    str,
    typer.Option(
        "--cluster",
        help="Work on a Ray cluster in place of this machine: auto, HOST:PORT or ray://HOST:PORT.",
        show_default=False,
    ),
]
StoreOption = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="FACEMOTION_STORE",
        help="Template store: a file or a database URL; default: a file in the user's data folder.",
    ),
]

MOTION_ALONE = "Motion alone was compared; who performed it was not."
MOTION_ALONE_ENROLLED = "Motion alone is enrolled; whose face makes it is not."
BOTH = "Motion and face were compared; both must pass."


def report_error(error: FacemotionError, *, as_json: bool) -> int:
    """Print an error, as a sentence or as JSON, and return its exit code."""
    if as_json:
        print_json({"error": type(error).__name__, "message": str(error)})
    else:
        print(f"facemotion: {error}", file=sys.stderr)
    return error.exit_code


SIGNS = {"≥": ">=", "±": "+/-", "•": "*"}
"""What stands for our own signs where the output's encoding lacks them."""


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write what an encoding lacks in another way: no sign, and no name, may cost the verdict.

    Bytes of a file's name that were no text to Python go out as they came in.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":
        return bytes([ord(letter) - 0xDC00]), error.start + 1
    return SIGNS.get(letter) or letter.encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error("facemotion-plain", _plain)


class _Speaker(io.FileIO):
    """A stream that goes on where nobody listens any more (`facemotion verify A B | head -1`), and where its disk is
    full; `lost` is then why.
    """

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            return memoryview(data).nbytes
        except OSError as error:
            self.lost = error
            return memoryview(data).nbytes


def speak_on() -> None:
    """Let nothing about the output end the command, whose exit code is the verdict: neither a reader that goes away
    early nor an encoding that lacks a sign.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or stream is not getattr(sys, f"__{name}__"):
            continue  # closed from the start, or captured by a test
        raw = _Speaker(descriptor, "w", closefd=False)
        lines = bool(stream.line_buffering) or name == "stderr" or bool(stream.write_through)
        made = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "facemotion-plain", line_buffering=lines)
        setattr(sys, name, made)


def lost_output() -> OSError | None:
    """Why some of standard output couldn't be written; None if all was, or if nobody wanted it."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Speaker):
        return None
    sys.stdout.flush()
    return raw.lost


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on standard output; where that isn't UTF-8, as JSON must be, in ASCII alone."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    unicode = str(getattr(sys.stdout, "encoding", "")).lower().replace("-", "") == "utf8"
    if not unicode or any("\ud800" <= letter <= "\udfff" for letter in text):  # the latter: of a name that is no text
        text = json.dumps(value, indent=2)
    # Flushed: `serve` says where it listens and then goes on, and whoever reads a pipe waits for that.
    print(text, flush=True)


def check_place(path: Path) -> None:
    """See that a file can be written where it is asked for, before the work that makes it.

    Raises:
        WriteError: it is a folder, or its folder isn't there or isn't open to us.
    """
    if path.is_dir():
        raise WriteError(f"Can't write {path}: it is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise WriteError(f"Can't write {path}: there is no folder {path.parent}; make it first.")
    if not os.access(path.parent, os.W_OK):
        raise WriteError(f"Can't write {path}: its folder can't be written to; choose another place.")


def default_store() -> str:
    """Path of the user's own store; its folder is made.

    Raises:
        StoreError: the user has no home, or the folder can't be made in it.
    """
    folder = user_folder("data")
    if folder is None:
        raise StoreError("There is no home folder to keep the store in; name a file with --store or FACEMOTION_STORE.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"Can't make the folder {folder} of the store: {error.strerror}; name a file elsewhere with --store or "
            "FACEMOTION_STORE."
        ) from error
    return str(folder / "facemotion.db")


def decision_json(decision: Decision) -> dict[str, Any]:
    """A decision as plain values."""
    from dataclasses import asdict

    return {
        "accepted": decision.accepted,
        "factors": [
            {
                "factor": result.factor,
                "score": round(result.score, 6),
                "threshold": result.threshold,
                "accepted": result.accepted,
                "operating_point": asdict(result.operating_point),
            }
            for result in decision.factors
        ],
        "quality": [asdict(report) for report in decision.quality],
        "milliseconds": {stage: round(spent, 2) for stage, spent in decision.milliseconds.items()},
        "warnings": list(decision.warnings),
        "note": note(decision),
    }


def print_decision(decision: Decision) -> None:
    """A decision as a table: score, threshold, verdict, quality, milliseconds a stage."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    for result in decision.factors:
        table.add_row(result.factor, score_line(result))
        for row in evidence_rows("operating point", result.operating_point):
            table.add_row(*row)
    for number, report in enumerate(decision.quality):
        label = f"clip {number + 1}" if len(decision.quality) > 1 else "clip"
        table.add_row(label, quality_line(report))
    table.add_row("milliseconds", spent_line(decision.milliseconds))
    console = Console()
    console.print(table, markup=False)  # names of operating points and of their clips may hold brackets
    for warning in decision.warnings:
        console.print(f"[yellow]Note:[/] {warning}", highlight=False)
    console.print(f"{verdict(decision)}  {note(decision)}")


def verdict(decision: Decision) -> str:
    """One word, as markup."""
    return "[bold green]ACCEPTED[/]" if decision.accepted else "[bold red]REJECTED[/]"


def note(decision: Decision) -> str:
    """What was compared, a sentence."""
    return BOTH if len(decision.factors) > 1 else MOTION_ALONE


def score_line(result: FactorResult) -> str:
    """Score against threshold."""
    sign = "≥" if result.accepted else "<"
    own = f" (raised by {result.raised:.3f} for this user)" if result.raised else ""
    return f"score {result.score:.3f} {sign} threshold {result.threshold:.3f}{own}"


def evidence_rows(label: str, point: OperatingPoint) -> list[tuple[str, str]]:
    """What stands behind a threshold, as two rows of a table."""
    told = (
        f"{point.name}: FMR {point.fmr:.1%}, FNMR {point.fnmr:.1%}, measured on "
        f"{point.genuine_trials} genuine and {point.impostor_trials} impostor trials with "
        f"{point.takes} take{'s' if point.takes > 1 else ''} enrolled, "
        f"{point.subjects} subject{'s' if point.subjects > 1 else ''}"
    )
    return [(label, told), ("", point.source)]


def spent_line(milliseconds: Mapping[str, float]) -> str:
    """The milliseconds of each stage in one line."""
    return "  ".join(f"{stage} {value:.0f}" for stage, value in milliseconds.items())


def quality_line(report: QualityReport) -> str:
    """Quality of a clip in one line; with damage if there is some."""
    damage = f", {report.damaged_share:.1%} of the frames damaged and left out" if report.damaged_share else ""
    return (
        f"{report.frames} frames, {report.seconds:.2f} s, {report.rate:.1f} a second, face in {report.face_share:.0%}, "
        f"{report.face_px:.0f} px, brightness {report.brightness:.0f}, sharpness {report.sharpness:.0f}, "
        f"motion {report.motion_energy:.1f}"
        f"{damage}"
    )


def agreed(question: str) -> bool:
    """Whether somebody at the terminal says yes; no answer is none."""
    try:
        return typer.confirm(question)
    except typer.Abort:  # no answer, which Typer would turn into exit code 1
        return False
