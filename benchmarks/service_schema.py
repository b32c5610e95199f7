"""Does the service keep to what its OpenAPI description says? Schemathesis asks it, over a real server.

    python benchmarks/service_schema.py [--seconds 120] [--examples 50] [--write]

Starts `facemotion serve` with a store of its own on loopback, no caller without a key, and runs `schemathesis` against
it with an administrator's key: requests made from the description and against it, in chains too. Every check is on but
one: that data of the right shape is accepted, since no random clip shows a face and no made-up nonce was given out.
With --write the figures go into docs/results/security.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from sections import figure_table, write_section
from serving import served

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
SETTINGS = """[server]
keyless_on_loopback = false
[limits]
requests_per_minute = 1e6
wrong_keys_per_minute = 1e6
wasted_seconds = 1e6
[attempts]
open_nonces = 10000
"""


def main() -> int:
    """Run, print a table, and fail on a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--examples", type=int, default=50, help="requests of each endpoint at most, a phase")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, served(Path(name), 1, SETTINGS) as (url, key, process):
        report = Path(name) / "report.json"
        command = [
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json", "--no-color"),
            *("--header", f"Authorization: Bearer {key}", "--request-timeout", "60", "--seed", "1"),
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--max-examples", str(given.examples), "--max-time", str(given.seconds)),
            *("--report", "json", "--report-json-path", report),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=name)
        alive = process.is_running()
        faults = (Path(name) / "log").read_text("utf-8").count("Unexpected error")
        print(done.stdout[-6000:], done.stderr[-2000:])
        version = json.loads(report.read_text("utf-8"))["schemathesis_version"] if report.is_file() else "unknown"
    cases = re.search(r"(\d+) generated", done.stdout)
    found = re.findall(r"^  ❌ (ST\d+ .*)$", done.stdout, re.MULTILINE)
    tested = re.search(r"Tested: (\d+)", done.stdout)
    rows = {
        "schemathesis": version,
        "endpoints, requests": f"{tested[1] if tested else 0}, {cases[1] if cases else 0}",
        "findings": "; ".join(found) or ("0" if done.returncode == 0 else f"it ended with {done.returncode}"),
        "unexpected errors in the log": str(faults),
        "server alive at the end": "yes" if alive else "no",
    }
    table = figure_table(rows)
    print(table)
    if given.write:
        write_section(PAGE, "schema", table)
    return int(done.returncode != 0 or bool(faults) or not alive)


if __name__ == "__main__":
    sys.exit(main())
