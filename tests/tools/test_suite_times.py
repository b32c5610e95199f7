"""What the tests cost is measured by a plugin, and the page shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.suite_times import SLOWEST, SuiteTimes, suite_table

from tools import house_numbers

ROOT = Path(__file__).parents[2]
TESTS = """
import subprocess, sys, time
BUSY = "import time\\nwhile time.process_time() < 0.4: pass"

def test_by_itself():
    end = time.process_time() + 0.4
    while time.process_time() < end: pass

def test_by_a_child():
    subprocess.run([sys.executable, "-c", BUSY], check=True)

def test_by_waiting():
    time.sleep(0.4)
"""


@pytest.mark.long
@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_time_of_a_test_and_its_children_is_kept_and_waiting_costs_nothing(tmp_path, processes):
    (tmp_path / "test_costs.py").write_text(TESTS, "utf-8")
    words = ["-p", "xdist", "-p", "tools.suite_times", "--suite-times", tmp_path / "times.json", "-n", processes]
    quiet = ["-q", "-p", "no:cacheprovider", "-c", tmp_path / "none.ini", "--rootdir", tmp_path, tmp_path]
    (tmp_path / "none.ini").write_text("[pytest]\n", "utf-8")
    plain = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # plugins take seconds to load
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "pytest", *words, *quiet], cwd=ROOT, env=plain, check=True, stdout=subprocess.DEVNULL
    )
    spent = sum(os.times()[2:4]) - sum(before[2:4])
    times = SuiteTimes.read([tmp_path / "times.json"])
    costs = {place.partition("::")[2]: seconds for place, seconds in times.tests.items()}
    assert 0.35 <= costs["test_by_itself"] < 2
    assert 0.35 <= costs["test_by_a_child"] < 2
    assert costs.get("test_by_waiting", 0) < 0.3
    assert costs["test_by_itself"] + costs["test_by_a_child"] < times.seconds < spent + 0.1


def times(path: Path, seconds: float, **tests: float) -> Path:
    path.write_text(json.dumps({"seconds": seconds, "tests": {f"tests/a/test_b.py::{n}": s for n, s in tests.items()}}))
    return path


def test_parts_of_a_run_are_added_up(tmp_path):
    parts = [times(tmp_path / "1.json", 60, test_one=2), times(tmp_path / "2.json", 30, test_one=1, test_two=9)]
    whole = SuiteTimes.read(parts)
    assert whole.seconds == 90
    assert [seconds for _, seconds in whole.slowest()] == [9, 3]


def test_the_slowest_stand_side_by_side_on_the_page(tmp_path, monkeypatch, capsys):
    many = {f"test_{number}": float(number) for number in range(SLOWEST + 5)}
    before, after = times(tmp_path / "old.json", 600, **many), times(tmp_path / "new.json", 300, test_x_y=0.5)
    page = tmp_path / "page.md"
    page.write_text("<!-- suite:begin -->\n<!-- suite:end -->\n", "utf-8")
    words = ["house_numbers", "--suite", f"before={before}", f"after={after}", "--write", str(page)]
    monkeypatch.setattr(sys, "argv", words)
    house_numbers.main()
    told = capsys.readouterr().out.strip()
    assert told in page.read_text("utf-8")
    assert told.splitlines()[2] == "| processor time of all tests | 10.0 min | 5.0 min |"
    assert told.splitlines()[3] == "| slowest, 1 | 14.0 s `a`: 14 | 0.5 s `a`: x y |"


def test_the_table_ends_with_the_slowest(tmp_path):
    many = {f"test_{number}": float(number) for number in range(SLOWEST + 5)}
    read = SuiteTimes.read([times(tmp_path / "old.json", 600, **many)])
    assert suite_table({"today": read}).splitlines()[-1] == f"| slowest, {SLOWEST} | 5.0 s `a`: 5 |"
