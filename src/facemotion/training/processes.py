"""Independent trainings side by side: folds share nothing, and two processes of one thread beat one of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from facemotion.errors import TrainingError
from facemotion.processes import Result, Shared, run_tasks


def train_side_by_side(
    load: Callable[..., Shared],
    arguments: tuple[Any, ...],
    task: Callable[..., Result],
    tasks: Sequence[tuple[Any, ...]],
    jobs: int,
) -> Iterator[Result]:
    """As `run_tasks`, of trainings.

    Raises:
        TrainingError: a process was killed; what the others kept is kept.
    """
    try:
        yield from run_tasks(load, arguments, task, tasks, jobs)
    except BrokenProcessPool as error:
        raise TrainingError(
            "A process that trained was killed, perhaps for want of memory; what it had finished is kept. Run the "
            "command again with fewer jobs."
        ) from error
