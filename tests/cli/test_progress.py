"""Long work says how far it has got: plain lines where nobody watches a bar, nothing beside JSON."""

from __future__ import annotations

import io
import re
import sys
from time import monotonic, sleep

import pytest
from rich.console import Console

from facemotion.cli.terminal import progress
from facemotion.cli.terminal.progress import Progress


def listen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard error that is no terminal, with a line every hundredth of a second. No fixture: pytest puts its own
    stream there between fixtures and test."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "EVERY", 0.01)
    return stream


def lines_of(log: io.StringIO, least: int) -> list[str]:
    end = monotonic() + 20
    while log.getvalue().count("\n") < least:
        assert monotonic() < end, f"no {least} lines came: {log.getvalue()!r}"
        sleep(0.01)
    return log.getvalue().splitlines()


def test_a_log_gets_whole_lines_and_no_bar(monkeypatch):
    log = listen(monkeypatch)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with Progress("clips", quiet=False) as report:
        report(0, 414)
        assert lines_of(log, 1)[0] == "0 of 414 clips"
        report(120, note="loss 0.310")
        said = lines_of(log, log.getvalue().count("\n") + 2)[-1]
        assert re.fullmatch("120 of 414 clips, loss 0.310, about [0-9]+ s left", said)
    ended = log.getvalue()
    assert "\x1b" not in ended
    assert ended.endswith("\n")
    sleep(0.1)
    assert log.getvalue() == ended
    assert sys.stdout.getvalue() == ""


def test_nothing_is_said_beside_json_or_before_there_is_anything_to_say(monkeypatch):
    log = listen(monkeypatch)
    with Progress("clips", quiet=True, total=3) as report:
        report(1)
        sleep(0.1)
    with Progress("clips", quiet=False):
        sleep(0.1)
    assert log.getvalue() == ""


def test_the_time_left_follows_what_was_done_lately():
    report = Progress("clips", quiet=False, total=1000)
    report(400)  # there already, and quickly skipped
    start = monotonic()
    report(430)
    assert report.line(start + 30) == "430 of 1000 clips, about 10 min left"
    report(460)
    assert report.line(start + 60).endswith("about 9 min left")
    report(999)
    assert report.line(start + 90).endswith("about 10 s left")
    report(1000)
    assert report.line(start + 120) == "1000 of 1000 clips"
    slow = Progress("folds", quiet=False, total=100)
    slow(0)
    start = monotonic()
    assert slow.line(start + 600) == "0 of 100 folds"
    slow(1)
    assert slow.line(start + 3600).endswith("about 99.0 h left")


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch):
    log = listen(monkeypatch)
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=log, force_terminal=True, width=100))
    with Progress("clips", quiet=False, total=4) as report:
        report(3, note="loss 0.310")
    shown = log.getvalue().split("\r")
    assert any("3/4" in line and "loss 0.310" in line for line in shown)
    assert "of 4 clips" not in log.getvalue()
    assert log.getvalue().endswith("\x1b[2K")  # the bar's line is wiped
