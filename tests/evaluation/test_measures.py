import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from facemotion.errors import EvidenceError
from facemotion.evaluation import measures
from facemotion.evaluation.measures import (
    average_precision,
    curve,
    equal_error_rate,
    f1_at,
    fnmr_at_fmr,
    peak_f1,
    prevalence,
    rates_at,
    threshold_at_fmr,
)
from facemotion.thresholds import check_evidence, independent_impostors
from facemotion.types import ScoredTrials


def make_trials(scores: np.ndarray, labels: np.ndarray) -> ScoredTrials:
    count = len(scores)
    sides = np.stack([np.arange(count), np.arange(count) + count], axis=1).astype(np.int32)
    kinds = np.where(labels, 0, 2).astype(np.uint8)
    return ScoredTrials(scores.astype(np.float32), labels, kinds, sides, sides.copy())


@st.composite
def some_trials(draw: st.DrawFn) -> ScoredTrials:
    count = draw(st.integers(2, 30))
    scores = draw(hnp.arrays(np.float32, count, elements=st.sampled_from(np.linspace(-1, 1, 11).astype(np.float32))))
    labels = draw(hnp.arrays(np.bool_, count))
    labels[0], labels[1] = True, False
    return make_trials(scores, labels)


def naive_counts(trials: ScoredTrials, threshold: float) -> tuple[int, int, int, int]:
    pairs = list(zip(trials.scores.tolist(), trials.labels.tolist(), strict=True))
    return (
        sum(s >= threshold and y for s, y in pairs),
        sum(s >= threshold and not y for s, y in pairs),
        sum(y for _, y in pairs),
        sum(not y for _, y in pairs),
    )


def falling(trials: ScoredTrials) -> list[float]:
    return sorted(set(trials.scores.tolist()), reverse=True)


def test_doctests() -> None:
    result = doctest.testmod(measures)
    assert result.attempted > 5
    assert result.failed == 0


@given(some_trials())
def test_average_precision_is_the_naive_sum(trials: ScoredTrials) -> None:
    total, before = 0.0, 0.0
    for threshold in falling(trials):
        genuine, impostor, all_genuine, _ = naive_counts(trials, threshold)
        total += (genuine / all_genuine - before) * genuine / (genuine + impostor)
        before = genuine / all_genuine
    assert average_precision(curve(trials)) == pytest.approx(total)


@given(some_trials())
def test_peak_f1_is_the_best_of_a_naive_search(trials: ScoredTrials) -> None:
    f1s = {}
    for threshold in falling(trials):
        genuine, impostor, all_genuine, _ = naive_counts(trials, threshold)
        f1s[threshold] = 2 * genuine / (genuine + impostor + all_genuine)
        assert f1_at(curve(trials), threshold) == pytest.approx(f1s[threshold])
    best, threshold = peak_f1(curve(trials))
    assert best == pytest.approx(max(f1s.values()))
    assert f1s[threshold] == pytest.approx(best)


@given(some_trials(), st.floats(-1.5, 1.5))
def test_rates_at_any_threshold(trials: ScoredTrials, threshold: float) -> None:
    genuine, impostor, all_genuine, all_impostor = naive_counts(trials, threshold)
    assert rates_at(curve(trials), threshold) == pytest.approx((impostor / all_impostor, 1 - genuine / all_genuine))


@given(some_trials())
def test_equal_error_rate_lies_where_the_naive_rates_cross(trials: ScoredTrials) -> None:
    points = [(0.0, 1.0)]
    for threshold in falling(trials):
        genuine, impostor, all_genuine, all_impostor = naive_counts(trials, threshold)
        points.append((impostor / all_impostor, 1 - genuine / all_genuine))
    after = next(i for i, (fmr, fnmr) in enumerate(points) if fmr >= fnmr)
    (low, high_miss), (high, low_miss) = points[after - 1], points[after]
    rate, threshold = equal_error_rate(curve(trials))
    assert low - 1e-9 <= rate <= high + 1e-9
    assert low_miss - 1e-9 <= rate <= high_miss + 1e-9
    assert threshold in falling(trials)


@given(some_trials(), st.floats(0, 1))
def test_threshold_at_fmr_is_the_lowest_that_keeps_it(trials: ScoredTrials, fmr: float) -> None:
    kept = []
    for threshold in falling(trials):
        _, impostor, _, all_impostor = naive_counts(trials, threshold)
        if impostor / all_impostor <= fmr:
            kept.append(threshold)
    if kept:
        assert threshold_at_fmr(curve(trials), fmr) == min(kept)
    else:
        with pytest.raises(EvidenceError, match="No threshold"):
            threshold_at_fmr(curve(trials), fmr)


@given(some_trials(), st.integers(1, 3))
def test_weights_count_as_repeated_trials(trials: ScoredTrials, times: int) -> None:
    weights = np.arange(len(trials)) % 3 + times
    again = make_trials(np.repeat(trials.scores, weights), np.repeat(trials.labels, weights))
    weighted, repeated = curve(trials, weights.astype(float)), curve(again)
    for metric in (average_precision, prevalence, equal_error_rate, peak_f1):
        assert metric(weighted) == pytest.approx(metric(repeated))


def test_perfect_and_blind_systems() -> None:
    labels = np.array([True] * 10 + [False] * 30)
    perfect = curve(make_trials(np.where(labels, 0.9, 0.1), labels))
    assert (average_precision(perfect), peak_f1(perfect)[0], equal_error_rate(perfect)[0]) == (1, 1, 0)
    blind = curve(make_trials(np.zeros(40), labels))
    assert average_precision(blind) == prevalence(blind) == 0.25
    assert equal_error_rate(blind)[0] == 0.5


def test_the_rule_of_three() -> None:
    rng = np.random.default_rng(0)
    trials = make_trials(rng.uniform(-1, 1, size=400), np.arange(400) < 100)
    assert independent_impostors(trials) == 300
    fnmr, threshold = fnmr_at_fmr(trials, 0.01)
    assert rates_at(curve(trials), threshold) == (pytest.approx(0.01), fnmr)
    with pytest.raises(
        EvidenceError,
        match=r"FMR of 0\.009 can't be told from 300 independent impostor trials \(.*\); ask for 0\.01 .* 27 in all",
    ):
        fnmr_at_fmr(trials, 0.009)


def test_many_takes_of_two_motions_are_one_independent_trial() -> None:
    sides = np.tile(np.array([[0, 1], [1, 0]], np.int32), (500, 1))
    labels = np.zeros(1000, np.bool_)
    trials = ScoredTrials(np.zeros(1000, np.float32), labels, np.full(1000, 2, np.uint8), sides, sides.copy())
    assert independent_impostors(trials) == 1
    with pytest.raises(EvidenceError, match="1 independent"):
        check_evidence(trials, 0.5)


@pytest.mark.parametrize("label", [True, False])
def test_one_class_has_no_curve(label: bool) -> None:
    with pytest.raises(EvidenceError, match="one genuine and one impostor"):
        curve(make_trials(np.zeros(3), np.full(3, label)))
