import numpy as np
import pytest

from facemotion.errors import EvidenceError
from facemotion.evaluation.bootstrap import bootstrap, bootstrap_several
from facemotion.evaluation.measures import average_precision, equal_error_rate, prevalence
from facemotion.evaluation.trials import score_pairs
from facemotion.types import ClipKind, ClipRecord, ScoredTrials


def simulated(subjects: int, spread: float = 0.6, seed: int = 0, takes: int = 3) -> ScoredTrials:
    rng = np.random.default_rng(seed)
    records, vectors = [], []
    for s in range(subjects):
        for m in range(3):
            centre = rng.normal(size=16)
            for k in range(takes):
                records.append(ClipRecord(f"{s}-{m}-{k}", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1))
                vector = centre + spread * rng.normal(size=16) * (1 + s % 3)
                vectors.append(vector / np.linalg.norm(vector))
    return score_pairs(np.array(vectors, np.float32), records)


def test_the_interval_holds_the_value_and_narrows_with_subjects() -> None:
    few, many = (bootstrap(simulated(n), average_precision, replicates=200) for n in (5, 40))
    for interval in (few, many):
        assert interval.low <= interval.value <= interval.high
        assert interval.unit == "subjects"
    assert many.high - many.low < few.high - few.low


def test_takes_alone_do_not_narrow_it() -> None:
    few, many = (bootstrap(simulated(6, takes=k), equal_error_rate_only, replicates=200) for k in (3, 12))
    assert (many.high - many.low) > 0.4 * (few.high - few.low)


def equal_error_rate_only(accepted):  # type: ignore[no-untyped-def]
    return equal_error_rate(accepted)[0]


def test_the_draws_have_the_prevalence_of_the_data() -> None:
    trials = simulated(30)
    interval = bootstrap(trials, prevalence, replicates=400)
    assert interval.low < interval.value < interval.high
    assert (interval.low + interval.high) / 2 == pytest.approx(interval.value, rel=0.02)


def test_one_subject_draws_motions() -> None:
    interval = bootstrap(simulated(1), average_precision, replicates=50)
    assert interval.unit == "motions"


def test_a_seed_repeats_itself() -> None:
    trials = simulated(6)
    assert bootstrap(trials, average_precision, 50, seed=1) == bootstrap(trials, average_precision, 50, seed=1)
    assert bootstrap(trials, average_precision, 50, seed=1) != bootstrap(trials, average_precision, 50, seed=2)


def test_several_metrics_have_the_intervals_that_each_has_alone() -> None:
    trials, metrics = simulated(6), {"AP": average_precision, "prevalence": prevalence}
    alone = {name: bootstrap(trials, metric, 50) for name, metric in metrics.items()}
    assert bootstrap_several(trials, metrics, 50) == alone


def test_one_class_has_no_interval() -> None:
    records = [ClipRecord(str(k), "s", "m", ClipKind.FACIAL, k, 1) for k in range(3)]
    with pytest.raises(EvidenceError, match="genuine and one impostor"):
        bootstrap(score_pairs(np.eye(3, dtype=np.float32), records), average_precision)
