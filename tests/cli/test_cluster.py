"""Long work on a Ray cluster of two nodes: what comes of it is what one machine makes, and a node may be lost."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from tests.settings_by_code import save

import facemotion
from facemotion.errors import ClusterError
from facemotion.system.cluster import Cluster
from facemotion.system.processes import nothing, run_tasks

from .training_world import tiny

ROOT = Path(__file__).parents[2]
SAMPLES = Path(facemotion.__file__).parent / "samples"
ENVIRONMENT = os.environ | {
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
}
STARTS = 3
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray (pip install '.[cluster]')")


class Nodes:
    """A head and another node on this machine, of a processor each."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.running: list[subprocess.Popen[bytes]] = []
        head = ("--head", "--port", str(port), "--include-dashboard", "false", "--disable-usage-stats")
        self._start(folder / "head.log", *head)
        self.other = self._start(folder / "other.log", "--address", self.address)

    def _start(self, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a node, and wait until it says that it runs; Ray gives it up after 30 s on a busy machine."""
        sizes = ("--num-cpus", "1", "--object-store-memory", str(100 * 2**20), "--block")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--node-ip-address", "127.0.0.1"]
        for _ in range(STARTS):
            with log.open("w") as out:
                node = subprocess.Popen([*command, *arguments, *sizes], env=ENVIRONMENT, stdout=out, stderr=out)
            self.running.append(node)
            while node.poll() is None:
                if "Ray runtime started" in log.read_text():
                    return node
                time.sleep(0.2)
        raise AssertionError(log.read_text())

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """All processes of a node, by SIGKILL."""
        processes = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for each in processes:
            each.kill()
        node.wait()

    def stop(self) -> None:
        for node in self.running[::-1]:
            if node.poll() is None:
                self.kill(node)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """For all tests; what the last one leaves of it is one node."""
    two = Nodes(tmp_path_factory.mktemp("ray"))
    yield two
    two.stop()


def begin(at: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "facemotion.cli", *map(str, arguments), "--json"]
    return subprocess.Popen(command, cwd=at, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> tuple[dict, str]:
    said, complained = process.communicate()
    assert process.returncode == 0, complained
    return json.loads(said), complained


def files(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob(pattern) if p.is_file()}


@needs_ray
@pytest.mark.slow
def test_folds_of_a_cluster_are_those_of_one_machine(nodes, world, tmp_path):
    config = save(tiny(world), tmp_path / "all.toml", {"sources.0.split": "", "threads": 1})
    told = []
    for name, more in (("one", ()), ("two", ("--cluster", nodes.address))):
        at = ("--out", name, "--folds", 2, "--replicates", 10)
        told.append(answer(begin(tmp_path, "crossval", config, *at, *more))[0])
    assert told[0] == told[1]
    one, two = files(tmp_path / "one", "*.npz"), files(tmp_path / "two", "*.npz")
    assert len(one) > 1
    assert one == two


@needs_ray
@pytest.mark.slow
def test_each_task_of_a_cluster_is_done_once_in_any_order(nodes):
    code = f"""
from facemotion.system.cluster import Cluster
from facemotion.system.processes import nothing, run_tasks
tasks = [(number,) for number in range(6)]
print(sorted(run_tasks(nothing, (), "{{}} {{}}".format, tasks, Cluster({nodes.address!r}), in_order=False)))
"""
    said = subprocess.check_output([sys.executable, "-c", code], env=ENVIRONMENT, text=True)
    assert said == f"{[f'None {number}' for number in range(6)]}\n"


@needs_ray
@pytest.mark.slow
def test_features_of_a_cluster_that_loses_a_node_are_those_of_one_machine(nodes, tmp_path):
    """The cache is named relative to where the command is given."""
    one, _ = answer(begin(tmp_path, "features", SAMPLES / "manifest.csv", "--cache", "one"))
    work = begin(tmp_path, "features", SAMPLES / "manifest.csv", "--cache", "two", "--cluster", nodes.address)
    while len(files(tmp_path / "two", "*.npz")) < 2 and work.poll() is None:
        time.sleep(0.05)
    nodes.kill(nodes.other)
    two, complained = answer(work)
    assert two == one
    assert one["clips"] == 8
    assert files(tmp_path / "two") == files(tmp_path / "one")
    assert "the task will be retried" in complained


@needs_ray
def test_where_there_is_no_cluster_it_is_said_at_once():
    with pytest.raises(ClusterError, match="no Ray cluster at 127.0.0.1:1"):
        list(run_tasks(nothing, (), print, [(1,)], Cluster("127.0.0.1:1")))
