import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.evaluation.dtw import dtw_scores


def naive(a: np.ndarray, b: np.ndarray) -> float:
    """All paths, by recursion, with the tie rule of the cheapest predecessor: diagonal, then up, then left."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    table: dict[tuple[int, int], tuple[float, int]] = {(-1, -1): (0.0, 0)}
    for i in range(len(a)):
        for j in range(len(b)):
            before = [table[p] for p in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if p in table]
            cost, steps = min(before, key=lambda entry: entry[0])
            table[i, j] = cost + float(np.linalg.norm(a[i] - b[j])), steps + 1
    cost, steps = table[len(a) - 1, len(b) - 1]
    return cost / steps


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 999))
def test_scores_are_those_of_a_naive_table(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sequences = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    scores = dtw_scores(sequences)
    for i, a in enumerate(sequences):
        for j, b in enumerate(sequences):
            if i < j:
                np.testing.assert_allclose(scores[i, j], -naive(a, b), atol=1e-4)
    np.testing.assert_array_equal(scores, scores.T)


def test_a_slower_take_is_nearer_than_another_motion() -> None:
    fast, slow = np.linspace(0, 1, 20), np.linspace(0, 1, 35)
    take = np.stack([np.sin(6 * fast), np.cos(6 * fast)], axis=1).astype(np.float32)
    again = np.stack([np.sin(6 * slow), np.cos(6 * slow)], axis=1).astype(np.float32)
    other = take[:, ::-1] + np.float32(3)
    scores = dtw_scores([take, again, other])
    assert scores[0, 1] > -0.1 > scores[0, 2]
