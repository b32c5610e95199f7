"""Signals at a moment that suits the work: a step of training is ended first, so that it can be kept; what is half
done is cleared up.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import typer

from facemotion.cli.terminal.progress import Progress


@contextmanager
def cleared_up() -> Iterator[None]:
    """Within, SIGTERM ends the program as an exception does, so that files and transactions that are half done go."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # signals are its alone
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Interrupts:
    """While a `with` block lasts, the first Ctrl-C waits for `check`; a second one doesn't. Says where it stopped.

    Args:
        progress: of the steps of a training, which keeps the one that it had got to.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._asked = False
        self._before: Any = None

    def check(self) -> None:
        """Between two steps.

        Raises:
            KeyboardInterrupt: it was asked for.
        """
        if self._asked:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # signals are its alone
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if kind is KeyboardInterrupt:
            done = self._progress.done
            typer.echo(f"facemotion: stopped after step {done}; the same command goes on from there.", err=True)

    def _ask(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
