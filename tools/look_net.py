"""The network that follows how a face looks: from pictures of it to a course in which a recording is known."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from facemotion.service.replays.surface import CHANGES, SHAPE

LOOKS = 12
"""Values of a course behind the CHANGES; see LookNet."""
NEAR, WIDE, DIM = 8.0, 12.0, 0.4
"""Sigmas of the surroundings whose mean and contrast are the light of a place, pixels, and the contrast beside which
that of a place counts, in that of the whole face."""
EDGE, FLAT, MOST = 0.3, 0.1, 6.0
"""A change counts next to EDGE times the slope of the mean picture, since pictures never lie on each other exactly, and
FLAT; by MOST at most."""
CHANNELS, HIDDEN, SPAN = (16, 32, 48), 96, 5
"""Of the three convolutions and of the layer after them, and frames that a change is seen in."""
NOTHING = 1e-6


class LookNet(nn.Module):
    """Pictures of a face to a course in which a recording is known again.

    Its first values say how the face changes: SPAN frames together tell most. They are of no use where the clock was
    tampered with, so its last values say how the face looks in each frame alone.

    Attributes:
        dimension: of the course.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dimension = CHANGES + LOOKS
        for name, sigma in (("near", NEAR), ("wide", WIDE), ("soft", 1.0)):
            for axis, side in zip(("down", "across"), SHAPE, strict=True):
                self.register_buffer(f"{name}_{axis}", torch.from_numpy(blurring(side, sigma)), persistent=False)
        for axis, side in zip(("down", "across"), SHAPE, strict=True):
            slope = np.stack(np.gradient(np.eye(side, dtype=np.float32), axis=0))
            self.register_buffer(f"slope_{axis}", torch.from_numpy(slope), persistent=False)
        self.moving, self.still = _trunk(), _trunk()  # with one for both, what helps the one harms the other
        self.changes = nn.Conv1d(HIDDEN, CHANGES, SPAN, padding=SPAN // 2, padding_mode="replicate")
        self.looks = nn.Linear(HIDDEN, LOOKS)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """The courses of recordings.

        Args:
            pictures: (N, L, H, W) float32 at 25 frames/s, as SurfaceTaker gives them.
        Returns:
            (N, L, D), each about its mean.
        """
        count, length = pictures.shape[:2]
        seen = self.shown(pictures).reshape(count * length, 2, *SHAPE)
        moving, still = (trunk(seen).reshape(count, length, HIDDEN) for trunk in (self.moving, self.still))
        changes = self.changes(moving.transpose(1, 2)).transpose(1, 2)
        course = torch.cat([changes, self.looks(still)], dim=2)
        centred: torch.Tensor = course - course.mean(dim=1, keepdim=True)
        return centred

    def shown(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N, L, 2, H, W) what the convolutions see: the face under even light, and what differs from its mean."""
        even = pictures - self._blurred(pictures, "near")
        squares = even.square()
        whole = squares.mean(dim=(2, 3), keepdim=True).sqrt()
        even = even / (self._blurred(squares, "wide").clamp(min=0).sqrt() + DIM * whole + NOTHING)
        mean = even.mean(dim=1, keepdim=True)
        steep = (self.slope_down @ mean).square() + (mean @ self.slope_across.T).square()
        sure = EDGE * self._blurred(steep, "soft").clamp(min=0).sqrt() + FLAT
        return torch.stack([even, ((even - mean) / sure).clamp(-MOST, MOST) / 2], dim=2)

    def _blurred(self, pictures: torch.Tensor, name: str) -> torch.Tensor:
        down, across = getattr(self, f"{name}_down"), getattr(self, f"{name}_across")
        blurred: torch.Tensor = down @ pictures @ across.T
        return blurred


def _trunk() -> nn.Sequential:
    layers: list[nn.Module] = []
    for given, made in zip((2, *CHANNELS), CHANNELS, strict=False):
        layers += [nn.Conv2d(given, made, 3, 2, 1), nn.ReLU()]
    height, width = (-(-side // 8) for side in SHAPE)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(CHANNELS[-1] * height * width, HIDDEN), nn.ReLU())


def blurring(side: int, sigma: float) -> NDArray[np.float32]:
    """(side, side), what each pixel of a blurred column takes from all of them."""
    taps = round(8 * sigma + 1) | 1
    blurred = cv2.GaussianBlur(np.eye(side, dtype=np.float32), (1, taps), sigma, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32)


def agreement(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(N, M) correlations of courses (N, L, D) with others (M, L, D), each about its mean over time."""
    flat = [(course - course.mean(dim=1, keepdim=True)).flatten(1) for course in (one, other)]
    return functional.normalize(flat[0], dim=1) @ functional.normalize(flat[1], dim=1).T
