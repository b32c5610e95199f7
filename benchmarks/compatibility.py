"""Install, demo and smoke tests on every Python that the project names and this machine has.

Each row gets an environment of its own in a temporary folder, made by the Makefile as a user would make it. The demo
must accept one motion twice and reject another motion, or its row fails. Interpreters are looked for as `python3.X` on
PATH and among the versions of pyenv. Exits with 1 if a step fails; an interpreter that isn't here is listed, and is no
failure.
`--write` puts the table into docs/results/compatibility.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sections import write_section

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "compatibility.md"
MINORS = (11, 12, 13, 14)
STEPS = ("install", "demo", "smoke")
PACKAGES = {"av": "PyAV", "numpy": "NumPy", "onnxruntime": "ONNX Runtime"}
LOCKED, NEWEST, LOWEST = "locked.txt", "newest allowed", "lowest.txt"
PINS = {LOCKED: "-c requirements/locked.txt", NEWEST: "", LOWEST: "-c requirements/lowest.txt"}
ASK = "import ensurepip, sys, venv; print(*sys.version_info[:3], sep='.')"
VERSIONS = """
import json, platform
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in %r}}))
"""


@dataclass
class Row:
    """One interpreter with one choice of packages.

    Attributes:
        python: version, such as 3.12.
        packages: a key of PINS.
        versions: of Python and of PACKAGES, as installed.
        seconds: processor seconds of each step that passed.
        failed: name of the step that failed; empty if none did.
    """

    python: str
    packages: str
    versions: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: str = ""


def find_interpreters(minors: Sequence[int] = MINORS) -> dict[str, Path]:
    """Interpreters that are here and can make environments, by version ("3.12"); the newest patch of pyenv's versions.

    A shim of pyenv on PATH that stands for no version isn't one.
    """
    found = {}
    for minor in minors:
        name = f"python3.{minor}"
        on_path = shutil.which(name)
        candidates = [Path(on_path)] if on_path else []
        folder = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
        candidates += sorted((p / "bin" / name for p in folder.glob(f"3.{minor}.*")), key=_patch, reverse=True)
        for path in candidates:
            if _answers(path, f"3.{minor}."):
                found[f"3.{minor}"] = path
                break
    return found


def _patch(path: Path) -> list[int]:
    return [int(part) if part.isdigit() else -1 for part in path.parents[1].name.split(".")]


def _answers(path: Path, version: str) -> bool:
    try:
        done = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.startswith(version)


def plan(found: Sequence[str]) -> list[Row]:
    """Rows to run: every interpreter with the locked versions, the oldest with the lowest ones that pyproject.toml
    allows (requirements/lowest.txt was resolved for it), the newest with whatever `pip install .` chooses."""
    rows = [Row(python, LOCKED) for python in found]
    if f"3.{MINORS[0]}" in found:
        rows.append(Row(f"3.{MINORS[0]}", LOWEST))
    if found:
        rows.append(Row(found[-1], NEWEST))
    return rows


def run_row(row: Row, python: Path) -> None:
    """Fill in a row; what a failed step said goes to standard error."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with tempfile.TemporaryDirectory(prefix="facemotion-") as folder:
        venv = Path(folder) / "venv"
        make = ["make", "--no-print-directory", f"VENV={venv}", f"PYTHON={python}", f"PIN={PINS[row.packages]}"]
        if row.packages == NEWEST:
            make.append("EDITABLE=")
            # A release of another project that only warns breaks nobody.
            environment["PYTEST_ADDOPTS"] = "-W default::DeprecationWarning -W default::PendingDeprecationWarning"
        commands = {
            "install": [*make, str(venv / "demo-ready")],
            "demo": [str(venv / "bin" / "facemotion"), "demo", "--json"],
            "smoke": [*make, "smoke"],
        }
        for step, command in commands.items():
            spent, output = _run(command, environment)
            if spent is not None and (step != "demo" or _demo_is_right(output)):
                row.seconds[step] = spent
                continue
            row.failed = step
            print(output[-8000:], file=sys.stderr)
            break
        if row.failed != "install":
            asked = subprocess.check_output([venv / "bin" / "python", "-c", VERSIONS % (list(PACKAGES),)], text=True)
            row.versions = json.loads(asked)


def _run(command: Sequence[str], environment: dict[str, str]) -> tuple[float | None, str]:
    """Processor seconds of a command and all that it started, None if it failed; and its output."""
    # Standard error stays apart from the JSON of the demo, and comes first where a step failed.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)  # of this process alone: other rows run beside it
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (errors, output):
            stream.seek(0)
            texts.append(stream.read())
    return (None, "".join(texts)) if process.returncode else (usage.ru_utime + usage.ru_stime, texts[1])


def _demo_is_right(output: str) -> bool:
    answer = json.loads(output)
    return answer["same"]["accepted"] is True and answer["other"]["accepted"] is False


def table(rows: Sequence[Row], absent: Sequence[str]) -> str:
    """The rows as Markdown."""
    lines = [
        "| Python | packages | " + " | ".join(PACKAGES.values()) + " | " + " | ".join(STEPS) + " |",
        "|" + "---|" * (2 + len(PACKAGES) + len(STEPS)),
    ]
    for row in rows:
        versions = [row.versions.get(name, "") for name in PACKAGES]
        steps = [
            f"{row.seconds[step]:.0f} s" if step in row.seconds else "**failed**" if step == row.failed else "not run"
            for step in STEPS
        ]
        cells = (row.versions.get("python", row.python), row.packages, *versions, *steps)
        lines.append("| " + " | ".join(cells) + " |")
    if absent:
        lines += ["", f"Not on the machine of this run: Python {', '.join(absent)}."]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every row, or those of one Python.

    Returns:
        Exit code: 1 if a step failed, or if no interpreter is here.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="run the rows of this Python alone, such as 3.12")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="rows at once")
    options = parser.parse_args(arguments)
    found = find_interpreters()
    absent = [f"3.{minor}" for minor in MINORS if f"3.{minor}" not in found]
    print(f"Python here: {', '.join(found) or 'none'}; not here: {', '.join(absent) or 'none'}.", flush=True)
    rows = [row for row in plan(list(found)) if options.only in ("", row.python)]

    def run(row: Row) -> None:
        begun = time.monotonic()
        run_row(row, found[row.python])
        told = f"{row.failed} FAILED" if row.failed else "install, demo and smoke tests pass"
        print(f"Python {row.python}, {row.packages}: {told} ({time.monotonic() - begun:.0f} s).", flush=True)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run, rows))
    print(table(rows, absent))
    if options.write:
        write_section(PAGE, "interpreters", table(rows, absent))
    return 1 if not rows or any(row.failed for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
