"""What is noted of each frame of a clip to tell afterwards whether a face or a screen was filmed.

Frames aren't kept, a few numbers of each are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facemotion.types import FloatArray

STEP_SECONDS = 0.055
"""Frames that follow sooner on the one before aren't looked at: every second one at 25 to 30 frames/s."""
SMALL = 160
"""Longer side of the picture that motion is looked for in, pixels."""
CELL = 12
"""Side of a cell of that picture, pixels; one spot of each is followed."""
LEAST_MOVE = 0.006
"""Motion of the face's plane from one look to the next below which a spot says nothing, box sides."""
LEAST_CORNER = 2e-5
"""Least eigenvalue of a spot that can be followed; flat walls have none."""
WINDOW = 96
"""Side of the square, in pixels of the frame, whose spectrum is taken."""
SPECTRUM_EVERY = 3
"""Frames looked at from one spectrum to the next."""
ROWS, COLUMNS = 180, 16
"""Size that a frame is brought to where bands are looked for."""
FIRST_WAVE, WAVES = 4, 21
"""Waves down the picture that are looked at. The mains make lamps swing 100 or 120 times a second, up to three and a
half times while a camera reads its rows."""
LEAST_NOISE = 3e-4
"""Of the log of luma: what rounding to whole levels leaves."""


@dataclass(frozen=True, eq=False)
class Traces:
    """What was noted of a clip.

    Attributes:
        flows: (P, 2, 4) float64 for each pair of frames that follow each other, beside the head and at the border of
            the picture: sums over spots, in box sides: how far they moved; how far that is from where the face's plane
            would have moved there; how far that is; and the number of spots.
        bands: (P, WAVES) float64 power of waves down the picture in what changed along whole rows since the frame
            before, next to what chance would do.
        spectrum: (WINDOW, WINDOW // 2 + 1) float64 mean of the log of the power in the middle of the face; zeros where
            the picture is too small.
    """

    flows: NDArray[np.float64]
    bands: NDArray[np.float64]
    spectrum: NDArray[np.float64]


