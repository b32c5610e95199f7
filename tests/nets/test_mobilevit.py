"""MobileViT against the published counts, and what its attention reaches."""

from __future__ import annotations

import pytest
import torch

from facemotion.nets.mobilefacenet import MobileFaceNet, multiply_adds
from facemotion.nets.mobilevit import MobileViT, PatchAttention


def test_its_trunk_has_as_many_parameters_as_the_published_one_and_costs_less_than_mobilefacenet():
    network = MobileViT(136)
    trunk = sum(p.numel() for p in network.parameters()) - sum(p.numel() for p in network.head.parameters())
    assert trunk == pytest.approx(0.95e6, rel=0.03)  # 1.27 million with a head for 1,000 classes
    assert multiply_adds(network) < 0.4 * multiply_adds(MobileFaceNet(136))


@pytest.mark.parametrize("patch", [1, 2])
def test_a_pixel_attends_to_its_place_in_every_patch(patch):
    """Unfolded and folded again, pixels lie where they lay; what one changes reaches the far corner by attention."""
    block = PatchAttention(8, 16, 1, patch).eval()
    x = torch.zeros(1, 8, 12, 12)
    changed = x.clone()
    changed[0, :, 0, 0] = 1.0
    with torch.inference_mode():
        difference = (block(changed) - block(x)).abs().amax(1)[0]
    assert difference[-3:, -3:].max() > 0  # two convolutions of 3 pixels reach no further than 2
    seen = difference[6:, 6:] > 1e-9
    assert seen.all() if patch == 1 else seen.any()
    assert difference[:3, :3].max() > 3 * difference[6:, 6:].max()
