"""How well a face can be seen in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.face.crop import crop_face

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class FaceLook:
    """Measures of one frame.

    Attributes:
        brightness: median luma of the face, 0..255.
        sharpness: variance of the Laplacian of the face's luma at 112 px; under about 20 is blurred.
        face_px: side of the face box, pixels of the frame.
    """

    brightness: float
    sharpness: float
    face_px: float


def look_at(frame: NDArray[np.uint8], box: NDArray[np.float32]) -> FaceLook:
    """Measure one face.

    Args:
        frame: (H, W, 3) uint8 RGB.
        box: (4,) x0 y0 x1 y1, pixels.
    """
    luma = crop_face(frame, box) @ LUMA
    centre = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * centre
    # The middle of the square is skin whatever the hair or the background.
    face = luma[28:-28, 28:-28]
    return FaceLook(float(np.median(face)), float(laplacian.var()), float(max(box[2] - box[0], box[3] - box[1])))
