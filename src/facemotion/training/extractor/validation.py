"""How well a spatial feature extractor does on stills of people that it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from facemotion.data.still_files import Stills
from facemotion.face.crop import crop_face
from facemotion.media.warp import crop_matrix
from facemotion.nets.sfe import SpatialExtractor
from facemotion.training.extractor.photometric import SIDE, to_crop

JAW = 17  # the first points of the 68 are the jaw line; the inner 51 are what expressions move
BATCH = 32  # stills that the network sees at once
CORNERS = (36, 45)  # outer eye corners, subject's right first


@dataclass(frozen=True)
class Validation:
    """Figures of one network.

    Attributes:
        stills: number looked at.
        nme_68, nme_51: mean distance of the points over the distance between the outer eye corners, percent, NaN for a
            network without landmarks.
        accuracy: share of named emotions found, NaN without.
    """

    HEADER: ClassVar[str] = "stills,nme_68,nme_51,accuracy"

    stills: int
    nme_68: float
    nme_51: float
    accuracy: float

    def row(self) -> str:
        """The figures as a line of HEADER."""
        return f"{self.stills},{self.nme_68:.3f},{self.nme_51:.3f},{self.accuracy:.4f}"


@torch.no_grad()
def validate(net: SpatialExtractor, stills: Stills, most: int) -> Validation:
    """Figures over stills, cropped as at run time; points of weak labels count like all others.

    Args:
        net: looked at in evaluation mode, and left in the mode that it is in.
        stills: of people that it never saw.
        most: stills looked at, evenly spread.
    """
    device = next(net.parameters()).device
    training = net.training
    net.eval()
    chosen = np.unique(np.linspace(0, len(stills) - 1, min(most, len(stills))).astype(int))
    points, logits = [], []
    for start in range(0, len(chosen), BATCH):
        faces = np.stack([crop_face(stills.image(i), stills.boxes[i], SIDE) for i in chosen[start : start + BATCH]])
        tensor = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
        _, found, emotions = net(tensor.to(device))
        points.append(found.cpu().numpy())
        logits.append(emotions.cpu().numpy())
    net.train(training)
    nme_68 = nme_51 = accuracy = float("nan")
    if net.has_landmarks:
        wanted = np.stack([to_crop(stills.landmarks[i], crop_matrix(stills.boxes[i], SIDE)) for i in chosen])
        errors = normalised_errors(np.concatenate(points).reshape(-1, 68, 2), wanted)
        nme_68, nme_51 = float(errors.mean()), float(errors[:, JAW:].mean())
    if net.has_emotions:
        shares = stills.emotions[chosen]
        clear = shares.max(axis=1) > 0.5
        right = np.concatenate(logits)[clear].argmax(axis=1) == shares[clear].argmax(axis=1)
        accuracy = float(right.mean()) if clear.any() else float("nan")
    return Validation(len(chosen), nme_68, nme_51, accuracy)


def normalised_errors(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance of each point over the distance between the outer eye corners: (N, 68, 2) twice -> (N, 68) percent.

    Reference: Sagonas et al., 300 Faces in-the-Wild Challenge, 2016 (the inter-ocular normalisation).
    """
    scale = np.linalg.norm(wanted[:, CORNERS[0]] - wanted[:, CORNERS[1]], axis=1)
    distances = np.linalg.norm(found.astype(np.float64) - wanted, axis=2)
    return np.asarray(100 * distances / scale[:, None], np.float64)
