import numpy as np
import pytest

from facemotion.evaluation.controls import last_frame, peak_frame, pooled_vectors, shuffle_frames
from facemotion.types import FeatureSequence


def sequence(seed: int, length: int = 12) -> FeatureSequence:
    values = np.random.default_rng(seed).normal(size=(length, 4)).astype(np.float32)
    return FeatureSequence(values, np.arange(length) / 25, "front")


def test_shuffling_keeps_every_frame_and_no_order() -> None:
    clip = sequence(0)
    shuffled = shuffle_frames(clip, np.random.default_rng(0))
    assert sorted(map(tuple, shuffled.values)) == sorted(map(tuple, clip.values))
    assert not np.array_equal(shuffled.values, clip.values)
    np.testing.assert_array_equal(shuffled.times, clip.times)


def test_single_frames() -> None:
    values = np.zeros((9, 2), np.float32)
    values[4] = 5
    values[8] = 1
    clip = FeatureSequence(values, np.arange(9) / 25, "front")
    assert last_frame(clip).values.tolist() == [[1, 1]]
    assert peak_frame(clip).values.tolist() == [[5, 5]]
    assert peak_frame(clip).times.tolist() == [4 / 25]


@pytest.mark.parametrize("how", ["maximum", "mean"])
def test_pooled_features_are_blind_to_order(how: str) -> None:
    clips = [sequence(seed) for seed in range(5)]
    shuffled = [shuffle_frames(clip, np.random.default_rng(1)) for clip in clips]
    vectors = pooled_vectors(clips, clips, how)
    np.testing.assert_allclose(vectors, pooled_vectors(shuffled, clips, how), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (vectors @ vectors.T)[0, 1] < 0.99
