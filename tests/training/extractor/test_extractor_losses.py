from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from facemotion.training.extractor.losses import UncertaintyWeights, emotion_loss, smooth_l1_loss, wing_loss


def points(value: float) -> torch.Tensor:
    return torch.full((2, 68, 2), value)


def test_wing_loss_against_its_formula() -> None:
    known = torch.ones(2, 68)
    for error in (0.0, 0.004, 0.03, 0.049, 0.051, 0.4):
        small = 0.05 * math.log(1 + error / 0.01)
        wanted = small if error < 0.05 else error - (0.05 - 0.05 * math.log(6))
        found = wing_loss(points(0.3 + error), points(0.3), known)
        assert found.item() == pytest.approx(wanted / 0.05, rel=1e-4, abs=1e-5)


def test_smooth_l1_loss_against_its_formula() -> None:
    known = torch.ones(2, 68)
    assert smooth_l1_loss(points(0.02), points(0), known).item() == pytest.approx(0.5 * 0.02**2 / 0.05 / 0.05, rel=1e-4)
    assert smooth_l1_loss(points(0.2), points(0), known).item() == pytest.approx((0.2 - 0.025) / 0.05, rel=1e-4)


@pytest.mark.parametrize("loss", [wing_loss, smooth_l1_loss])
def test_errors_within_the_tolerance_cost_nothing(loss) -> None:  # type: ignore[no-untyped-def]
    known = torch.ones(2, 68)
    allowed = torch.zeros(2, 68)
    allowed[0] = 0.02
    found = points(0.015).requires_grad_()
    loss(found, points(0), known, allowed).backward()
    assert (found.grad[0] == 0).all()
    assert (found.grad[1] != 0).all()
    beyond = loss(points(0.05), points(0), known, torch.full((2, 68), 0.02))
    assert beyond.item() == pytest.approx(loss(points(0.03), points(0), known).item(), rel=1e-5)


@pytest.mark.parametrize("loss", [wing_loss, smooth_l1_loss])
def test_unknown_points_teach_nothing(loss) -> None:  # type: ignore[no-untyped-def]
    found = points(0.1).requires_grad_()
    known = torch.zeros(2, 68)
    known[0, :10] = 1
    loss(found, points(0), known).backward()
    assert (found.grad[0, :10] != 0).all()
    assert (found.grad[0, 10:] == 0).all()
    assert (found.grad[1] == 0).all()
    nothing = loss(found, points(0), torch.zeros(2, 68))
    assert nothing.item() == 0
    nothing.backward()


def test_emotion_loss_skips_stills_without_a_name() -> None:
    logits = torch.tensor([[0.2, 1.0, -1, 0, 0, 0, 0], [5.0, 0, 0, 0, 0, 0, 0]], requires_grad=True)
    shares = torch.zeros(2, 7)
    shares[0, 0], shares[0, 1] = 0.3, 0.7
    row = logits[0].detach().numpy().astype(np.float64)
    log_softmax = row - np.log(np.exp(row).sum())
    assert emotion_loss(logits, shares).item() == pytest.approx(
        -(0.3 * log_softmax[0] + 0.7 * log_softmax[1]), rel=1e-5
    )
    assert emotion_loss(logits, torch.zeros(2, 7)).item() == 0


def test_the_surer_task_weighs_more() -> None:
    balance = UncertaintyWeights()
    optimiser = torch.optim.SGD(balance.parameters(), lr=0.05)
    for _ in range(500):
        optimiser.zero_grad()
        balance(torch.tensor(0.1), torch.tensor(2.0)).backward()
        optimiser.step()
    # The minimum of exp(-s) L + s / 2 is at s = log 2L.
    np.testing.assert_allclose(balance.log_variance.detach().exp().numpy(), [0.2, 4.0], rtol=0.05)
