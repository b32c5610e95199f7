"""How the face looks from frame to frame, however the picture drifts: what tells a replay whose picture was moved.

A thief can make a recording sway, turn, zoom or lean slowly, so that its landmarks take another course. That moves the
picture as a plane. Lids, teeth, shadows and the turn of the head change what the plane shows, and a drift doesn't
change that. So every frame is laid over one reference by a homography. What differs from the clip's mean then is
followed by a small network, which was trained to see through bends, light, bars and codings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from facemotion.models import Models
from facemotion.models.cards import SHIPPED_FOLDER
from facemotion.service.replays.directions import filtered
from facemotion.signals import resample
from facemotion.system.threads import product
from facemotion.types import FloatArray

if TYPE_CHECKING:
    import onnxruntime

PACKAGED = SHIPPED_FOLDER / "replay_surface.npz"
"""Made by tools/replay_directions.py."""
LOOK_MODEL = "replay-look"
"""The network's card; made by tools/train_look.py."""
SIDE = 64
"""Side of a close-up, pixels."""
EYES = 22.0
"""Distance between the outer eye corners in a close-up, pixels: a face of a film of 360 x 288 isn't enlarged."""
HALF = (SIDE - 1) / 2
"""Of a side, from the middle of its first pixel."""
MIDDLE = (HALF, 0.42 * SIDE)
"""Where the middle between them lies, x and y: a mirrored picture gives the mirrored close-up."""
FACE = (slice(14, 54), slice(16, 48))
"""Rows and columns of a close-up that are compared: brows to lower lip, no hair, no wall."""
SHAPE = (40, 32)
"""Height and width of that part, pixels."""
SMOOTH = 1.0
"""Sigma of the blur before, pixels: codings differ in what is finer."""
EARLY = 5
"""Frames whose mean is the reference."""
ROUNDS, SETTLED = 8, 1e-3
"""Steps to the best homography at most, and the size of a step, in halves of a side, from which on it is good."""
STIFFNESS = 3e-5
"""Of the two leaning parts of the homography, as a share of the mean curvature: a flat forehead hardly tells them."""
FARTHEST = 0.3
"""Largest entry of a homography less the identity, in halves of a side; a frame that needs more stays as its landmarks
lie."""
USUAL, MOST_USUAL = 0.95, 25
"""Correlation of the reference with the median frame of the clip, below which it is no good reference; the median is
that of so many frames at most, spread evenly."""
THINNED = 2
"""Of so many frames at RATE one is compared (`likeness.COARSE`): as good, and a third of the work."""
CHANGES = 16
"""Values of the network that say how the face changes, the first ones. The others say how it looks in each frame."""
NOTHING = 1e-6
_ACROSS, _DOWN = ((axis - HALF) / (HALF + 0.5) for axis in np.meshgrid(*[np.arange(SIDE, dtype=np.float32)] * 2))
_TO_PIXELS = np.array([[HALF + 0.5, 0, HALF], [0, HALF + 0.5, HALF], [0, 0, 1]])
_FROM_PIXELS = np.linalg.inv(_TO_PIXELS)
_IDENTITY = np.eye(3)


def _weights() -> FloatArray:
    """(SIDE, SIDE) how much a pixel says about the homography: the upper face and the nose do, the mouth moves."""
    x, y = np.meshgrid(*[np.arange(SIDE, dtype=np.float32)] * 2)
    face = np.exp(-np.square(np.square((x - HALF) / 13) + np.square((y - 30) / 14)))
    mouth = np.exp(-np.square(np.square((x - HALF) / 9) + np.square((y - 47) / 6)))
    return np.asarray(face * (1 - mouth), np.float32)


_WEIGHTS = _weights()


