"""The spatial feature extractors: a trunk, MobileFaceNet as a rule, under a head for landmarks, emotions or both."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facemotion.nets.mobilefacenet import MobileFaceNet
from facemotion.nets.mobilevit import MobileViT

LANDMARKS = 136
EMOTIONS = 7
TASKS = ("landmarks", "emotions", "both")
TRUNKS: dict[str, type[MobileFaceNet | MobileViT]] = {"mobilefacenet": MobileFaceNet, "mobilevit": MobileViT}


class SpatialExtractor(nn.Module):
    """SFE-L, SFE-E or SFE-MT, by `task`.

    The linear layer learns landmarks standardised by the training set's mean face: a step of the optimiser then moves
    a point by a share of its spread, not of the crop.

    Args:
        task: of TASKS.
        width: multiplies the trunk's channels.
        network: of TRUNKS.
    Reference: section 2.1 of the paper; both heads at once is the multi-task extractor of its section 4.3.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, task: str = "landmarks", width: float = 1.0, network: str = "mobilefacenet") -> None:
        super().__init__()
        if task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        self.task, self.width, self.network = task, width, network
        self.has_landmarks, self.has_emotions = task != "emotions", task != "landmarks"
        self.trunk = TRUNKS[network](LANDMARKS * self.has_landmarks + EMOTIONS * self.has_emotions, width)
        nn.init.normal_(self.trunk.head.weight, std=0.02)
        nn.init.zeros_(self.trunk.head.bias)
        self.register_buffer("mean", torch.full((LANDMARKS,), 0.5))
        self.register_buffer("spread", torch.ones(LANDMARKS))

    def standardise(self, landmarks: Tensor) -> None:
        """Take mean and spread from landmarks (N, 136) of the training set, in crop sides."""
        self.mean.copy_(landmarks.mean(dim=0))
        self.spread.copy_(landmarks.std(dim=0).clamp_min(1e-3))

    def features(self, faces: Tensor) -> Tensor:
        """Faces (B, 3, 112, 112) float32 RGB in [0, 1] -> (B, dimension of the trunk)."""
        return self.trunk.features(faces)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Faces (B, 3, 112, 112) float32 RGB in [0, 1] -> features (B, dimension); landmarks (B, 136), x and y of 68
        points in turn, in crop sides from the top left; emotions (B, 7) logits. A head that the task lacks gives
        (B, 0)."""
        features = self.features(faces)
        output = self.trunk.head(features).float()
        points = output[:, : LANDMARKS * self.has_landmarks]
        if self.has_landmarks:
            points = points * self.spread + self.mean
        return features, points, output[:, LANDMARKS * self.has_landmarks :]
