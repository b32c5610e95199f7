"""benchmarks/second_look.py on courses and vectors whose answers are known."""

from __future__ import annotations

import grid33_trials
import numpy as np
import pytest
import second_look
from grid33 import Clips
from tests.data.series.samples import mouth

from facemotion.types import ClipKind, ClipRecord, FeatureSequence

pytestmark = pytest.mark.long  # every pair of fifty clips is warped
MOTIONS, TAKES = 5, 10


@pytest.fixture(scope="module")
def tested() -> grid33_trials.Tested:
    rng = np.random.default_rng(0)
    records, sequences = [], []
    for motion in range(MOTIONS):
        for take in range(TAKES):
            points = mouth(motion).reshape(24, 18) + rng.normal(0, 0.02, (24, 18))
            records.append(ClipRecord(f"{motion}-{take}", "s1", f"m{motion}", ClipKind.LIP, take, 1))
            sequences.append(FeatureSequence(points.astype(np.float32), np.arange(24) / 25, "f"))
    return grid33_trials.Tested(records, sequences, np.zeros(len(records), np.int64))


@pytest.fixture(scope="module")
def rows(tested) -> dict[str, tuple[float, float]]:
    vectors = np.random.default_rng(1).normal(size=(len(tested.records), 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    components = second_look.Components.of(Clips(tested.records, tested.sequences))
    return second_look.measure(vectors, tested, [components])


def test_a_course_tells_motions_apart_and_a_vector_of_chance_does_not(rows):
    assert rows["the cosine alone"][1] == pytest.approx(0.5, abs=0.1)
    assert rows["the course alone, as it is"] == (pytest.approx(1, abs=0.01), pytest.approx(0, abs=0.01))


def test_the_more_of_the_course_counts_the_nearer_is_its_score(rows):
    joint = [rows[f"cosine and {share:g} of the course, as it is"][0] for share in second_look.SHARES]
    assert rows["the cosine alone"][0] < joint[0] < joint[-1]
    assert joint == sorted(joint)


def test_the_page_says_what_a_second_look_would_gain(rows):
    text = second_look.page(rows)
    best = max(precision for name, (precision, _) in rows.items() if name.startswith("cosine and"))
    assert f"gains {best - rows['the cosine alone'][0]:+.3f} AP" in text
    assert text.count("\n|") == 2 + len(rows)
