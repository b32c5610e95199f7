"""Worker processes end with the one that started them, however it ended."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from facemotion.system import processes
from facemotion.system.processes import nothing, run_tasks, worker_pool

PROGRAM = """
import os, sys, time
from pathlib import Path
from facemotion.system.processes import worker_pool

def work(folder, number):
    Path(folder, f"{number}-{os.getpid()}").touch()
    time.sleep(600)

if __name__ == "__main__":
    with worker_pool(2) as pool:
        list(pool.map(work, [sys.argv[1]] * 6, range(6)))
"""


def load(value: int) -> tuple[int, int]:
    return value, os.getpid()


def add(loaded: tuple[int, int], more: int) -> tuple[int, int, int]:
    return loaded[0] + more, loaded[1], os.getpid()


@pytest.mark.parametrize(("jobs", "tasks", "in_order"), [(1, 4, True), (2, 4, True), (2, 4, False), (2, 1, True)])
def test_tasks_share_what_their_process_has_loaded(jobs: int, tasks: int, in_order: bool) -> None:
    told = list(run_tasks(load, (7,), add, [(number,) for number in range(tasks)], jobs, in_order=in_order))
    totals = [total for total, _, _ in told]
    assert (totals if in_order else sorted(totals)) == [7 + number for number in range(tasks)]
    assert all(loaded == ran for _, loaded, ran in told)
    assert ({ran for _, _, ran in told} == {os.getpid()}) == (jobs == 1 or tasks == 1)


class Bulky:
    """A result that takes much memory."""


@pytest.mark.parametrize("in_order", [True, False])
def test_results_that_were_handed_on_are_forgotten(monkeypatch: pytest.MonkeyPatch, in_order: bool) -> None:
    @contextmanager
    def pool(workers: int, load: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[ThreadPoolExecutor]:
        with ThreadPoolExecutor(workers, initializer=load, initargs=arguments) as threads:
            yield threads

    monkeypatch.setattr(processes, "worker_pool", pool)
    results = run_tasks(nothing, (), lambda _: Bulky(), [()] * 4, 2, in_order=in_order)
    first = weakref.ref(next(results))
    next(results)
    gc.collect()
    assert first() is None
    assert len(list(results)) == 2


def stumble(reason: str) -> None:
    raise ValueError(reason)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_while_loading_is_the_one_that_is_told(jobs: int) -> None:
    with pytest.raises(ValueError, match="damaged"):
        list(run_tasks(stumble, ("damaged",), add, [(1,), (2,)], jobs))
    assert list(run_tasks(stumble, ("damaged",), add, [], jobs)) == []


def test_a_kill_of_the_one_that_started_them_ends_them(tmp_path: Path) -> None:
    program, folder = tmp_path / "program.py", tmp_path / "work"
    program.write_text(PROGRAM)
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, str(program), str(folder)])
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [int(path.name.partition("-")[2]) for path in folder.iterdir()]
    assert len(workers) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(worker) for worker in workers)
    assert len(list(folder.iterdir())) == 2  # what lay ready for them was not begun


def sleep(_: int) -> None:
    time.sleep(600)


def be_interrupted() -> None:
    with worker_pool(2) as pool:
        for number in range(4):
            pool.submit(sleep, number)
        time.sleep(2)
        raise KeyboardInterrupt


def test_an_interrupt_waits_for_nobody() -> None:
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert time.monotonic() - start < 60


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"
