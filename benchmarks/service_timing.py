"""Does the time of an answer tell who is enrolled?

    python benchmarks/service_timing.py [--attempts 60] [--write]

Verifies with the wrong motion, in turns, as an enrolled user and as names that nobody has, through a real server on
loopback, and compares the times: medians, and the area under the ROC curve of guessing "enrolled" from one time, which
is 0.5 where nothing can be learnt, with a 95% interval by bootstrap. With --write the figures go into
docs/results/security.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from sections import figure_table, write_section
from serving import STILL, served, take

import facemotion as fm

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
SETTINGS = "[limits]\nrequests_per_minute = 1e6\n[attempts]\nfree_failures = 1000\nlock_failures = 100000\n" + STILL


def area(one: np.ndarray, other: np.ndarray) -> float:
    """Share of pairs in which the first is the longer."""
    return float((one[:, None] > other[None]).mean() + (one[:, None] == other[None]).mean() / 2)


def main() -> int:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=60)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    times: dict[str, list[float]] = {"enrolled": [], "nobody": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), 1, SETTINGS) as (url, key, _),
        fm.Client(url, key, seconds=60) as client,
    ):
        for number in range(3):
            client.enrol(f"known{number}", [take(3 * number, 0.7), take(3 * number + 1, 0.7)])
        for number in range(given.attempts):
            clip = take(1000 + number, 0.7)
            pair = [("enrolled", f"known{number % 3}"), ("nobody", f"unknown{number % 3}")]
            for kind, user in pair if number % 2 else pair[::-1]:
                nonce = client.nonce(user)
                start = time.perf_counter()
                client.verify(user, clip, nonce)
                times[kind].append(time.perf_counter() - start)
    known, unknown = np.array(times["enrolled"]), np.array(times["nobody"])
    random = np.random.default_rng(0)
    draws = [area(random.choice(known, len(known)), random.choice(unknown, len(unknown))) for _ in range(1000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    rows = {
        "attempts of each": str(given.attempts),
        "median, enrolled": f"{1000 * np.median(known):.1f} ms",
        "median, nobody": f"{1000 * np.median(unknown):.1f} ms",
        "area under the ROC curve": f"{area(known, unknown):.2f} ({low:.2f} to {high:.2f})",
    }
    table = figure_table(rows)
    print(table)
    if given.write:
        write_section(PAGE, "timing", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
