"""MobileViT of the smallest size (XXS): convolutions for what is near, attention between patches for what is far apart.

Reference: Mehta, Rastegari: MobileViT, arXiv:2110.02178, table 4. The paper names it as future work for its spatial
extractor. Three things differ from it, so that both trunks can be compared: it takes 112 x 112 faces in place of
256 x 256 pictures and halves them one time less; what it finds is gathered by MobileFaceNet's global depthwise
convolution, which knows where in the face something is; and PReLU stands where it has swish.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facemotion.nets.blocks import TransformerLayer
from facemotion.nets.mobilefacenet import Bottleneck, ConvBlock, FaceNet

# (channels, stride, repetitions) of the bottlenecks before the first attention; then (channels, stride, width of
# attention, its layers, side of a patch in pixels of the map) of each stage with attention.
BOTTLENECKS = ((16, 1, 1), (24, 2, 3))
STAGES = ((48, 2, 64, 2, 2), (64, 2, 80, 4, 1), (80, 1, 96, 3, 1))
EXPANSION = 2  # of the bottlenecks
HEADS = 4
FEATURES = 320


class PatchAttention(nn.Module):
    """What the paper calls a MobileViT block: a pixel of a patch attends to the same pixel of all other patches."""

    def __init__(self, channels: int, width: int, layers: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.near = nn.Sequential(ConvBlock(channels, channels, 3), ConvBlock(channels, width, linear=True))
        self.far = nn.Sequential(*(TransformerLayer(width, HEADS, 2 * width, 0.0) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.back = ConvBlock(width, channels)
        self.join = ConvBlock(2 * channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same shape; H and W are multiples of the patch."""
        y = self.near(x)
        batch, width, height, breadth = y.shape
        rows, columns, side = height // self.patch, breadth // self.patch, self.patch
        pixels = y.reshape(batch, width, rows, side, columns, side).permute(0, 3, 5, 2, 4, 1)
        pixels = pixels.reshape(batch * side * side, rows * columns, width)
        for layer in self.far:
            pixels = layer(pixels, None)
        pixels = self.norm(pixels).reshape(batch, side, side, rows, columns, width)
        y = pixels.permute(0, 5, 3, 1, 4, 2).reshape(batch, width, height, breadth)
        joined: Tensor = self.join(torch.cat([x, self.back(y)], dim=1))
        return joined


class MobileViT(FaceNet):
    """The network of the reference, with the three changes that the module lists.

    Args:
        outputs: length of the output, 136 for the 68 landmarks, 7 for emotions.
        width: multiplies every channel count, the 320 features included.
    """

    def __init__(self, outputs: int = 136, width: float = 1.0) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(8, round(channels * width))

        channels = scaled(16)
        self.stem = ConvBlock(3, channels, 3, 2)
        blocks: list[nn.Module] = []
        for narrow, stride, repetitions in BOTTLENECKS:
            for number in range(repetitions):
                blocks.append(Bottleneck(channels, EXPANSION * channels, scaled(narrow), 1 if number else stride))
                channels = scaled(narrow)
        for narrow, stride, attended, layers, patch in STAGES:
            blocks.append(Bottleneck(channels, EXPANSION * channels, scaled(narrow), stride))
            channels = scaled(narrow)
            blocks.append(PatchAttention(channels, HEADS * max(2, round(attended * width / HEADS)), layers, patch))
        self._end(blocks, channels, scaled(FEATURES), outputs)
