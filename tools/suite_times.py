"""A plugin of pytest that measures the processor time of every test, its threads' and child processes' included; on a
busy machine that says what a test costs, and the clock doesn't.

    python -m pytest -p tools.suite_times --suite-times FILE.json ...

With `-n` the times of all processes come together. A child that outlives its test, such as a browser, counts where it
ends: at the clearing up after the last test that used it. `tools/house_numbers.py` makes a table of the files.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SLOWEST = 10
CLEARING = " (clearing up)"
PROPERTY = "processor seconds"
"""Name under which a process tells its times to the one that gathers them."""


@dataclass(frozen=True)
class SuiteTimes:
    """What a run of the tests cost.

    Attributes:
        seconds: processor seconds of all processes, collecting and coverage included.
        tests: processor seconds of each test, by its place; what was cleared up after it stands under its place with
            CLEARING behind it.
    """

    seconds: float
    tests: Mapping[str, float]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> SuiteTimes:
        """The times of one run, or of several that ran a part each.

        Raises:
            FileNotFoundError: a path leads nowhere.
        """
        parts = [json.loads(path.read_text("utf-8")) for path in paths]
        tests: Counter[str] = Counter()
        for part in parts:
            tests.update(part["tests"])
        return cls(sum(part["seconds"] for part in parts), tests)

    def slowest(self) -> list[tuple[str, float]]:
        """The SLOWEST tests that cost most, first of all the one that cost most."""
        return sorted(self.tests.items(), key=lambda item: -item[1])[:SLOWEST]


def suite_table(runs: Mapping[str, SuiteTimes]) -> str:
    """Markdown: the processor time of each run by its name, and its slowest tests side by side."""
    lines = [
        f"| what | {' | '.join(runs)} |",
        f"|---|{'---|' * len(runs)}",
        f"| processor time of all tests | {' | '.join(f'{one.seconds / 60:.1f} min' for one in runs.values())} |",
    ]
    rows = zip(*(one.slowest() for one in runs.values()), strict=False)
    for number, row in enumerate(rows, 1):
        cells = " | ".join(f"{seconds:.1f} s {_short(place)}" for place, seconds in row)
        lines.append(f"| slowest, {number} | {cells} |")
    return "\n".join(lines)


def _short(place: str) -> str:
    """The folder and name of a test; the whole place would widen the table too far."""
    file, _, name = place.partition("::")
    return f"`{Path(file).parent.name}`: {name.removeprefix('test_').replace('_', ' ')}"


@dataclass(eq=False)  # pytest keeps its plugins in sets
class SuiteClock:
    """Gathers the times of this process, and in the one that `-n` started, those of all."""

    path: Path
    before: float = 0.0
    others: float = 0.0
    tests: Counter[str] = field(default_factory=Counter)

    def pytest_collection_finish(self) -> None:
        """Tests begin."""
        self.before = _spent()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A part of a test has ended: what was spent since the part before is its."""
        report = yield
        now = _spent()
        report.user_properties.append((PROPERTY, now - self.before))
        self.before = now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the times that a report brings, of this process or of another."""
        place = report.nodeid + (CLEARING if report.when == "teardown" else "")
        self.tests[place] += dict(report.user_properties).get(PROPERTY, 0.0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A process of `-n` has ended."""
        self.others += getattr(node, "workeroutput", {}).get(PROPERTY, 0.0)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Tell the times to the process that gathers them, or write them."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[PROPERTY] = _spent()

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        """Write the file, unless another process does."""
        if not hasattr(config, "workeroutput"):
            tests = {place: round(seconds, 2) for place, seconds in sorted(self.tests.items()) if seconds >= 0.01}
            # The processes of `-n` are children too, and said themselves what they spent.
            seconds = sum(os.times()[:2]) + self.others if self.others else _spent()
            self.path.write_text(json.dumps({"seconds": round(seconds, 1), "tests": tests}, indent=1))


def _spent() -> float:
    """Processor seconds of this process and of the children that have ended."""
    return sum(os.times()[:4])


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that names the file."""
    parser.addoption("--suite-times", type=Path, metavar="FILE", help="write the processor time of every test here")


def pytest_configure(config: pytest.Config) -> None:
    """Measure where a file is named."""
    if path := config.getoption("--suite-times"):
        config.pluginmanager.register(SuiteClock(path), "suite clock")