class TraceTaker:
    """Takes the traces of a clip, frame by frame; 1.4 ms for every second frame of 640 x 480."""

    def __init__(self) -> None:
        self._seconds = -np.inf
        self._flows: list[NDArray[np.float64]] = []
        self._bands: list[NDArray[np.float64]] = []
        self._power = np.zeros((WINDOW, WINDOW // 2 + 1))
        self._squares = 0
        self._before: tuple[NDArray[np.uint8], FloatArray, NDArray[np.float64]] | None = None
        self._looks = 0

    def push(self, frame: NDArray[np.uint8], box: FloatArray, points: FloatArray, seconds: float) -> None:
        """Take in a frame.

        Args:
            frame: (H, W, 3) uint8 RGB, of one size through the clip.
            box: (4,) of the face, pixels.
            points: (N, 2) its landmarks, pixels.
            seconds: its time.
        """
        if seconds - self._seconds < STEP_SECONDS:
            return
        self._seconds = seconds
        luma = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        height, width = luma.shape
        scale = SMALL / max(height, width)
        size = (max(8, round(width * scale)), max(8, round(height * scale)))
        small = np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)
        rows = np.log1p(_row_means(luma))
        places = points.astype(np.float64)
        before, rows_before, points_before = self._before or (small[:0], rows, places)
        if before.shape == small.shape:
            self._flows.append(_flows(before, small, scale, box, (points_before, places)))
            self._bands.append(_bands(rows - rows_before))
        self._before = small, rows, places
        if self._looks % SPECTRUM_EVERY == 0:
            square = _square(luma, box)
            if square is not None:
                self._power += _log_power(square)
                self._squares += 1
        self._looks += 1

    def traces(self) -> Traces:
        """What was noted so far."""
        return Traces(
            flows=np.array(self._flows, np.float64).reshape(-1, 2, 4),
            bands=np.array(self._bands, np.float64).reshape(-1, WAVES),
            spectrum=self._power / max(1, self._squares),
        )


def _row_means(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(ROWS, COLUMNS) means of areas of a frame (H, W), rounded to whole levels.

    OpenCV's own average of areas takes 15 times as long where it divides a pixel among rows. So rows of pixels are
    added up first, which divides none.
    """
    height, width = luma.shape
    if width % COLUMNS:
        return cv2.resize(luma, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).astype(np.float32)
    across = width // COLUMNS
    sums = cv2.reduce(luma.reshape(-1, across), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32F).reshape(height, COLUMNS)
    return np.asarray(np.rint(cv2.resize(sums / across, (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)), np.float32)


def _flows(
    before: NDArray[np.uint8],
    now: NDArray[np.uint8],
    scale: float,
    box: FloatArray,
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """(2, 4), see Traces.flows."""
    side = max(float(box[2] - box[0]), 1.0)
    centre = np.array([box[0] + box[2], box[1] + box[3]], np.float64) / 2
    spots = _spots(before)
    found = np.zeros((2, 4))
    away = (spots / scale - centre) / side
    edge = np.minimum(spots, np.array(before.shape[::-1]) - spots).min(axis=1)
    beside = (np.abs(away[:, 0]) > 0.8) & (np.abs(away[:, 0]) < 1.7) & (away[:, 1] < 0.5) & (away[:, 1] > -1.3)
    above = (np.abs(away[:, 0]) <= 0.8) & (away[:, 1] < -1.0) & (away[:, 1] > -1.5)
    border = (edge < 1.5 * CELL) & (away[:, 1] < 0.5)
    chosen = beside | above | border
    if not chosen.any():
        return found
    spots, away = spots[chosen], away[chosen]
    start = spots.astype(np.float32)[:, None]
    end, status, _ = cv2.calcOpticalFlowPyrLK(before, now, start, start.copy(), winSize=(11, 11), maxLevel=2)
    moved = (end - start)[:, 0].astype(np.float64) / scale / side
    # The similarity that took the face from there to here, as one complex factor, at the spots.
    one, other = ((place - centre) / side @ np.array([1, 1j]) for place in places)
    factor = np.vdot(one - one.mean(), other - other.mean()) / max(
        float(np.square(np.abs(one - one.mean())).sum()), 1e-9
    )
    there = away @ np.array([1, 1j])
    would = factor * (there - one.mean()) + other.mean() - there
    would = np.column_stack([would.real, would.imag])
    size = np.linalg.norm(would, axis=1)
    # What was followed to a wrong place counts no more than a spot that went twice as far as it would.
    apart = [np.minimum(np.linalg.norm(gap, axis=1), 2 * size) for gap in (moved, moved - would)]
    sums = np.column_stack([*apart, size])
    for row, mask in enumerate(((beside | above)[chosen], border[chosen])):
        kept = sums[mask & (status[:, 0] > 0) & (size > LEAST_MOVE)]
        if len(kept):
            found[row] = [*kept.sum(axis=0), len(kept)]
    return found


def _spots(small: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(S, 2) the spot of each cell that can be followed best, pixels."""
    strength = cv2.cornerMinEigenVal(small, 5)
    down, along = strength.shape[0] // CELL, strength.shape[1] // CELL
    whole = strength[: down * CELL, : along * CELL].reshape(down, CELL, along, CELL)
    cells = whole.transpose(0, 2, 1, 3).reshape(down * along, CELL * CELL)
    best = cells.argmax(axis=1)
    good = cells[np.arange(len(cells)), best] > LEAST_CORNER
    rows, columns = np.divmod(np.arange(len(cells)), along)
    spots = np.column_stack([columns * CELL + best % CELL, rows * CELL + best // CELL])
    return np.asarray(spots[good], np.float64)


_HEIGHTS = np.linspace(-1, 1, ROWS)
_SLOW = np.linalg.qr(np.stack([_HEIGHTS**power for power in range(4)], axis=1))[0]
_ROWS_WINDOW = np.hanning(ROWS)
_WINDOWED = np.outer(np.hanning(WINDOW), np.hanning(WINDOW)).astype(np.float32)


def _bands(change: FloatArray) -> NDArray[np.float64]:
    """(WAVES,), see Traces.bands, of a change (ROWS, COLUMNS) of log luma from one look to the next."""
    profile = np.median(change, axis=1).astype(np.float64)
    noise = 1.4826 * 1.2533 * float(np.median(np.abs(change - profile[:, None]))) / COLUMNS**0.5
    profile -= _SLOW @ (_SLOW.T @ profile)
    power = np.square(np.abs(np.fft.rfft(profile * _ROWS_WINDOW)))[FIRST_WAVE : FIRST_WAVE + WAVES]
    return np.asarray(power / (0.375 * ROWS * (noise**2 + LEAST_NOISE**2)), np.float64)


def _square(luma: NDArray[np.uint8], box: FloatArray) -> NDArray[np.float32] | None:
    """(WINDOW, WINDOW) pixels of the middle of the face, as filmed; None where the picture is smaller."""
    height, width = luma.shape
    if min(height, width) < WINDOW:
        return None
    left = int(np.clip((box[0] + box[2]) / 2 - WINDOW / 2, 0, width - WINDOW))
    top = int(np.clip((box[1] + box[3]) / 2 - WINDOW / 2, 0, height - WINDOW))
    return luma[top : top + WINDOW, left : left + WINDOW].astype(np.float32)


def _log_power(square: NDArray[np.float32]) -> NDArray[np.float64]:
    """(WINDOW, WINDOW // 2 + 1), see Traces.spectrum."""
    return np.asarray(np.log(np.square(np.abs(np.fft.rfft2((square - square.mean()) * _WINDOWED))) + 1.0), np.float64)
