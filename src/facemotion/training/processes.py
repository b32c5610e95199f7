"""Independent trainings side by side: folds share nothing, and two processes of one thread beat one of two."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from facemotion.errors import TrainingError
from facemotion.processes import worker_pool

T = TypeVar("T")


def run_tasks(
    open_worker: Callable[..., None],
    arguments: tuple[Any, ...],
    task: Callable[..., T],
    tasks: Sequence[tuple[Any, ...]],
    jobs: int,
) -> Iterator[T]:
    """Results of tasks, in order, as they come.

    Args:
        open_worker: called once in each process with `arguments`, to load what every task needs.
        task: called with the members of each entry of `tasks`; both functions stand at the top of a module.
        jobs: number of processes; with one, all is done in this one.
    Raises:
        TrainingError: a process was killed; what the others kept is kept.
    """
    if jobs == 1 or len(tasks) < 2:
        open_worker(*arguments)
        for members in tasks:
            yield task(*members)
        return
    try:
        with worker_pool(min(jobs, len(tasks)), _open, (open_worker, arguments)) as pool:
            for future in [pool.submit(task, *members) for members in tasks]:
                yield future.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            "A process that trained was killed, perhaps for want of memory; what it had finished is kept. Run the "
            "command again with fewer jobs."
        ) from error


def _open(open_worker: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is answered by the process that the user started
    open_worker(*arguments)
