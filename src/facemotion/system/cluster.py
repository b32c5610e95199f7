"""Long work on a Ray cluster: the tasks of `run_tasks`, side by side on many machines (extra `cluster`).

Every machine has this version of facemotion and sees the same folders at the same paths. What tasks write lies there,
as it would with processes of one machine, so that work that was cut off goes on from it. A task of a machine that is
lost is done again on another one: all tasks can be, since what they finished is kept.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, TypeVar

from facemotion.errors import ClusterError, MissingExtraError

Shared = TypeVar("Shared")
Result = TypeVar("Result")
TRIES = 5
"""Times that a task is done again whose process or machine was lost. More than that is no accident: want of memory."""
REACH_SECONDS = 10.0
PACKAGE = "facemotion"
NO_TELEMETRY = "RAY_USAGE_STATS_ENABLED"
_loaded: dict[str, Any] = {}  # what a process of the cluster has loaded, for one run


@dataclass(frozen=True)
class Cluster:
    """Where tasks are done in place of processes of this machine.

    Attributes:
        address: "auto" for the cluster that this machine belongs to, HOST:PORT, or ray://HOST:PORT from outside.
        processors: that Ray sets aside for a task.
    """

    address: str
    processors: int = 1

    def run(
        self,
        load: Callable[..., Shared],
        arguments: tuple[Any, ...],
        task: Callable[..., Result],
        tasks: Sequence[tuple[Any, ...]],
        *,
        in_order: bool = True,
    ) -> Iterator[Result]:
        """Results of tasks; see `facemotion.system.processes.run_tasks`.

        Raises:
            MissingExtraError: Ray isn't installed.
            ClusterError: there is no cluster at the address, it went away, or a machine of it has another version.
            BrokenProcessPool: a task lost its process TRIES times. Any error of `load` or of a task.
        """
        os.environ[NO_TELEMETRY] = "0"
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("Work on a cluster needs Ray: pip install '.[cluster]' in the clone.") from error

        self._join(ray)
        try:
            remote = ray.remote(num_cpus=self.processors, max_retries=TRIES)(_on_cluster)
            run = os.urandom(8).hex()
            common = ray.put((run, version(PACKAGE), os.getcwd(), load, arguments))
            left = [remote.remote(common, task, members) for members in tasks]
            while left:
                with redirect_stdout(sys.stderr):  # Ray prints there what it lost; a command's answer is in JSON
                    ready = left[0] if in_order else ray.wait(left)[0][0]
                    left.remove(ready)
                    result = ray.get(ready)
                yield result
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
        ) as error:
            raise BrokenProcessPool(str(error)) from error
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise ClusterError(
                f"The cluster at {self.address} was lost; what was finished is kept. Run the command again."
            ) from error
        finally:
            ray.shutdown()  # ends what is still under way

    def _join(self, ray: Any) -> None:
        try:
            _reach(self.address)  # Ray would wait for ever
            ray.init(self.address, log_to_driver=False, configure_logging=False)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ClusterError(
                f"There is no Ray cluster at {self.address} ({reason}); start one with `ray start --head`, or name "
                "another."
            ) from error


def _reach(address: str) -> None:
    """
    Raises:
        OSError: nobody listens there. ValueError: it isn't an address.
    """
    if address != "auto":
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), REACH_SECONDS).close()


def _on_cluster(common: tuple[Any, ...], task: Callable[..., Result], members: tuple[Any, ...]) -> Result:
    """One task, in a process of the cluster; the first one loads what all share."""
    run, wanted, folder, load, arguments = common
    if (here := version(PACKAGE)) != wanted:
        raise ClusterError(
            f"A machine of the cluster has facemotion {here}, not {wanted}; install the same version on all."
        )
    if run not in _loaded:
        os.chdir(folder)  # paths of the command are relative to where it was given
        _loaded.clear()
        _loaded[run] = load(*arguments)
    return task(_loaded[run], *members)
