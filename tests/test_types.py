"""The nouns refuse what they aren't."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.errors import UsageError
from facemotion.types import (
    Clip,
    Decision,
    Embedding,
    FactorResult,
    FeatureSequence,
    OperatingPoint,
    ScoredTrials,
    Template,
)

TIMES = np.arange(3) / 25
UNIT = np.array([0.6, 0.8], np.float32)


def point(threshold: float = 0.5) -> OperatingPoint:
    return OperatingPoint("fmr-1e-2", threshold, 0.01, 0.1, 100, 1000, 10, "a test")


def test_clip():
    clip = Clip(np.zeros((3, 4, 5, 3), np.uint8), TIMES)
    assert len(clip) == 3
    assert clip.seconds == pytest.approx(0.08)
    with pytest.raises(ValueError, match="read-only"):
        clip.frames[0] = 1
    for frames, times in (
        (np.zeros((3, 4, 5, 3), np.float32), TIMES),
        (np.zeros((3, 4, 5), np.uint8), TIMES),
        (np.zeros((0, 4, 5, 3), np.uint8), TIMES[:0]),
        (np.zeros((3, 4, 5, 3), np.uint8), TIMES[::-1].copy()),
        (np.zeros((3, 4, 5, 3), np.uint8), np.array([0, 0.1, np.nan])),
        (np.zeros((3, 4, 5, 3), np.uint8), TIMES.astype(np.float32)),
        (np.zeros((3, 4, 5, 3), np.uint8), np.arange(2) / 25),
    ):
        with pytest.raises(UsageError, match="frames|times"):
            Clip(frames, times)


def test_a_clip_of_lists_says_what_it_is_made_of():
    frames = np.zeros((3, 4, 5, 3), np.uint8)
    with pytest.raises(UsageError, match=r"frames of a Clip are an array, got list: give np\.stack"):
        Clip(list(frames), TIMES)
    with pytest.raises(UsageError, match=r"times of a Clip are an array, got list: give .* np\.array\(seconds"):
        Clip(frames, list(TIMES))


def test_feature_sequence():
    assert len(FeatureSequence(np.zeros((3, 2), np.float32), TIMES, "x")) == 3
    with pytest.raises(ValueError, match="finite"):
        FeatureSequence(np.full((3, 2), np.nan, np.float32), TIMES, "x")
    with pytest.raises(ValueError, match="frontend_id"):
        FeatureSequence(np.zeros((3, 2), np.float32), TIMES, "")


def test_embedding_and_template_hold_unit_vectors():
    Embedding(UNIT.copy(), "m")
    with pytest.raises(ValueError, match="norm 1"):
        Embedding(np.array([0.6, 0.9], np.float32), "m")
    Template("alice", "motion", np.stack([UNIT, UNIT]), "m")
    for user, factor, vectors in (
        ("", "motion", UNIT[None].copy()),
        ("x" * 129, "motion", UNIT[None].copy()),
        ("a", "voice", UNIT[None].copy()),
        ("a", "motion", np.zeros((0, 2), np.float32)),
        ("a", "motion", 2 * UNIT[None]),
    ):
        with pytest.raises(ValueError, match="user|factor|take|norm"):
            Template(user, factor, vectors, "m")


@pytest.mark.parametrize(("score", "accepted"), [(0.5, True), (0.499, False), (0.51, True)])
def test_the_one_rule(score, accepted):
    result = FactorResult("motion", score, point())
    assert result.accepted is accepted
    other = FactorResult("appearance", 0.9, point())
    assert Decision((result, other)).accepted is accepted


def test_a_decision_says_whether_a_face_was_compared():
    motion, face = FactorResult("motion", 0.9, point()), FactorResult("appearance", 0.9, point())
    assert Decision((motion,)).motion_alone
    assert not Decision((motion, face)).motion_alone


def test_a_decision_without_factors_and_points_without_evidence_are_refused():
    with pytest.raises(ValueError, match="at least one factor"):
        Decision(())
    with pytest.raises(ValueError, match="evidence"):
        OperatingPoint("x", 0.5, 0.01, 0.1, 0, 10, 1, "a test")
    with pytest.raises(ValueError, match="cosine"):
        point(1.5)


def test_scored_trials_keep_labels_and_kinds_together():
    scores, pairs = np.zeros(2, np.float32), np.zeros((2, 2), np.int32)
    ScoredTrials(scores, np.array([True, False]), np.array([0, 1], np.uint8), pairs, pairs)
    with pytest.raises(ValueError, match="genuine"):
        ScoredTrials(scores, np.array([True, False]), np.array([0, 0], np.uint8), pairs, pairs)
    with pytest.raises(ValueError, match="no score"):
        ScoredTrials(scores * np.nan, np.array([True, False]), np.array([0, 1], np.uint8), pairs, pairs)
