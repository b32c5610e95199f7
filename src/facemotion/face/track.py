"""One face followed through a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.config import FaceSettings
from facemotion.errors import NoFaceError, SeveralFacesError
from facemotion.face.blazeface import Detections, overlap


@dataclass(frozen=True, eq=False)
class TrackedFace:
    """The face of one frame.

    Attributes:
        box: (4,) float32 pixels.
        keypoints: (6, 2) float32 pixels, in the order of Detections.
        found: whether the detector fired here; else the last box stands in.
    """

    box: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    found: bool


class FaceTracker:
    """Follows the main face frame by frame: the largest at first, then the one that overlaps the last box most."""

    def __init__(self, settings: FaceSettings | None = None) -> None:
        self._settings = settings or FaceSettings()
        self._last: TrackedFace | None = None
        self._last_found = -np.inf
        self.frames = 0
        self.found = 0
        self.rivals = 0
        self.rival_now = False

    def push(self, detections: Detections, seconds: float) -> TrackedFace | None:
        """Choose the face of the next frame.

        Args:
            detections: all faces of the frame.
            seconds: its time.
        Returns:
            The face; the last one again (`found` false) if a miss is short enough to fill; None before the first face
            and in a long gap.
        """
        self.frames += 1
        self.rival_now = False
        if len(detections) == 0:
            if self._last is None or seconds - self._last_found > self._settings.max_fill_seconds:
                return None
            return TrackedFace(self._last.box, self._last.keypoints, False)
        areas = np.prod(detections.boxes[:, 2:] - detections.boxes[:, :2], axis=1)
        chosen = int(np.argmax(areas))
        if self._last is not None:
            shared = overlap(self._last.box, detections.boxes)
            chosen = int(np.argmax(shared)) if shared.max() > 0 else chosen
        rivals = np.delete(areas, chosen) >= self._settings.rival_area * areas[chosen]
        self.rival_now = bool(rivals.any())
        self.rivals += self.rival_now
        self.found += 1
        self._last_found = seconds
        self._last = TrackedFace(detections.boxes[chosen], detections.keypoints[chosen], True)
        return self._last

    def follow(self, face: TrackedFace, seconds: float) -> TrackedFace:
        """Take in the next frame without a look of the detector: whoever else was in view is still there.

        Args:
            face: where its landmarks say that it is now.
            seconds: the frame's time.
        Returns:
            That face, which counts as found.
        """
        self.frames += 1
        self.rivals += self.rival_now
        self.found += 1
        self._last_found = seconds
        self._last = face
        return face

    @property
    def face_share(self) -> float:
        """Share of frames in which the detector fired, 0..1."""
        return self.found / max(self.frames, 1)

    def check(self, too_far: bool = False) -> None:
        """Hold the whole clip to the settings; see `check_face`."""
        check_face(TrackCounts(self.frames, self.found, self.rivals), self._settings, too_far=too_far)


def carry(face: TrackedFace, before: NDArray[np.floating], now: NDArray[np.floating]) -> TrackedFace:
    """A face moved as its landmarks moved, by the shift, turn and scale that are nearest to them.

    Args:
        face: as it was detected.
        before: (N, 2) its landmarks then, pixels.
        now: (N, 2) the same landmarks later.
    Returns:
        The face later; its box stays upright.
    Reference: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991, in the
    plane, where a similarity is one complex factor.
    """
    source, target = _complex(before), _complex(now)
    start, end = source.mean(), target.mean()
    size = max(float(np.square(np.abs(source - start)).sum()), 1e-9)
    factor = np.vdot(source - start, target - end) / size
    corners = _complex(face.box.reshape(2, 2))
    middle = factor * (corners.mean() - start) + end
    half = abs(factor) * (corners[1] - corners[0]) / 2
    keypoints = factor * (_complex(face.keypoints) - start) + end
    box = np.array([*_pair(middle - half), *_pair(middle + half)], np.float32)
    return TrackedFace(box, np.stack([keypoints.real, keypoints.imag], axis=1).astype(np.float32), True)


def _complex(points: NDArray[np.floating]) -> NDArray[np.complex128]:
    return np.asarray(points[:, 0].astype(np.float64) + 1j * points[:, 1].astype(np.float64))


def _pair(point: complex) -> tuple[float, float]:
    return point.real, point.imag


@dataclass(frozen=True)
class TrackCounts:
    """How often a face was seen in a clip.

    Attributes:
        frames: number of frames looked at.
        found: of those, in which the detector fired.
        rivals: of those, with a second face of similar size.
    """

    frames: int
    found: int
    rivals: int


def check_face(counts: TrackCounts, settings: FaceSettings, *, too_far: bool) -> None:
    """Hold a whole clip to the settings.

    Args:
        counts: of its frames.
        settings: what is asked of them.
        too_far: where the face is missing, it is because it is too small to be found.
    Raises:
        NoFaceError: the face is missing in too many frames.
        SeveralFacesError: a second face of similar size in too many.
    """
    share = counts.found / max(counts.frames, 1)
    if share < settings.min_face_share:
        if too_far:
            raise NoFaceError("The face is too far away to be seen well; come closer and record again.")
        if counts.found == 0:
            raise NoFaceError("No face was found; sit facing the camera, in the light, and record again.")
        raise NoFaceError(f"The face was seen in only {share:.0%} of the frames; keep it in view and record again.")
    if counts.rivals > settings.rival_share * counts.frames:
        raise SeveralFacesError("Two faces of similar size are before the camera; only one person may be in view.")
