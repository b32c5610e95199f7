"""Both losses against loops over 2-D vectors at known angles."""

import math

import pytest
import torch

from facemotion.training.encoder.losses import (
    LossSettings,
    all_pairs,
    batch_loss,
    contrastive_loss,
    n_pair_loss,
    same_subject_pairs,
)

ANGLES = [0, 20, 90, 100, 200, 350, 45, 60]
MOTIONS = [0, 0, 1, 1, 2, 2, 3, 4]
SUBJECTS = [0, 0, 0, 0, 1, 1, 0, 2]
TYPES = [torch.float32, torch.float64, torch.bfloat16]


def at_angles(angles: list[float], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    radians = torch.tensor(angles, dtype=torch.float64).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=1).to(dtype)


def cosine(i: int, j: int) -> float:
    return math.cos(math.radians(ANGLES[i] - ANGLES[j]))


def naive(term, pair_counts, positives_only: bool) -> float:  # type: ignore[no-untyped-def]
    means = []
    for i in range(len(ANGLES)):
        own = [j for j in range(len(ANGLES)) if j != i and pair_counts(i, j)]
        chosen = [j for j in own if not positives_only or MOTIONS[i] == MOTIONS[j]]
        if chosen:
            means.append(sum(term(i, j, own) for j in chosen) / len(chosen))
    return sum(means) / len(means)


POLICIES = {
    "all": (all_pairs, lambda i, j: True),
    "within-subject": (same_subject_pairs, lambda i, j: SUBJECTS[i] == SUBJECTS[j]),
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("margin", [0.0, 0.25, 0.5])
def test_contrastive_loss_is_equations_1_and_2(dtype: torch.dtype, policy: str, margin: float) -> None:
    choose, counts = POLICIES[policy]

    def term(i: int, j: int, own: list[int]) -> float:
        return 1 - cosine(i, j) if MOTIONS[i] == MOTIONS[j] else max(0.0, cosine(i, j) - margin)

    found = contrastive_loss(at_angles(ANGLES, dtype), torch.tensor(MOTIONS), choose(torch.tensor(SUBJECTS)), margin)
    assert found.dtype == dtype
    assert found.item() == pytest.approx(naive(term, counts, False), rel=2e-2 if dtype == torch.bfloat16 else 1e-5)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_n_pair_loss_is_equations_5_and_6(dtype: torch.dtype, policy: str, temperature: float) -> None:
    choose, counts = POLICIES[policy]

    def term(i: int, j: int, own: list[int]) -> float:
        total = sum(math.exp(cosine(i, k) / temperature) for k in own)
        return -math.log(math.exp(cosine(i, j) / temperature) / total)

    found = n_pair_loss(at_angles(ANGLES, dtype), torch.tensor(MOTIONS), choose(torch.tensor(SUBJECTS)), temperature)
    assert found.dtype == dtype
    assert found.item() == pytest.approx(
        naive(term, counts, True), rel=1e-5, abs=0.03 if dtype == torch.bfloat16 else 0
    )


@pytest.mark.parametrize("name", ["contrastive", "n-pair"])
def test_both_is_the_mean_of_the_losses_over_either_pairs(name: str) -> None:
    given = at_angles(ANGLES), torch.tensor(SUBJECTS), torch.tensor(MOTIONS)
    one, every, both = (batch_loss(*given, LossSettings(name, pairs)) for pairs in ("within-subject", "all", "both"))
    assert one.item() != pytest.approx(every.item(), rel=0.05)
    assert both.item() == pytest.approx((one.item() + every.item()) / 2)


def test_known_angles_by_hand() -> None:
    vectors, motions = at_angles([0, 60, 90]), torch.tensor([0, 0, 1])
    pairs = all_pairs(torch.tensor([0, 0, 0]))
    # S01 = 1/2 (same), S02 = 0, S12 = cos 30 = .866 (different): rows (.5 + 0)/2, (.5 + .866)/2, (0 + .866)/2.
    wanted = (0.25 + (0.5 + math.cos(math.pi / 6)) / 2 + math.cos(math.pi / 6) / 2) / 3
    assert contrastive_loss(vectors, motions, pairs, 0.0).item() == pytest.approx(wanted)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("motions", [[0, 1, 2], [0]])
def test_a_batch_without_positives_gives_a_differentiable_zero(dtype: torch.dtype, motions: list[int]) -> None:
    angles = [0.0, 120.0, 240.0][: len(motions)]
    for loss in (
        lambda e: n_pair_loss(e, torch.tensor(motions), all_pairs(torch.zeros(len(motions))), 0.1),
        lambda e: contrastive_loss(e, torch.tensor(motions), all_pairs(torch.zeros(len(motions))), 0.25),
        lambda e: n_pair_loss(e, torch.tensor(motions), same_subject_pairs(torch.arange(len(motions))), 0.1),
    ):
        vectors = at_angles(angles, dtype).requires_grad_()
        value = loss(vectors)
        assert value.item() == 0
        value.backward()
        assert vectors.grad is not None
        assert (vectors.grad == 0).all()


@pytest.mark.parametrize("loss", [contrastive_loss, n_pair_loss])
def test_gradients_agree_with_finite_differences(loss) -> None:  # type: ignore[no-untyped-def]
    vectors = at_angles(ANGLES).requires_grad_()
    pairs = same_subject_pairs(torch.tensor(SUBJECTS))
    assert torch.autograd.gradcheck(lambda e: loss(e, torch.tensor(MOTIONS), pairs, 0.3), vectors)
