"""MobileFaceNet: inverted residuals, and a global depthwise convolution in place of average pooling.

Reference: Chen, Liu, Gao, Han: MobileFaceNets, arXiv:1804.07573, table 1; section 2.1 of the paper takes its trunk as
the spatial feature extractor.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

# (expanded channels, channels, stride, repetitions) of the bottlenecks, in table order.
BOTTLENECKS = ((128, 64, 2, 1), (128, 64, 1, 4), (256, 128, 2, 1), (256, 128, 1, 6), (512, 128, 2, 1), (256, 128, 1, 2))
FEATURES = 512


class ChannelPReLU(nn.Module):
    """PReLU with one slope a channel, computed as (1 - a) relu(x) + a x. The function is the same as torch's PReLU. But
    torch's backward pass takes a third of a training step on a CPU, and ONNX Runtime computes its PReLU as a slow
    broadcast."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels, 1, 1), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same shape."""
        slope = self.slope.to(x.dtype)
        return torch.relu(x) * (1 - slope) + slope * x


class ConvBlock(nn.Sequential):
    """Convolution, batch norm and, unless linear, PReLU with one slope a channel."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1, *, linear: bool = False
    ) -> None:
        padding = kernel // 2 if kernel < 7 else 0  # the 7 x 7 one is global: it covers its whole input
        layers: list[nn.Module] = [
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*layers if linear else [*layers, ChannelPReLU(outputs)])


class Bottleneck(nn.Module):
    """Inverted residual: widen, filter each channel, narrow linearly; added to its input where shapes allow."""

    def __init__(self, inputs: int, wide: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            ConvBlock(inputs, wide),
            ConvBlock(wide, wide, 3, stride, groups=wide),
            ConvBlock(wide, outputs, linear=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class FaceNet(nn.Module):
    """A network for 112 x 112 faces: a stem, blocks that end in a map of 7 x 7, MobileFaceNet's global depthwise
    convolution over it, which knows where in the face something is, and a linear head.

    Attributes:
        dimension: number of features.
    """

    stem: nn.Module

    def _end(self, blocks: Sequence[nn.Module], channels: int, dimension: int, outputs: int) -> None:
        """Add what comes after the stem, and draw the weights.

        Args:
            blocks: the trunk, which gives (B, channels, 7, 7).
            channels: of its output.
            dimension: number of features.
            outputs: length of the head's output.
        """
        self.trunk = nn.Sequential(*blocks)
        self.dimension = dimension
        self.spread = ConvBlock(channels, dimension)
        self.pool = ConvBlock(dimension, dimension, 7, groups=dimension, linear=True)
        self.head = nn.Linear(dimension, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)  # by fan-in: right for depthwise convolutions too

    def features(self, faces: Tensor) -> Tensor:
        """Faces (B, 3, 112, 112) float32 RGB in [0, 1] -> (B, dimension), the flattened global depthwise output."""
        # Centred here, so that every caller, and the exported file, takes plain [0, 1].
        x = self.spread(self.trunk(self.stem(faces * 2 - 1)))
        return torch.flatten(self.pool(x), 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Faces (B, 3, 112, 112) float32 RGB in [0, 1] -> (B, outputs)."""
        output: Tensor = self.head(self.features(faces))
        return output


class MobileFaceNet(FaceNet):
    """The network of the reference.

    Args:
        outputs: length of the output, 136 for the 68 landmarks, 7 for emotions.
        width: multiplies every channel count, the 512 features included; 0.5 and 0.25 for small devices.
    """

    def __init__(self, outputs: int = 136, width: float = 1.0) -> None:
        super().__init__()

        def scaled(channels: int) -> int:
            return max(8, round(channels * width))

        channels = scaled(64)
        self.stem = nn.Sequential(ConvBlock(3, channels, 3, 2), ConvBlock(channels, channels, 3, groups=channels))
        blocks: list[nn.Module] = []
        for wide, narrow, stride, repetitions in BOTTLENECKS:
            for _ in range(repetitions):
                blocks.append(Bottleneck(channels, scaled(wide), scaled(narrow), stride))
                channels = scaled(narrow)
        self._end(blocks, channels, scaled(FEATURES), outputs)


def multiply_adds(network: nn.Module) -> int:
    """Multiply-adds of one face of 112 x 112 through convolutions and linear layers, counted while it runs."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += module.weight[0].numel() * output[0].numel()
        elif isinstance(module, nn.Linear):
            total += module.weight.numel() * (output.numel() // output.shape[-1])  # once a pixel where it is over a map

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    network.eval()
    with torch.inference_mode():
        network(torch.zeros(1, 3, 112, 112))
    for hook in hooks:
        hook.remove()
    return total
