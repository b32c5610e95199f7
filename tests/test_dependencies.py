"""Bounds of the packages that users install, and the files that pin them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import compatibility
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
INFERENCE = [Requirement(text) for text in PROJECT["dependencies"]]
INSTALLED = INFERENCE + [
    requirement
    for extra in ("store", "client", "serve", "synth", "train")
    for requirement in map(Requirement, EXTRAS[extra])
    if requirement.name != "facemotion"
]
UNBOUNDED = {
    "cryptography": "a bound would keep out security releases, and what is used of it hasn't changed for years"
}


# No package that `.[smoke]` doesn't bring can be imported.
READ_WITHOUT = """
import sys
import pytest
for name in ("torch", "onnx", "onnxscript", "safetensors", "playwright", "psutil", "yaml", "ray"):
    sys.modules[name] = None
sys.exit(pytest.main(["--collect-only", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "not slow and not once",
    *sys.argv[1:]]))
"""


def bound(requirement: Requirement, operator: str) -> str:
    found = [each.version for each in requirement.specifier if each.operator == operator]
    return found[0] if found else ""


def pins(name: str) -> dict[str, list[Requirement]]:
    """Requirements of a file by name; a name may stand there once for each Python."""
    by_name: dict[str, list[Requirement]] = {}
    for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines():
        requirement = Requirement(line)
        by_name.setdefault(requirement.name, []).append(requirement)
    return by_name


@pytest.mark.parametrize("requirement", INSTALLED, ids=str)
def test_a_major_release_that_nobody_tried_is_kept_out(requirement):
    assert bound(requirement, ">="), f"{requirement} has no lower bound"
    assert bound(requirement, "<") or requirement.name in UNBOUNDED, f"{requirement} has no upper bound"


@pytest.mark.parametrize("requirement", INSTALLED, ids=str)
def test_the_locked_version_is_within_the_bounds(requirement):
    for pin in pins("locked.txt")[requirement.name]:
        assert requirement.specifier.contains(bound(pin, "==")), pin


@pytest.mark.parametrize("requirement", INSTALLED, ids=str)
def test_the_lowest_version_is_pinned_to_be_tried(requirement):
    lowest = pins("lowest.txt")
    if requirement in [Requirement(text) for text in EXTRAS["train"]]:
        return  # torch has gigabytes; the smoke tests do without it
    [pin] = lowest[requirement.name]
    assert Version(bound(pin, "==")) == Version(bound(requirement, ">=")), "run `make lock`, or raise the bound to it"


def test_the_parts_that_every_python_tries_need_no_torch():
    wanted = {Requirement(text).name for text in EXTRAS["smoke"]} | {"facemotion"}
    assert wanted == {"facemotion", "hypothesis", "pytest"}
    assert "torch" not in pins("lowest.txt")


def test_the_smoke_tests_are_there():
    listed = subprocess.check_output(["make", "-n", "smoke"], cwd=ROOT, text=True)
    paths = re.findall(r"tests/[\w/.]+", listed)
    assert len(paths) > 5
    for path in paths:
        assert (ROOT / path).exists(), path


def test_the_smoke_tests_are_read_without_what_only_other_tests_need():
    """An import at the top of a test or of a conftest that the smoke tests read would end all of them."""
    listed = subprocess.check_output(["make", "-n", "smoke"], cwd=ROOT, text=True)
    ended = subprocess.run(
        [sys.executable, "-c", READ_WITHOUT, *re.findall(r"tests/[\w/.]+", listed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:]


def test_every_python_named_is_tried():
    named = [text.split("::")[-1].strip() for text in PROJECT["classifiers"]]
    named = [text for text in named if re.fullmatch(r"3\.\d+", text)]
    assert named == [f"3.{minor}" for minor in compatibility.MINORS]
    assert PROJECT["requires-python"] == f">={named[0]},<3.{compatibility.MINORS[-1] + 1}"


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def test_interpreters_are_found_on_path_and_among_those_of_pyenv_but_no_shim_that_stands_for_none(
    tmp_path, monkeypatch
):
    """3.12 is on PATH; 3.13 has a shim there that stands for none, and two patches of pyenv; 3.14 answers as 3.11."""
    path, pyenv = tmp_path / "bin", tmp_path / "pyenv"
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("PYENV_ROOT", str(pyenv))
    assert compatibility.find_interpreters() == {}
    first = executable(path / "python3.12", "echo 3.12.7")
    executable(path / "python3.13", "exit 127")
    executable(pyenv / "versions" / "3.13.9" / "bin" / "python3.13", "echo 3.13.9")
    newest = executable(pyenv / "versions" / "3.13.10" / "bin" / "python3.13", "echo 3.13.10")
    executable(path / "python3.14", "echo 3.11.2")
    assert compatibility.find_interpreters() == {"3.12": first, "3.13": newest}


def test_every_interpreter_gets_the_locked_versions_the_oldest_the_lowest_the_newest_the_newest():
    rows = [(row.python, row.packages) for row in compatibility.plan(["3.11", "3.13"])]
    assert rows == [
        ("3.11", "locked.txt"),
        ("3.13", "locked.txt"),
        ("3.11", "lowest.txt"),
        ("3.13", "newest allowed"),
    ]


def test_a_row_that_fails_says_where_and_goes_no_further(tmp_path, capsys):
    row = compatibility.Row("3.12", compatibility.LOCKED)
    compatibility.run_row(row, executable(tmp_path / "python3.12", "echo there is no venv; exit 1"))
    assert (row.failed, row.seconds) == ("install", {})
    assert "there is no venv" in capsys.readouterr().err
    text = compatibility.table([row], ["3.14"])
    assert "| 3.12 | locked.txt |  |  |  | **failed** | not run | not run |" in text
    assert "Not on the machine of this run: Python 3.14." in text
