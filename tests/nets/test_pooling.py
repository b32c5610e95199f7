import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from facemotion.nets.pooling import masked_maximum, means_of_segments

lengths_of_clips = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def padded(width: int, lengths: list[int], seed: int) -> tuple[NDArray[np.float32], torch.Tensor]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(lengths), max(lengths), width)).astype(np.float32)
    mask = np.arange(max(lengths))[None] < np.array(lengths)[:, None]
    x[~mask] = 1e6
    return x, torch.from_numpy(mask)


@settings(max_examples=30)
@given(st.integers(1, 4), lengths_of_clips, st.integers(0, 99))
def test_the_maximum_over_padded_time(width: int, lengths: list[int], seed: int) -> None:
    x, mask = padded(width, lengths, seed)
    found = masked_maximum(torch.from_numpy(x), mask).numpy()
    np.testing.assert_array_equal(found, [x[i, :n].max(axis=0) for i, n in enumerate(lengths)])


@settings(max_examples=60)
@given(st.integers(1, 4), lengths_of_clips, st.integers(1, 15), st.integers(0, 99))
def test_a_segment_is_the_mean_around_its_middle(width: int, lengths: list[int], segments: int, seed: int) -> None:
    x, mask = padded(width, lengths, seed)
    found = means_of_segments(torch.from_numpy(x), mask, segments).numpy()
    for clip, (frames, length) in enumerate(zip(x, lengths, strict=True)):
        for segment in range(segments):
            middle = (segment + 0.5) / segments * length - 0.5  # in frames
            reach = max(length / segments, 1.0)
            weights = np.maximum(1 - np.abs(np.arange(length) - middle) / reach, 0)
            wanted = (weights / weights.sum()) @ frames[:length]
            np.testing.assert_allclose(found[clip].reshape(segments, width)[segment], wanted, atol=1e-4)


def test_a_slower_clip_has_the_same_segments() -> None:
    fast, slow = (torch.from_numpy(np.sin(6 * (np.arange(n) + 0.5) / n)[None, :, None]) for n in (60, 240))
    torch.testing.assert_close(means_of_segments(fast, None, 6), means_of_segments(slow, None, 6), atol=2e-3, rtol=0)
