import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.nets.sequence_encoder import (
    INPUTS,
    POOLINGS,
    EncoderSettings,
    SequenceEncoder,
    masked_maximum,
    sinusoidal_positions,
)

SMALL = {"width": 16, "layers": 2, "heads": 2, "feedforward": 24, "embedding": 8}


def encoder(**changes: object) -> SequenceEncoder:
    torch.manual_seed(0)
    return SequenceEncoder(6, EncoderSettings(**{**SMALL, **changes})).eval()


def clips(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, length, 6, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("centre", [False, True])
def test_padding_never_changes_a_clip(inputs: str, pooling: str, centre: bool) -> None:
    net = encoder(inputs=inputs, pooling=pooling, centre=centre)
    lengths = [1, 4, 9]
    values = clips(3, 9)
    mask = torch.arange(9)[None] < torch.tensor(lengths)[:, None]
    values[~mask] = float("nan")
    together = net(values, mask)
    for row, length in enumerate(lengths):
        alone = net(values[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))


@settings(max_examples=30)
@given(st.integers(1, 4), st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(0, 99))
def test_the_maximum_over_padded_time(width: int, lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(lengths), max(lengths), width)).astype(np.float32)
    mask = np.arange(max(lengths))[None] < np.array(lengths)[:, None]
    x[~mask] = 1e6
    found = masked_maximum(torch.from_numpy(x), torch.from_numpy(mask)).numpy()
    np.testing.assert_array_equal(found, [x[i, :n].max(axis=0) for i, n in enumerate(lengths)])


def test_positions_are_the_published_sines() -> None:
    found = sinusoidal_positions(7, 10, torch.zeros(1)).numpy()
    for step in range(7):
        for i in range(5):
            angle = step / 10000 ** (2 * i / 10)
            assert found[step, 2 * i] == pytest.approx(np.sin(angle), abs=1e-5)
            assert found[step, 2 * i + 1] == pytest.approx(np.cos(angle), abs=1e-5)


def test_order_is_seen_through_positions_alone() -> None:
    values = clips(1, 8)
    shuffled = values[:, torch.randperm(8, generator=torch.Generator().manual_seed(1))]
    blind, sighted = encoder(positions=False), encoder()
    torch.testing.assert_close(blind(values), blind(shuffled), atol=1e-5, rtol=1e-5)
    assert (sighted(values) - sighted(shuffled)).abs().max() > 1e-2


def test_a_centred_input_forgets_the_resting_face() -> None:
    values = clips(1, 8)
    moved = values + torch.randn(6, generator=torch.Generator().manual_seed(2))
    for changes in ({"inputs": "difference"}, {"inputs": "position", "centre": True}):
        net = encoder(**changes)
        torch.testing.assert_close(net(values), net(moved), atol=1e-5, rtol=1e-5)


def test_without_a_width_the_layers_keep_the_size_of_the_input() -> None:
    assert encoder(width=0).width == 6
    assert encoder(width=0, inputs="position+difference").width == 12
    with pytest.raises(ValueError, match="width of 6 can't be shared by 4 heads"):
        encoder(width=0, heads=4)


def test_standardised_inputs_have_mean_0_and_deviation_1() -> None:
    net = encoder(inputs="position+difference")
    values = 5 + 3 * clips(4, 30)
    mask = torch.arange(30)[None].expand(4, 30) < 20
    net.standardise(values, mask)
    inputs = (net._streams(values, mask)[mask] - net.input_mean) / net.input_scale
    torch.testing.assert_close(inputs.mean(0), torch.zeros(12), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std(0), torch.ones(12), atol=1e-4, rtol=0)


def test_a_feature_that_never_moves_does_not_explode() -> None:
    net = encoder()
    values = clips(2, 5)
    values[:, :, 0] = 7.0
    net.standardise(values, torch.ones(2, 5, dtype=torch.bool))
    assert torch.isfinite(net(values)).all()


def test_a_stream_keeps_the_proportions_of_its_features() -> None:
    net = encoder(scaling="stream")
    values = clips(4, 30) * torch.tensor([1.0, 1, 1, 1, 1, 10])
    mask = torch.ones(4, 30, dtype=torch.bool)
    net.standardise(values, mask)
    deviation = (values / net.input_scale).flatten(0, 1).std(0)
    before = values.flatten(0, 1).std(0)
    torch.testing.assert_close(deviation / deviation[0], before / before[0])
    assert deviation.square().mean() == pytest.approx(1, rel=1e-3)
