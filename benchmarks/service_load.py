"""Many at once against a real server: throughput, latencies, refusals, memory.

    python benchmarks/service_load.py [--seconds 600] [--clients 6] [--workers 2] [--write]

Starts `facemotion serve` with a store of its own on loopback, enrols a few users with takes of a drawn face, then lets
CLIENTS threads verify for SECONDS with clips of three seconds, each slightly another. Everything but 200 and the
designed 429 and 503 is an error. Memory is the sum over the server's processes, sampled every second. With --write the
figures go into docs/results/security.md. Other load on the machine moves all figures.
"""

from __future__ import annotations

import argparse
import collections
import os
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import psutil
from sections import figure_table, write_section
from serving import served, take

import facemotion as fm
from facemotion.errors import BusyError, LockedError, RateError

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"


def main() -> int:
    """Run, print a table, and fail on anything that isn't designed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    outcomes: collections.Counter[str] = collections.Counter()
    seconds: list[float] = []
    memory: list[tuple[float, float]] = []
    clips = [take(seed, length=3.0) for seed in range(24)]
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), given.workers) as (url, key, process):
        users = [f"user{number}" for number in range(given.clients)]
        with fm.Client(url, key, seconds=60) as client:
            for number, user in enumerate(users):
                # The first two drawings are too unlike for an enrolment.
                client.enrol(user, [clips[(number + 1) % 24], clips[(number + 2) % 24]])
        end = time.monotonic() + given.seconds
        done = threading.Event()

        def weigh() -> None:
            start = time.monotonic()
            while not done.wait(1.0):
                family = [process, *process.children(recursive=True)]
                total = 0.0
                for one in family:
                    try:
                        total += one.memory_info().rss / 2**20
                    except psutil.NoSuchProcess:
                        continue
                memory.append((time.monotonic() - start, total))

        def attempt(number: int) -> None:
            with fm.Client(url, key, seconds=60) as client:
                turn = number
                while time.monotonic() < end:
                    turn += 1
                    start = time.perf_counter()
                    try:
                        client.verify(users[number], clips[turn % 24])
                        outcomes["200"] += 1
                        seconds.append(time.perf_counter() - start)
                    except (LockedError, RateError, BusyError) as error:
                        outcomes[type(error).__name__] += 1
                        if isinstance(error, LockedError):
                            client.unlock(users[number])
                        else:
                            time.sleep(0.2)
                    except fm.FacemotionError as error:
                        outcomes[f"unexpected {type(error).__name__}: {error}"] += 1

        watcher = threading.Thread(target=weigh)
        watcher.start()
        with ThreadPoolExecutor(given.clients) as pool:
            list(pool.map(attempt, range(given.clients)))
        done.set()
        watcher.join()
    seconds.sort()
    settled = [size for _, size in memory[len(memory) // 4 :]]
    half = len(settled) // 2
    rows = {
        "machine": f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}",
        "duration": f"{given.seconds:g} s, {given.clients} clients, {given.workers} workers, clips of 3 s",
        "verifications": f"{outcomes['200']} ({outcomes['200'] / given.seconds:.2f} a second)",
        "p50, p99": f"{1000 * statistics.median(seconds):.0f} ms, {1000 * seconds[int(0.99 * len(seconds))]:.0f} ms",
        "designed refusals": ", ".join(
            f"{name} {outcomes[name]}" for name in ("LockedError", "RateError", "BusyError") if outcomes[name]
        )
        or "none",
        "other errors": str(sum(n for name, n in outcomes.items() if name.startswith("unexpected"))),
        "memory after the first quarter, first and second half": f"{statistics.mean(settled[:half]):.0f} MiB, "
        f"{statistics.mean(settled[half:]):.0f} MiB",
    }
    table = figure_table(rows)
    print(table)
    for name in outcomes:
        if name.startswith("unexpected"):
            print(name, outcomes[name])
    if given.write:
        write_section(PAGE, "load", table)
    return int(rows["other errors"] != "0")


if __name__ == "__main__":
    sys.exit(main())
