"""BlazeFace, short range: anchors, decoding and weighted non-maximum suppression of our own round the published
network.

Reference: Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, arXiv:1907.05047;
section 2 of the paper asks for it on every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.config import FaceSettings
from facemotion.models import Models

SIDE = 128
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detections:
    """Faces of one frame, best score first.

    Attributes:
        boxes: (N, 4) float32 x0 y0 x1 y1 in pixels of the frame; from the brows to the chin, may pass the border.
        keypoints: (N, 6, 2) float32 pixels: subject's right eye, left eye, nose tip, mouth centre, right ear tragion,
            left ear tragion.
        scores: (N,) float32, 0..1.
    """

    boxes: FloatArray
    keypoints: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)


class BlazeFace:
    """The detector. Faces up to about two metres from a webcam; the box must span 5% of the frame or more."""

    def __init__(self, models: Models, settings: FaceSettings | None = None) -> None:
        """Raises MissingModelError or ModelHashError if the shipped file was lost or altered."""
        self._settings = settings or FaceSettings()
        self._session = models.open("blazeface")
        self._anchors = anchors()

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Find the faces of one (H, W, 3) uint8 RGB frame; none is an empty Detections, not an error."""
        tensor, scale, offset = letterbox(frame)
        raw, logits = self._session.run(None, {"input": tensor})
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        keep = scores >= self._settings.min_score
        boxes, keypoints = decode(raw[0][keep], self._anchors[keep])
        boxes, keypoints, scores = weighted_nms(boxes, keypoints, scores[keep], self._settings.nms_iou)
        shift = np.array(offset, np.float32)
        boxes = (boxes.reshape(-1, 2, 2) - shift) / scale
        return Detections(boxes.reshape(-1, 4), (keypoints - shift) / np.float32(scale), scores)


def anchors() -> FloatArray:
    """(896, 2) float32 anchor centres in pixels of the 128 x 128 input: a 16 x 16 grid of two anchors a cell, then an
    8 x 8 grid of six. All anchors have one size; the network's offsets are absolute."""
    grids = []
    for cells, repeat in ((16, 2), (8, 6)):
        centres = (np.arange(cells, dtype=np.float32) + 0.5) * (SIDE / cells)
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeat, axis=0))
    return np.concatenate(grids).astype(np.float32)


def letterbox(frame: NDArray[np.uint8]) -> tuple[FloatArray, float, tuple[float, float]]:
    """Fit a frame into the network's square, keeping its shape, with grey (0 after scaling) round it.

    Returns:
        (1, 128, 128, 3) float32 in [-1, 1]; input pixels per frame pixel; the x, y offset in input pixels.
    """
    height, width = frame.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = _shrink(frame, size)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    tensor = np.zeros((1, SIDE, SIDE, 3), np.float32)
    tensor[0, top : top + size[1], left : left + size[0]] = small * np.float32(2 / 255) - 1
    return tensor, scale, (float(left), float(top))


def _shrink(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 3) of a frame (H, W, 3): bilinear over the area that a pixel stands for, which Pillow has and OpenCV not.

    Faces are found a quarter of a pixel elsewhere where the plain average is taken, and landmarks a tenth.

    Args:
        frame: RGB.
        size: width and height wanted, pixels.
    """
    height, width = frame.shape[:2]
    halved = width // (2 * size[0]) == height // (2 * size[1]) == 2 and width % 2 == height % 2 == 0
    if halved:  # Pillow would take the mean of four pixels first, too, and six times as long
        frame = np.asarray(cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def decode(raw: FloatArray, centres: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Turn the network's offsets into boxes and keypoints.

    Args:
        raw: (N, 16) float32: centre x, y, width, height, then six x, y pairs; input pixels relative to the anchor.
        centres: (N, 2) float32 anchor centres.
    Returns:
        (N, 4) float32 x0 y0 x1 y1, and (N, 6, 2) float32, input pixels.
    """
    middle = raw[:, :2] + centres
    half = np.maximum(raw[:, 2:4], 1e-3) / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return boxes, raw[:, 4:].reshape(-1, 6, 2) + centres[:, None]


def overlap(box: FloatArray, boxes: FloatArray) -> FloatArray:
    """Intersection over union of one box (4,) with (N, 4) boxes, each 0..1."""
    inner = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.maximum(inner, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) - shared
    return np.asarray(shared / union, np.float32)


def weighted_nms(
    boxes: FloatArray, keypoints: FloatArray, scores: FloatArray, iou: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Merge overlapping detections into their mean weighted by score; it jitters less over time than the best one.

    Args:
        boxes (N, 4), keypoints (N, 6, 2), scores (N,): float32.
        iou: detections that overlap the best one left by more than this are merged with it, 0..1.
    Returns:
        boxes (M, 4), keypoints (M, 6, 2), scores (M,), M <= N, best score first; a merged score is the best of its
        group.
    Reference: section 2.2 of the BlazeFace paper ("tie resolution").
    """
    order = np.argsort(-scores, kind="stable")
    places = np.concatenate([boxes, keypoints.reshape(len(keypoints), 12)], axis=1)
    merged, merged_scores = [], []
    while len(order):
        near = overlap(boxes[order[0]], boxes[order]) > iou
        near[0] = True
        group = order[near]
        weights = scores[group] / scores[group].sum()
        merged.append(weights @ places[group])
        merged_scores.append(scores[order[0]])
        order = order[~near]
    whole = np.array(merged, np.float32).reshape(-1, 16)
    return whole[:, :4], whole[:, 4:].reshape(-1, 6, 2), np.array(merged_scores, np.float32)
