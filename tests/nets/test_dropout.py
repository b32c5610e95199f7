"""Dropout by bytes against what dropout is."""

from __future__ import annotations

import pytest
import torch

from facemotion.nets.blocks import TransformerLayer
from facemotion.nets.dropout import Dropout, drop


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_of_entries_is_dropped_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(0)
    out = drop(torch.ones(300, 1001), rate)
    share = (out == 0).float()
    assert share.mean().item() == pytest.approx(rate, abs=0.005)
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    # Every place is as likely as the next, whichever byte of a word decides on it.
    assert (share.flatten()[: 8 * 37500].view(-1, 8).mean(0) - rate).abs().max() < 0.01
    assert len(out.unique()) == 2


def test_what_is_dropped_passes_no_gradient_and_the_seed_decides() -> None:
    x = torch.randn(7, 13, requires_grad=True)
    torch.manual_seed(3)
    out = drop(x, 0.4)
    out.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, out.detach() / x.detach())
    torch.manual_seed(3)
    torch.testing.assert_close(drop(x, 0.4), out)
    assert drop(x, 0) is x


def test_nothing_is_dropped_outside_training() -> None:
    x = torch.randn(5, 5)
    assert Dropout(0.5).eval()(x) is x
    assert (Dropout(0.5).train()(x) == 0).any()


def test_attention_with_dropout_is_attention_in_the_mean() -> None:
    torch.manual_seed(0)
    layer = TransformerLayer(16, 4, 32, 0.1)
    x, mask = torch.randn(2, 9, 16), torch.ones(2, 9, dtype=torch.bool)
    mask[1, 6:] = False
    expected = layer.eval()(x, mask)
    layer.train()
    mean = torch.stack([layer(x, mask) for _ in range(800)]).mean(0)
    assert (mean - expected)[mask].abs().mean() < 0.03
    # Frames of padding are never looked at, dropout or not.
    torch.manual_seed(1)
    one = layer(x, mask)
    torch.manual_seed(1)
    x[1, 6:] = 100
    torch.testing.assert_close(layer(x, mask)[1, :6], one[1, :6])
