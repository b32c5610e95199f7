"""MobileFaceNet against the published counts, and what it has in common with MobileViT."""

from __future__ import annotations

import pytest
import torch

from facemotion.nets.mobilefacenet import ChannelPReLU, MobileFaceNet, multiply_adds
from facemotion.nets.mobilevit import MobileViT


def test_parameters_and_multiply_adds_are_the_published_ones():
    network = MobileFaceNet(136)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(1.007e6, rel=0.005)
    assert multiply_adds(network) == pytest.approx(221e6, rel=0.01)


@pytest.mark.parametrize(("kind", "features"), [(MobileFaceNet, 512), (MobileViT, 320)])
def test_shapes(kind, features):
    network = kind(7).eval()
    faces = torch.rand(2, 3, 112, 112)
    with torch.inference_mode():
        assert network.features(faces).shape == (2, features)
        assert network(faces).shape == (2, 7)
        # The global convolution sees where a feature stands; average pooling wouldn't.
        assert not torch.allclose(network.features(faces), network.features(faces.flip(-1)), atol=1e-3)


@pytest.mark.parametrize(("width", "features"), [(0.5, 256), (0.25, 128)])
def test_narrow_versions_are_smaller(width, features):
    narrow, whole = MobileFaceNet(136, width), MobileFaceNet(136)
    assert narrow.dimension == features
    assert multiply_adds(narrow) < multiply_adds(whole) * width * 0.75
    with torch.inference_mode():
        assert narrow.eval()(torch.zeros(1, 3, 112, 112)).shape == (1, 136)


@pytest.mark.parametrize("kind", [MobileFaceNet, MobileViT])
def test_gradients_reach_every_parameter(kind):
    network = kind(136, 0.25)
    network(torch.rand(4, 3, 112, 112)).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_the_activation_is_prelu():
    ours, theirs = ChannelPReLU(3), torch.nn.PReLU(3)
    with torch.no_grad():
        ours.slope.copy_(torch.tensor([-0.3, 0.2, 1.4]).view(3, 1, 1))
        theirs.weight.copy_(ours.slope.flatten())
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(ours(x), theirs(x))
