"""Runs the tutorials and writes what their commands print into their pages.

    python -m tools.tutorials [PAGE...]

A block marked `console` holds commands after `$`, each with what it prints; `<!-- file: NAME -->` before a block saves
it as that file. What is printed beyond a line `...` isn't shown. Everything runs in one new folder, which begins with
the clips of two people, under `samples`. A test fails where a page shows something else than what is printed. After a
change of the shipped encoder run this again.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from facemotion.cli import main

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
QUICK = ("first_verification.md", "enrol_a_team.md", "calibrate.md")
SLOW = ("train_on_simulated_people.md",)
"""Minutes of work: people are drawn and an encoder is trained."""

_FILE = re.compile(r"^<!-- file: (\S+) -->\n```\w+\n(.*?)^```", re.M | re.S)
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_VARYING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|\b[0-9a-f]{12,}\b|\d+(?:\.\d+)? (?:ms|s|min)\b")
TOLERANCE = 0.02
"""How far a number may be from the page's, next to itself or to 1: processors round differently."""


def printed(page: str, folder: Path) -> list[tuple[str, str]]:
    """Run the commands of a page, in its order.

    Args:
        page: its text.
        folder: where they run.

    Returns:
        Each command with what it printed.

    Raises:
        ValueError: a command that no tutorial may use.
    """
    for name, text in files(page):
        (folder / name).write_text(text, "utf-8")
    with contextlib.chdir(folder), _own_home(folder):
        return [(command, shortened(_run(command, folder), like=expected)) for command, expected in shown(page)]


def files(page: str) -> list[tuple[str, str]]:
    """Name and text of each file that a page has its reader save."""
    return _FILE.findall(page)


def shown(page: str) -> list[tuple[str, str]]:
    """Each command of a page with what the page says that it prints."""
    found = []
    for block in _CONSOLE.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.strip("\n")))
    return found


def shortened(output: str, like: str) -> str:
    """As many lines of an output as the page shows of it, where these end in a line `...`; else all of it."""
    lines = like.splitlines()
    if not lines or lines[-1] != "...":
        return output
    return "\n".join([*output.splitlines()[: len(lines) - 1], "..."])


def rewritten(page: str, answers: list[tuple[str, str]]) -> str:
    """The page with what its commands printed in place of what it showed."""
    left = iter(answers)

    def block(found: re.Match[str]) -> str:
        lines = []
        for _ in re.findall(r"^\$ ", found[1], re.M):
            command, output = next(left)
            lines += [f"$ {command}", *([output] if output else [])]
        return "\n".join(["```console", *lines, "```"])

    return _CONSOLE.sub(block, page)


def differ(shown: str, printed: str) -> bool:
    """Whether two outputs say different things: other words, or numbers that rounding doesn't explain."""
    one, other = (" ".join(_VARYING.sub("~", text).split()) for text in (shown, printed))
    if _NUMBER.sub("0", one) != _NUMBER.sub("0", other):
        return True
    for first, second in zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True):
        a, b = (float(text.replace(",", "")) for text in (first, second))
        if abs(a - b) > TOLERANCE * max(1.0, abs(a)):
            return True
    return False


def _run(command: str, folder: Path) -> str:
    program, *arguments = shlex.split(command)
    if program == "mkdir":
        Path(arguments[0]).mkdir()
        return ""
    said, complained = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(complained),
        mock.patch.object(sys, "argv", [program, *arguments]),
        contextlib.suppress(SystemExit),
    ):
        if program == "facemotion":
            main()
        elif program == "python":
            runpy.run_path(arguments[0])
        else:
            raise ValueError(f"A tutorial can't run {program}.")
    output = "".join(_text(stream) for stream in (said, complained))
    output = output.replace(str(folder / ".home"), "~")
    output = re.sub(r"^( milliseconds +).*$", r"\1...", output, flags=re.M)  # the machine's affair
    lines = [line.rstrip() for line in output.splitlines() if not re.match(r"\d+ of \d+ |Matplotlib is", line)]
    return "\n".join(lines).strip("\n")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")


@contextlib.contextmanager
def _own_home(folder: Path) -> Iterator[None]:
    """Users, keys and settings of the tutorials are nobody's own; a table is as wide as a page."""
    home = folder / ".home"
    given = {
        "COLUMNS": "100",
        "FACEMOTION_ASSETS": str(folder / "assets"),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
    }
    others = {name for name in os.environ if name.startswith("FACEMOTION_")} - {"FACEMOTION_ASSETS"}
    with mock.patch.dict(os.environ, given):
        for name in others:
            del os.environ[name]
        yield


def begin(folder: Path) -> Path:
    """Put what a clone holds into the folder of a tutorial; returns the folder."""
    shutil.copytree(ROOT / "src" / "facemotion" / "samples", folder / "samples", dirs_exist_ok=True)
    return folder


def write(names: list[str]) -> None:
    """Run pages, the quick ones unless some are named, and write what they print into them."""
    for name in names or QUICK:
        with tempfile.TemporaryDirectory() as place:
            page = (FOLDER / name).read_text("utf-8")
            text = rewritten(page, printed(page, begin(Path(place))))
            (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
