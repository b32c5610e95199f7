"""How far long work has got: a bar on a terminal, elsewhere (a log, nohup) a plain line now and then."""

from __future__ import annotations

import sys
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

EVERY = 30.0  # s between two lines
RECENT = 10  # steps forward that the time left is reckoned from: what was there already tells nothing of it


class Progress:
    """Says on standard error how far some work has got, while a `with` block lasts; called with what is done.

    Lines come every EVERY seconds, whether anything was finished in between or not: one fold can take minutes.

    Args:
        what: is counted, in the plural.
        quiet: say nothing, as with --json.
        total: of all, where it is known.
    """

    def __init__(self, what: str, *, quiet: bool, total: int | None = None) -> None:
        self._what, self._quiet = what, quiet
        self._done: tuple[int, int | None, str] = (0, total, "")
        self._marks: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self._bar: Bar | None = None
        self._ended = threading.Event()
        self._lines: threading.Thread | None = None

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Tell what is done, of how many (default: as before), and what else there is to say."""
        self._done = (done, self._done[1] if total is None else total, note)
        if not self._marks:
            self._marks.append((monotonic(), done))
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=self._done[1], note=note)

    @property
    def done(self) -> int:
        """What it was last told."""
        return self._done[0]

    def line(self, now: float) -> str:
        """What there is to say at a moment of the monotonic clock, in seconds; nothing before the total is known."""
        done, total, note = self._done
        if total is None:
            return ""
        parts = [f"{done} of {total} {self._what}", *([note] if note else [])]
        if self._marks:
            since, before = self._marks[0]
            if done != self._marks[-1][1]:
                self._marks.append((now, done))
            if before < done < total and now > since:
                parts.append(_left((total - done) * (now - since) / (done - before)))
        return ", ".join(parts)

    def __enter__(self) -> Self:
        if self._quiet:
            return self
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(stderr=True)
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, TextColumn("{task.fields[note]}"), transient=True, console=console)
            self._bar.add_task(self._what, total=self._done[1], note="")
            self._bar.start()
        else:
            self._lines = threading.Thread(target=self._speak, daemon=True)
            self._lines.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._ended.set()
        if self._lines is not None:
            self._lines.join()

    def _speak(self) -> None:
        while not self._ended.wait(EVERY):
            if text := self.line(monotonic()):
                print(text + "\n", end="", file=sys.stderr, flush=True)  # one write: nothing comes in between


def _left(seconds: float) -> str:
    """Rounded as far as such a guess can be trusted."""
    if seconds < 90:
        return f"about {max(10, 10 * round(seconds / 10))} s left"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"
