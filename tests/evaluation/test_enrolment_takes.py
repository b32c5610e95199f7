"""Templates of one take, of two, and so on."""

from __future__ import annotations

import numpy as np

from facemotion.evaluation.enrolment_takes import enrolment_trials
from facemotion.types import ClipKind, ClipRecord


def people(takes: dict[str, int]) -> tuple[np.ndarray, list[ClipRecord]]:
    """A vector of its own for each motion, with noise that differs from take to take."""
    rng = np.random.default_rng(0)
    records, vectors = [], []
    for number, (motion, count) in enumerate(takes.items()):
        for k in range(count):
            vector = np.eye(8)[number] + 0.2 * rng.standard_normal(8)
            vectors.append(vector / np.linalg.norm(vector))
            records.append(ClipRecord(f"{motion}{k}", "s", motion, ClipKind.FACIAL, k, 1))
    return np.array(vectors, np.float32), records


def test_more_takes_are_tried_by_the_same_probes() -> None:
    trials = enrolment_trials(*people({"a": 5, "b": 5}), most=3)
    assert [len(own) for own in trials] == [2 * 2 * 2] * 3
    assert [int(own.labels.sum()) for own in trials] == [4] * 3
    spread = [own.scores[own.labels].std() for own in trials]
    assert spread[2] < spread[0]


def test_a_motion_of_few_takes_takes_none_from_the_others() -> None:
    trials = enrolment_trials(*people({"a": 4, "b": 2, "c": 4}), most=3)
    assert len(trials) == 3
    assert set(trials[0].motions.ravel()) == {0, 2}


def test_single_takes_are_no_evidence() -> None:
    assert enrolment_trials(*people({"a": 1, "b": 1}), most=3) == []