@dataclass(frozen=True, eq=False)
class Geometry:
    """By which landmarks a close-up is taken.

    Attributes:
        still: (M,) numbers of landmarks of a sighting that expressions hardly move.
        places: (M, 2) float64 where they belong in a close-up, pixels.
    """

    still: NDArray[np.intp]
    places: NDArray[np.float64]

    @classmethod
    def packaged(cls, frontend_id: str) -> Geometry | None:
        """The one for a front end; None for another one than the default."""
        return _geometry(PACKAGED, frontend_id)

    def close_up(self, frame: NDArray[np.uint8], points: FloatArray) -> NDArray[np.uint8]:
        """The face of a frame, brought to its place by an affine map of the landmarks.

        Args:
            frame: (H, W, 3) uint8 RGB.
            points: (N, 2) its landmarks, pixels.
        Returns:
            (SIDE, SIDE) uint8 luma; beyond the picture its border goes on.
        """
        spots = np.column_stack([points[self.still].astype(np.float64), np.ones(len(self.still))])
        matrix = np.linalg.lstsq(spots, self.places, rcond=None)[0].T
        scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) or 1.0
        # The part of the frame that is seen, so that no more of it is made grey and smaller.
        corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], np.float64)
        whole = np.vstack([matrix, [0, 0, 1]])
        seen = corners @ np.linalg.pinv(whole)[:2].T
        sides = np.array(frame.shape[1::-1])
        first = np.clip(np.floor(seen.min(axis=0)) - 2, 0, sides - 2).astype(int)
        last = np.clip(np.ceil(seen.max(axis=0)) + 2, first + 2, sides).astype(int)
        # Means of whole pixels: OpenCV's average of areas takes ten times as long where it divides a pixel.
        whole_pixels = max(1, round(0.5 / scale))
        last = np.maximum(last - (last - first) % whole_pixels, first + 2)
        luma = cv2.cvtColor(np.ascontiguousarray(frame[first[1] : last[1], first[0] : last[0]]), cv2.COLOR_RGB2GRAY)
        if whole_pixels > 1:
            size = [max(1, int(side) // whole_pixels) for side in last - first]
            luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        factor = (last - first) / luma.shape[1::-1]
        # Pixel 0 of the smaller picture lies in the middle of those that it is the mean of.
        grown = np.array([[factor[0], 0, (factor[0] - 1) / 2], [0, factor[1], (factor[1] - 1) / 2], [0, 0, 1]])
        moved = whole @ np.array([[1, 0, first[0]], [0, 1, first[1]], [0, 0, 1]], np.float64) @ grown
        flags, border = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
        return np.asarray(cv2.warpAffine(luma, moved[:2], (SIDE, SIDE), flags=flags, borderMode=border), np.uint8)


@cache
def _geometry(path: Path, frontend_id: str) -> Geometry | None:
    with np.load(path) as stored:
        if str(stored["frontend_id"]) != frontend_id:
            return None
        return Geometry(stored["still"].astype(np.intp), stored["places"].astype(np.float64))


class Plane:
    """A reference that close-ups are laid over, by the homography and the light that fit best.

    Args:
        reference: (SIDE, SIDE) float32; also an attribute.
    Reference: Baker, Matthews, Lucas-Kanade 20 Years On (2004), the inverse compositional algorithm.
    """

    def __init__(self, reference: FloatArray) -> None:
        self.reference = reference
        down, across = (slope * (HALF + 0.5) for slope in np.gradient(reference))
        moves = [across, down, across * _ACROSS, across * _DOWN, down * _ACROSS, down * _DOWN]
        leans = [(across * _ACROSS + down * _DOWN) * axis for axis in (_ACROSS, _DOWN)]
        light = [np.ones_like(reference), reference - reference.mean()]
        slopes = np.stack([one.ravel() for one in (*moves, *leans, *light)], axis=1).astype(np.float32)
        self._weighted = np.ascontiguousarray((slopes * _WEIGHTS.reshape(-1, 1)).T)
        curvature = product(self._weighted, slopes).astype(np.float64)
        ridge = np.full(len(curvature), 1e-9) * np.trace(curvature)
        ridge[6:8] += STIFFNESS * np.trace(curvature) / len(curvature)
        self._inverse = np.linalg.pinv(curvature + np.diag(ridge))

    def lay(self, close_up: FloatArray) -> FloatArray:
        """(SIDE, SIDE) float32, a close-up as it lies over the reference."""
        matrix = _IDENTITY
        for _ in range(ROUNDS):
            apart = (_warped(close_up, matrix, cv2.INTER_LINEAR) - self.reference).ravel()
            step = self._inverse @ np.einsum("kp,p->k", self._weighted, apart)  # a product would start threads
            if not np.abs(step[:8]).max() <= FARTHEST:
                return close_up
            turn = np.array([[1 + step[2], step[3], step[0]], [step[4], 1 + step[5], step[1]], [-step[6], -step[7], 1]])
            matrix = matrix @ np.linalg.inv(turn)
            matrix /= matrix[2, 2]
            if not np.abs(matrix - _IDENTITY).max() <= FARTHEST:
                return close_up
            if np.abs(step[:6]).max() < SETTLED:
                break
        return _warped(close_up, matrix, cv2.INTER_CUBIC)


def _warped(close_up: FloatArray, matrix: NDArray[np.float64], how: int) -> FloatArray:
    flags = how | cv2.WARP_INVERSE_MAP
    whole = _TO_PIXELS @ matrix @ _FROM_PIXELS
    return np.asarray(
        cv2.warpPerspective(close_up, whole, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


class SurfaceTaker:
    """Takes pictures of the face, frame by frame, all laid over the first ones; about 1 ms a frame of 640 x 480.

    Args:
        geometry: of the close-ups.
        beside: takes the motion after which this one takes a step: pictures of both are laid over one reference.
    """

    def __init__(self, geometry: Geometry, beside: SurfaceTaker | None = None) -> None:
        self._geometry = geometry
        self._plane: Plane | None = beside._plane if beside else None
        self._given = self._plane is not None
        self._close_ups: list[NDArray[np.uint8]] = []
        self._pictures: list[NDArray[np.float16]] = []
        self._times: list[float] = []

    def push(self, frame: NDArray[np.uint8], box: FloatArray, points: FloatArray, seconds: float) -> None:
        """Take in a frame with a face; see FrameWatcher."""
        self._times.append(seconds)
        self._close_ups.append(self._geometry.close_up(frame, points))
        if self._plane is None and len(self._close_ups) == EARLY:
            self._plane = Plane(np.mean(self._close_ups, axis=0, dtype=np.float32))
        if self._plane is not None:
            self._lay(self._plane)

    def pictures(self, times: NDArray[np.float64]) -> FloatArray:
        """The face at some of the frames.

        Args:
            times: (U,) seconds of these, as they were pushed.
        Returns:
            (U, H, W) float32, the part FACE of close-ups, about their mean, in their standard deviations, blurred.
        """
        if self._close_ups and not self._given:
            some = self._close_ups[:: -(-len(self._close_ups) // MOST_USUAL)]
            usual = np.median(some, axis=0).astype(np.float32)
            if self._plane is None or _correlation(self._plane.reference[FACE], usual[FACE]) < USUAL:
                # The sender chooses the first frames, and a camera may not see sharply in them.
                self._plane, self._pictures = Plane(usual), []
        if self._plane is not None:
            self._lay(self._plane)
        chosen = np.flatnonzero(np.isin(self._times, times))
        return np.array([self._pictures[number] for number in chosen], np.float32).reshape(-1, *SHAPE)

    def _lay(self, plane: Plane) -> None:
        """Lay what came since over a reference."""
        for close_up in self._close_ups[len(self._pictures) :]:
            laid = plane.lay(close_up.astype(np.float32))
            face = laid[FACE]
            even = (laid - face.mean()) / max(float(face.std()), 1.0)
            self._pictures.append(cv2.GaussianBlur(even, (0, 0), SMOOTH)[FACE].astype(np.float16))


def _correlation(one: FloatArray, other: FloatArray) -> float:
    apart = [(picture - picture.mean()).ravel() for picture in (one, other)]
    return float(apart[0] @ apart[1] / max(float(np.linalg.norm(apart[0]) * np.linalg.norm(apart[1])), NOTHING))


def stranger_seconds(pictures: FloatArray, times: NDArray[np.float64], one_face: float) -> float:
    """How long a clip shows somebody else.

    Frames of one person hold together: each is nearly equal to another one, since a face gets from one expression to
    the next step by step. Beginning with the frame that is most like all others, every frame that is like one of those
    there already joins them.

    Args:
        pictures: (T, H, W) as SurfaceTaker gives them, T >= 1.
        times: (T,) their seconds.
        one_face: correlation from which two frames are alike.
    Returns:
        Seconds of the longest row of frames that never join.
    """
    even = pictures.reshape(len(pictures), -1) - pictures.mean(axis=(1, 2))[:, None]
    even /= np.maximum(np.linalg.norm(even, axis=1, keepdims=True), NOTHING)
    correlations = product(even, even.T)
    alike, joined = correlations >= one_face, np.zeros(len(even), bool)
    newest = np.array([correlations.mean(axis=1).argmax()])
    while len(newest):
        joined[newest] = True
        newest = np.flatnonzero(alike[newest].any(axis=0) & ~joined)
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    longest, begin = 0.0, None
    for number, own in enumerate(joined):
        if own:
            begin = None
            continue
        begin = number if begin is None else begin
        longest = max(longest, float(times[number] - times[begin]) + step)
    return longest


@dataclass(frozen=True, eq=False)
class SurfaceReader:
    """Reads from pictures of a face the courses in which a recording is known again.

    Attributes:
        id: digest of all that shapes a course.
        dimension: values of the network.
        session: of the network.
    """

    id: str
    dimension: int
    session: onnxruntime.InferenceSession

    @classmethod
    def packaged(cls, frontend_id: str) -> SurfaceReader | None:
        """The one for a front end; None for another one than the default."""
        geometry = Geometry.packaged(frontend_id)
        return None if geometry is None else _reader(geometry)

    def courses(
        self, pictures: FloatArray, times: NDArray[np.float64]
    ) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """The courses of a recording, each as its picture is, and as it was before it was mirrored.

        Args:
            pictures: (T, H, W) as SurfaceTaker gives them, T >= 2.
            times: (T,) seconds.
        Returns:
            Changes and changes mirrored, (L, CHANGES) float32 at RATE, then looks and looks mirrored, (L, I), which are
            for warping alone; about their means, noise of single frames smoothed.
        """
        even = resample(pictures.reshape(len(pictures), -1), times).reshape(-1, *SHAPE)
        (both,) = self.session.run(["course"], {"pictures": np.stack([even, even[:, :, ::-1]])})
        one, other = (filtered(course) for course in both)
        return (one[:, :CHANGES], other[:, :CHANGES]), (one[:, CHANGES:], other[:, CHANGES:])


@cache
def _reader(geometry: Geometry) -> SurfaceReader:
    models = Models.shipped()
    session = models.open(LOOK_MODEL)
    shaped = (SIDE, EYES, MIDDLE, FACE, SMOOTH, EARLY, STIFFNESS, USUAL, geometry.still.tolist())
    parts = str(shaped), models.card(LOOK_MODEL).sha256, geometry.places.tobytes().hex()
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
    return SurfaceReader(digest, int(session.get_outputs()[0].shape[2]), session)
