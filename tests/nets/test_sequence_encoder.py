import numpy as np
import pytest
import torch

from facemotion.nets.blocks import LAYERS
from facemotion.nets.inputs import INPUTS, SCALINGS, InputStreams
from facemotion.nets.pooling import POOLINGS
from facemotion.nets.sequence_encoder import EncoderSettings, SequenceEncoder, sinusoidal_positions

SMALL = {"width": 16, "layers": 2, "heads": 2, "feedforward": 24, "embedding": 8}


def encoder(**changes: object) -> SequenceEncoder:
    torch.manual_seed(0)
    return SequenceEncoder(6, EncoderSettings(**{**SMALL, **changes})).eval()


def clips(count: int, length: int) -> torch.Tensor:
    return torch.randn(count, length, 6, generator=torch.Generator().manual_seed(length))


@pytest.mark.parametrize("network", LAYERS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(
    "inputs",
    [
        *({"inputs": inputs, "centre": centre} for inputs in INPUTS for centre in (False, True)),
        *({"inputs": "position+difference", "scaling": scaling, "components": 3} for scaling in SCALINGS),
        {"inputs": "position+difference", "scaling": "stream+clip", "centre": True, "gate": True},
    ],
    ids=lambda given: " ".join(map(str, given.values())),
)
def test_padding_never_changes_a_clip(network: str, pooling: str, inputs: dict[str, object]) -> None:
    net = encoder(network=network, pooling=pooling, **inputs)
    lengths = [1, 4, 9]
    values = clips(3, 9)
    mask = torch.arange(9)[None] < torch.tensor(lengths)[:, None]
    values[~mask] = float("nan")
    together = net(values, mask)
    for row, length in enumerate(lengths):
        alone = net(values[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(3))


def test_positions_are_the_published_sines() -> None:
    found = sinusoidal_positions(torch.arange(7.0), 10).numpy()
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


def every(values: torch.Tensor) -> list[torch.Tensor]:
    return list(values)


def test_standardised_inputs_have_mean_0_and_deviation_1() -> None:
    streams = InputStreams(6, "position+difference", "feature", False, 0)
    values = 5 + 3 * clips(4, 20)
    streams.fit(every(values))
    inputs = streams(values, None).flatten(0, 1)
    torch.testing.assert_close(inputs.mean(0), torch.zeros(12), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std(0), torch.ones(12), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_feature_that_never_moves_does_not_explode(scaling: str) -> None:
    net = encoder(scaling=scaling)
    values = clips(2, 5)
    values[:, :, 0] = 7.0
    net.streams.fit(every(values))
    assert torch.isfinite(net(values)).all()
    assert net.streams(values, None).abs().max() < 10


def test_a_stream_keeps_the_proportions_of_its_features() -> None:
    streams = InputStreams(6, "position", "stream", False, 0)
    values = clips(4, 30) * torch.tensor([1.0, 1, 1, 1, 1, 10])
    streams.fit(every(values))
    deviation = streams(values, None).flatten(0, 1).std(0)
    before = values.flatten(0, 1).std(0)
    torch.testing.assert_close(deviation / deviation[0], before / before[0])
    assert deviation.square().mean() == pytest.approx(1, rel=1e-3)


def test_scaled_by_the_clip_a_motion_is_the_same_large_or_small() -> None:
    streams = InputStreams(6, "position+difference", "clip", False, 0)
    values = clips(4, 30)
    streams.fit(every(values))
    inputs = streams(values, None)
    torch.testing.assert_close(inputs.mean(1), torch.zeros(4, 12), atol=1e-4, rtol=0)
    torch.testing.assert_close(inputs.std(1), torch.ones(4, 12), atol=0.03, rtol=0)
    torch.testing.assert_close(streams(7 + 3 * values, None), inputs, atol=0.01, rtol=0)
    both = InputStreams(6, "position+difference", "stream+clip", False, 0)
    both.fit(every(values))
    torch.testing.assert_close(both(values, None)[..., 12:], inputs, atol=0.01, rtol=0)


def test_components_are_those_of_the_singular_values() -> None:
    rng = torch.Generator().manual_seed(3)
    values = torch.randn(8, 40, 2, generator=rng) @ torch.randn(2, 6, generator=rng) * 3 + clips(8, 40) * 0.01
    values = values + 5 * torch.randn(8, 1, 6, generator=rng)  # faces at rest differ, and mustn't count
    streams = InputStreams(6, "position", "feature", False, 2)
    streams.fit(every(values))
    moved = (values - values.mean(1, keepdim=True)).flatten(0, 1)
    wanted = torch.linalg.svd(moved, full_matrices=False).Vh[:2].T
    torch.testing.assert_close((streams.basis.T @ wanted).abs(), torch.eye(2), atol=1e-4, rtol=0)
    kept = moved @ streams.basis @ streams.basis.T
    assert (kept - moved).square().sum() < 1e-3 * moved.square().sum()
    again = InputStreams(6, "position", "feature", False, 2)
    again.fit(every(-values))
    torch.testing.assert_close(again.basis, streams.basis, atol=1e-4, rtol=0)  # the sign is no accident


def test_components_hear_only_the_chosen_features() -> None:
    streams = InputStreams(6, "position", "clip", False, 2)
    values = clips(3, 9)
    streams.fit(every(values), torch.tensor([False, True, True, False, True, False]))
    other = values.clone()
    other[..., [0, 3, 5]] = 99.0
    torch.testing.assert_close(streams(values, None), streams(other, None))
    with pytest.raises(ValueError, match="2 features have no 3"):
        InputStreams(6, "position", "clip", False, 3).fit(every(values), torch.arange(6) < 2)
    with pytest.raises(ValueError, match="through principal components"):
        InputStreams(6, "position", "clip", False, 0).fit(every(values), torch.arange(6) < 2)
    with pytest.raises(ValueError, match="6 features have no 7"):
        InputStreams(6, "position", "clip", False, 7)


@pytest.mark.parametrize("pooling", ["maximum+thirds", "maximum+segments", "segments"])
def test_poolings_over_parts_tell_two_orders_apart_that_the_maximum_does_not(pooling: str) -> None:
    first, second = torch.zeros(1, 9, 6), torch.zeros(1, 9, 6)
    first[0, 1, 0] = first[0, 7, 1] = second[0, 7, 0] = second[0, 1, 1] = 1.0
    plain = {"inputs": "position", "positions": False}
    blind, sighted = encoder(pooling="maximum", **plain), encoder(pooling=pooling, **plain)
    torch.testing.assert_close(blind(first), blind(second), atol=1e-5, rtol=1e-5)
    assert (sighted(first) - sighted(second)).abs().max() > 1e-2


def test_without_a_network_the_encoder_is_linear_but_for_its_norm() -> None:
    net = encoder(network="none", width=0, pooling="segments", segments=3, positions=False)
    first, second = clips(2, 9)[:, None]
    raw = [net.head(net.pooling(net.streams(clip, None), None)) for clip in (first, second, first + second)]
    bias = net.head.bias
    torch.testing.assert_close(raw[0] + raw[1] - 2 * bias, raw[2] - bias, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(net(first), torch.nn.functional.normalize(raw[0], dim=-1))


@pytest.mark.parametrize("network", ["gru", "tcn", "conformer"])
def test_a_baseline_sees_order_without_positions(network: str) -> None:
    net, values = encoder(network=network, positions=False), clips(1, 9)
    assert (net(values) - net(values.flip(1))).abs().max() > 1e-3


def test_each_layer_of_a_tcn_reaches_twice_as_far() -> None:
    values = clips(1, 31).requires_grad_()
    for number, reach in enumerate((2, 4, 8)):
        layer = LAYERS["tcn"](6, 1, 8, 0.0, number)
        (gradient,) = torch.autograd.grad(layer(values, None)[0, 15].sum(), values)
        heard = gradient[0].abs().sum(1).nonzero().flatten()
        assert (heard.min(), heard.max()) == (15 - reach, 15 + reach)
