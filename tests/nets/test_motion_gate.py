import pytest
import torch

from facemotion.nets.blocks import LAYERS
from facemotion.nets.motion_gate import LEAST, MotionGate, weigh
from facemotion.nets.pooling import course, means_of_segments


def test_a_gate_looks_at_the_frames_of_each_clip_alone() -> None:
    torch.manual_seed(0)
    gate = MotionGate(6).eval()
    values = torch.randn(3, 40, 6)
    mask = torch.arange(40)[None] < torch.tensor([4, 17, 40])[:, None]
    values[~mask] = 0.0
    together = gate(values, mask)
    for row, length in enumerate((4, 17, 40)):
        alone = gate(values[row : row + 1, :length], None)
        torch.testing.assert_close(alone[0], together[row, :length], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_a_smaller_motion_is_relative_to_itself(factor: float) -> None:
    torch.manual_seed(0)
    values = torch.randn(1, 30, 6).cumsum(1)
    gate = MotionGate(6).eval()
    usual = gate._cues(values, torch.ones(1, 30))[..., 17:]
    changed = gate._cues(factor * values, torch.ones(1, 30))[..., 17:]
    torch.testing.assert_close(usual, changed, atol=2e-3, rtol=0)


def test_weights_are_never_nothing_within_a_clip() -> None:
    mask = torch.tensor([[True, True, False]])
    weights = weigh(torch.tensor([[-99.0, 99.0, 99.0]]), mask)
    assert weights.tolist() == [[pytest.approx(LEAST), 1.0, 0.0]]


def test_frames_that_do_not_count_take_no_time() -> None:
    x = torch.randn(1, 12, 2)
    rested = torch.cat([torch.full((1, 7, 2), 9.0), x, torch.full((1, 5, 2), -9.0)], dim=1)
    weights = torch.cat([torch.zeros(1, 7), torch.ones(1, 12), torch.zeros(1, 5)], dim=1)
    torch.testing.assert_close(course(weights)[:, 7:19], course(torch.ones(1, 12)))
    torch.testing.assert_close(means_of_segments(rested, weights, 4), means_of_segments(x, None, 4))


@pytest.mark.parametrize("network", ["transformer", "conformer", "tcn"])
def test_frames_that_do_not_count_are_not_seen_by_others(network: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[network](8, 2, 16, 0.0, 0).eval()
    x, rest = torch.randn(1, 20, 8), torch.randn(1, 9, 8)
    weights = torch.cat([torch.zeros(1, 9), torch.ones(1, 20)], dim=1)
    alone = layer(x, None, torch.ones(1, 20))
    rested = layer(torch.cat([rest, x], dim=1), None, weights)[:, 9:]
    torch.testing.assert_close(rested, alone, atol=1e-3, rtol=1e-3)
