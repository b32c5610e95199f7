"""Processes that work side by side, and end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from facemotion.errors import FacemotionError
from facemotion.system.cluster import Cluster

Workers = int | Cluster
"""Number of processes of this machine, or a cluster."""
Shared = TypeVar("Shared")
Result = TypeVar("Result")
_shared: Any = None  # what a process of `run_tasks` has loaded, or the error that it met


@contextmanager
def worker_pool(
    workers: int, initialise: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes end at once when the one that made it is killed, interrupted or meets an error.

    The standard library's would first finish what they are at and what lies ready for them, hours of training perhaps,
    and write into folders that the next run uses. They are spawned, not forked: a forked copy of the threads of torch,
    numba or ONNX Runtime can hang.

    Args:
        workers: number of processes, at least 1.
        initialise: called once in each with `arguments`; a function at the top of a module.
    """
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (initialise, arguments))
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def name_killed(kind: type[FacemotionError], did: str) -> Iterator[None]:
    """Name the kill of a process of `run_tasks` within.

    Args:
        kind: of the error raised.
        did: what the process did, in the past tense.
    Raises:
        `kind`: a process was killed.
    """
    try:
        yield
    except BrokenProcessPool as error:
        raise kind(
            f"A process that {did} was killed, perhaps for want of memory; what it had finished is kept. Run the "
            "command again with fewer jobs."
        ) from error


def run_tasks(
    load: Callable[..., Shared],
    arguments: tuple[Any, ...],
    task: Callable[..., Result],
    tasks: Sequence[tuple[Any, ...]],
    jobs: Workers,
    *,
    in_order: bool = True,
) -> Iterator[Result]:
    """Results of tasks, as they come.

    Args:
        load: called once in each process with `arguments`, gives what every task needs.
        task: called with that and the members of each entry of `tasks`; both functions stand at the top of a module.
        jobs: number of processes; with one, or for one task, all is done in this one. Or a cluster.
        in_order: results come in the order of their tasks; else whichever is there first.
    Raises:
        BrokenProcessPool: a process was killed. Any error of `load` or of a task.
        ClusterError, MissingExtraError: see `facemotion.system.cluster.Cluster.run`.
    """
    if not tasks:
        return
    if isinstance(jobs, Cluster):
        yield from jobs.run(load, arguments, task, tasks, in_order=in_order)
        return
    if jobs <= 1 or len(tasks) < 2:
        shared = load(*arguments)
        for members in tasks:
            yield task(shared, *members)
        return
    with worker_pool(min(jobs, len(tasks)), _load, (load, arguments)) as pool:
        left = deque(pool.submit(_run, task, *members) for members in tasks)
        # Whatever was handed on is forgotten: all results together may be larger than the memory.
        if in_order:
            while left:
                yield left.popleft().result()
            return
        for future in as_completed(set(left)):
            left.remove(future)
            yield future.result()
            del future


def nothing() -> None:
    """A `load` for tasks that share nothing."""


def workers(jobs: int, cluster: str, processors: int = 1) -> Workers:
    """What tasks are done by: a cluster where one is named, else processes.

    Args:
        jobs: number of processes.
        cluster: its address, see Cluster; "": none.
        processors: that a task needs on the cluster; below 1 it is 1.
    """
    return Cluster(cluster, max(1, processors)) if cluster else jobs


def _load(load: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _shared  # noqa: PLW0603 - a process has no other place for what its tasks share
    try:
        _shared = load(*arguments)
    except Exception as error:  # noqa: BLE001 - here it would only break the pool; the first task raises it
        _shared = error


def _run(task: Callable[..., Result], *members: Any) -> Result:
    if isinstance(_shared, Exception):
        raise _shared
    return task(_shared, *members)


def _begin(initialise: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is answered by the process that the user started
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initialise is not None:
        initialise(*arguments)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody is left to hear of an orderly end
