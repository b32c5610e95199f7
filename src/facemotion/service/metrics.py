"""Counts and times in the text format of Prometheus.

Several workers share one port, and a scrape reaches any one of them. So each writes its numbers to a file of its own in
a common folder, and the worker that is scraped adds them up.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from facemotion.system.files import write_whole

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histograms, in seconds."""

_HELP = {
    "facemotion_requests_total": "HTTP requests by route and status.",
    "facemotion_request_seconds": "Time from the head of a request to its answer, by route.",
    "facemotion_attempts_total": "Attempts by action and outcome, as the audit trail names them.",
    "facemotion_suspicions_total": "Attempts and takes that looked like a film of a screen, refused or not.",
    "facemotion_live_frames_total": "Frames of live sessions by what became of them.",
    "facemotion_trail_faults_total": "Times that the audit trail was checked and didn't hold.",
}
GAUGES = {
    "facemotion_seats_taken": "Analyses under way and waiting, in the worker that answers.",
    "facemotion_users_outdated": "Users whose template is of an earlier encoder.",
    "facemotion_users_locked": "Names that only an administrator unlocks.",
}
"""What is asked for at the moment of a scrape."""


class Metrics:
    """The numbers of one worker, and the sum over all of them.

    Args:
        folder: shared by the workers of one server; None where there is one worker.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._numbers: dict[str, float] = {}  # whole numbers stay int, so that all their digits are told
        self._lock = threading.Lock()
        self._file = folder / f"{os.getpid()}.json" if folder else None

    def count(self, name: str, number: float = 1, **labels: str) -> None:
        """Add to a counter."""
        with self._lock:
            self._add(_series(name, labels), number)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Put a time into a histogram."""
        with self._lock:
            for bound in BUCKETS:
                if seconds <= bound:
                    self._add(_series(f"{name}_bucket", labels | {"le": f"{bound:g}"}), 1)
            self._add(_series(f"{name}_bucket", labels | {"le": "+Inf"}), 1)
            self._add(_series(f"{name}_sum", labels), seconds)
            self._add(_series(f"{name}_count", labels), 1)

    def save(self) -> None:
        """Let the other workers see this one's numbers."""
        if self._file is None:
            return
        with self._lock:
            write_whole(self._file, json.dumps(self._numbers))

    def text(self, gauges: dict[str, float]) -> str:
        """All numbers, of all workers.

        Args:
            gauges: of this moment, by names of GAUGES; of this worker alone.
        """
        self.save()
        with self._lock:
            total = dict(self._numbers)
        if self._file is not None:
            for path in self._file.parent.glob("*.json"):
                if path != self._file:
                    for series, number in json.loads(path.read_text("utf-8")).items():
                        total[series] = total.get(series, 0) + number
        lines = []
        for name, words in _HELP.items():
            kind = "histogram" if name.endswith("_seconds") else "counter"
            of_metric = sorted(series for series in total if series.startswith(name))
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
            lines += [f"{series} {total[series]!r}" for series in of_metric]
        for name, number in gauges.items():
            lines += [f"# HELP {name} {GAUGES[name]}", f"# TYPE {name} gauge", f"{name} {number!r}"]
        return "\n".join(lines) + "\n"

    def _add(self, series: str, number: float) -> None:
        self._numbers[series] = self._numbers.get(series, 0) + number


def _series(name: str, labels: dict[str, str]) -> str:
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name
