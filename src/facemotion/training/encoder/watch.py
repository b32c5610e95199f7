"""When to stop: people who aren't trained on are looked at again and again, until they gain no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facemotion.errors import DataError, EvidenceError, TrainingError
from facemotion.evaluation.measures import average_precision, curve
from facemotion.evaluation.trials import score_pairs
from facemotion.training.encoder.material.dataset import TrainingSource
from facemotion.training.encoder.settings import StoppingSettings, TrainingSettings
from facemotion.training.run_folder import RunFolder
from facemotion.types import FloatArray

TABLE = "watched.csv"  # of a run folder: steps, and the average precision of the watched people after them


class Looks:
    """The looks at the watched people so far, and whether they still gain.

    Args:
        settings: when to look, and when to give up.
        watched: the people; without them nothing is ever due, nor over.
        run: keeps the looks in watched.csv; nothing is kept if not given.
        step: batches already trained on; the run's looks up to there are read again.
    Raises:
        TrainingError: the people have no genuine or no impostor trials, or the run's looks are missing or damaged.
    """

    def __init__(
        self, settings: StoppingSettings, watched: TrainingSource | None, run: RunFolder | None, step: int
    ) -> None:
        self._settings, self._watched, self._run = settings, watched, run
        self._rows: list[tuple[int, float]] = []
        if watched is None:
            return
        self._measure(np.eye(len(watched.records), dtype=np.float32))
        if run and step:
            self._rows = [row for row in read_looks(run) if row[0] <= step]
            if len(self._rows) != step // settings.every:
                raise TrainingError(
                    f"{run.path / TABLE} lacks looks that were taken before step {step}; start another run."
                )

    def are_due(self, step: int) -> bool:
        """Whether the watched people are looked at after this step."""
        return self._watched is not None and step % self._settings.every == 0

    def add(self, step: int, vectors: FloatArray) -> bool:
        """Take a look.

        Args:
            step: batches trained on.
            vectors: (N, n) float32 unit vectors of the watched clips.
        Returns:
            Whether the people fare better than ever before.
        """
        best = max((precision for _, precision in self._rows), default=-1.0)
        row = f"{self._measure(vectors):.6f}"
        if self._run:
            self._run.append(TABLE, "average_precision", step, row)
        self._rows.append((step, float(row)))
        return float(row) > best

    @property
    def are_over(self) -> bool:
        """Whether as many looks as the settings allow brought no gain."""
        return _gain_no_more(self._rows, self._settings)

    def _measure(self, vectors: FloatArray) -> float:
        """Average precision of the pairs inside each person, as the paper counts."""
        records = self._watched.records if self._watched is not None else ()
        try:
            return average_precision(curve(score_pairs(vectors, records, "within-subject")))
        except (DataError, EvidenceError) as error:
            raise TrainingError(
                f"The watched people can't be measured ({error}); watch more under [stopping], or nobody."
            ) from error


def has_ended(run: RunFolder, settings: TrainingSettings, step: int) -> bool:
    """Whether a run is at its end: all steps, or the watched people gain no more.

    Args:
        run: a run folder.
        settings: its own.
        step: of its checkpoint.
    Raises:
        TrainingError: its looks are damaged.
    """
    if step >= settings.optimiser.steps:
        return True
    looks = [look for look in read_looks(run) if look[0] <= step]
    return bool(settings.stopping.people) and _gain_no_more(looks, settings.stopping)


def _gain_no_more(looks: Sequence[tuple[int, float]], settings: StoppingSettings) -> bool:
    precisions = [precision for _, precision in looks]
    return bool(precisions) and len(precisions) - 1 - int(np.argmax(precisions)) >= settings.patience


def read_looks(run: RunFolder) -> list[tuple[int, float]]:
    """Steps and average precisions of the looks of a run; none if nobody was watched.

    Raises:
        TrainingError: the table is damaged.
    """
    path = run.path / TABLE
    if not path.is_file():
        return []
    try:
        rows = [line.split(",") for line in path.read_text("utf-8").splitlines()[1:]]
        return [(int(step), float(precision)) for step, precision in rows]
    except ValueError as error:
        raise TrainingError(f"{path} isn't as it was written ({error}); start another run.") from error
