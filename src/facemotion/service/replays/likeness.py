"""How alike two recordings are, whatever was done to one of them short of filming it anew.

A recording that is compressed, scaled, cropped or lit anew shows the same head moving in the same way at the same
moments. In two takes of one motion the face may move in much the same way. But nobody repeats how the head sways, or
the timing of a motion to the frame. Courses are compared along a few directions: of where landmarks lie (`directions`),
and of how the face looks (`surface`). In these, performances differ most, compared with what coding does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from facemotion.signals import interpolate
from facemotion.system.threads import product
from facemotion.types import FloatArray

LEAST_OVERLAP = 0.75
"""Recordings are compared where they share this share of the shorter one."""
REACH = 0.05
"""Share by which a replay may be faster or slower than its original."""
COARSEST = 1.5
"""Frames by which a pace between two tried ones may miss the end of a recording, counted from its middle."""
RIDGE = 10.0
"""Variance below which a direction counts less, in that of coding: see whitening."""
NOTHING_MOVES = 1e-9
LEAST_MOVED = 1e-5
"""Least energy of a piece about its mean, as a share of its energy about 0. In a picture that is held the products of
two pieces are no more than their rounding. Landmarks of a face at rest tremble by a thousand times as much."""
BLOCK = 20
"""Recordings whose pieces are compared at once: what they take fits a processor's cache."""


@dataclass(frozen=True)
class Grain:
    """Numbers of frames by which courses of one rate are compared.

    Attributes:
        short: of a piece between two changes of time, 0.4 s. Each fits somewhere; their mean tells replays from takes.
        long: of a piece that doesn't fit into another take by chance, 0.6 s; 0: such pieces aren't looked for.
        stride: from one piece to the next where the closest recordings are looked for.
        span: before and after one, between which its movement is measured.
        least: that two recordings must share.
        thinned: one of how many frames is warped onto others; 0: none is.
        quick: of one frame in comparison.QUICKLY, by which the closest recordings are looked for; None: by this one.
    """

    short: int
    long: int
    stride: int
    span: int
    least: int
    thinned: int
    quick: Grain | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """Of the pieces that are looked for."""
        return (self.short, self.long) if self.long else (self.short,)


FINE = Grain(10, 15, 5, 2, 10, 2, Grain(5, 8, 2, 1, 6, 2))
COARSE, WARPED = Grain(5, 0, 2, 1, 6, 0), Grain(5, 0, 2, 1, 6, 1)
"""Of courses at RATE, of those of which every second frame is left out, and of those that are warped then."""


def likenesses(course: FloatArray, others: Sequence[FloatArray], grain: Grain = FINE) -> NDArray[np.float64]:
    """How well a course correlates with others where it fits them best.

    Directions in which the course moves much don't drown the others: see whitening. So a large simple motion, which a
    person may repeat closely, isn't all that counts.

    Args:
        course, others: (L, K) float32 at one rate.
        grain: for this rate.
    Returns:
        (N,) the largest correlation with each, -1..1, over all offsets that leave enough overlap and all paces within
        REACH; -1 where there is no such offset.
    """
    best = np.full(len(others), -1.0)
    if not others or len(course) < grain.least:
        return best
    mixed = whitening(course)
    paces = [_stretched(course @ mixed, pace) for pace in _paces(len(course))]
    stored = _Stored([other @ mixed for other in others], max(map(len, paces)), grain.least)
    for probe in paces:
        best = np.maximum(best, stored.correlations(probe).max(axis=1, initial=-1.0))
    return best


def whitening(course: FloatArray) -> FloatArray:
    """(K, K) float32, which brings directions to equal weight as far as a course moves by more than RIDGE in them."""
    values, axes = np.linalg.eigh(np.cov(course.T.astype(np.float64), bias=True))
    return np.asarray(axes / np.sqrt(values.clip(0) + RIDGE) @ axes.T, np.float32)


def movement(course: FloatArray, grain: Grain = FINE) -> FloatArray:
    """(L,) float32, of a course (L, K) the share of its movement that lies in each frame; it sums to 1, or to 0 where
    nothing moves. A face at rest, and a picture that is held, have none.
    """
    frames = np.arange(len(course))
    ahead, behind = course[np.minimum(frames + grain.span, len(course) - 1)], course[np.maximum(frames - grain.span, 0)]
    energy = np.square((ahead - behind) @ whitening(course)).sum(axis=1)
    return np.asarray(energy / max(float(energy.sum()), NOTHING_MOVES), np.float32)


def agreements(course: FloatArray, others: Sequence[FloatArray], *lengths: int, stride: int = 1) -> list[FloatArray]:
    """How well a course agrees with others piece by piece, wherever in them each piece fits best.

    The agreement of two pieces about their means is twice their covariance by the sum of their variances. It is their
    correlation where they are equally large, and less elsewhere.

    Args:
        course, others: (L, K) float32 at one rate.
        lengths: frames of a piece.
        stride: frames from one piece of the course to the next; in the others a piece may begin at each frame.
    Returns:
        For each length (N, L) float32, with each of the others, for each frame of the course the largest agreement of a
        piece that holds it, 0..1; 0 where a recording is shorter than a piece.
    """
    found = [np.zeros((len(others), len(course)), np.float32) for _ in lengths]
    fitting = [number for number, other in enumerate(others) if len(other) >= min(lengths)]
    if not fitting:
        return found
    mixed = whitening(course)
    own = course @ mixed
    # One recording after the other, and nothing at the end: in them a piece may begin at each frame.
    ends = np.cumsum([len(others[number]) for number in fitting])
    rows = int(ends[-1])
    theirs = np.zeros((rows + max(lengths) - 1, course.shape[1]), np.float32)
    np.concatenate([others[number] for number in fitting], out=theirs[:rows])
    mixed_theirs = product(theirs, mixed)
    for length, agreed in zip(lengths, found, strict=True):
        if len(course) < length:
            continue
        begins = np.unique(np.append(np.arange(0, len(course) - length, stride), len(course) - length))
        windows = sliding_window_view(own, length, axis=0)[begins].transpose(0, 2, 1)
        about = ((windows - windows.mean(axis=1, keepdims=True)) @ mixed.T).reshape(len(begins), -1)
        energy, other_energy = _energies(own, length)[begins], _energies(mixed_theirs, length)
        across = (ends[:, None] - np.arange(1, length)).ravel()  # begin in one recording and end in the next
        other_energy[across[across >= 0]] = np.inf
        best = _best_fits(about, theirs[: rows + length - 1], ends, (energy, other_energy[:rows]))
        parts = np.zeros((len(fitting), len(course)), np.float32)
        for place, fits in zip(begins, best.T, strict=True):
            np.maximum(part := parts[:, place : place + length], fits[:, None], out=part)
        agreed[fitting] = parts
    return found


def _best_fits(
    pieces: FloatArray, theirs: FloatArray, ends: NDArray[np.intp], energies: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """The largest agreement of each piece with each recording.

    Args:
        pieces: (S, P * K) about their means.
        theirs: (M + P - 1, K) frames of the recordings, nothing in the last P - 1.
        ends: (N,) the frame behind the last one of each recording.
        energies: (S,) of the pieces, (M,) of those that begin at each frame; infinite where none begins.
    Returns:
        (N, S), 0..1.
    """
    count = theirs.shape[1]
    windows = sliding_window_view(theirs.ravel(), pieces.shape[1])[::count]
    best, bounds = np.zeros((len(ends), len(pieces)), np.float32), np.append(0, ends)
    for start in range(0, len(ends), BLOCK):
        block = bounds[start : start + BLOCK + 1]
        first, last = block[0], block[-1]
        table = product(windows[first:last], pieces.T)
        table /= energies[1][first:last, None] + energies[0]
        best[start : start + BLOCK] = np.maximum.reduceat(table, block[:-1] - first, axis=0)
    return 2 * best.clip(0)


def _energies(course: FloatArray, length: int) -> FloatArray:
    """(S,) of all pieces of a course (L, K), about their means, never nothing."""
    sums, squares = (running[0, length:] - running[0, :-length] for running in _running(course[None]))
    energy = squares - np.square(sums).sum(axis=1) / length
    return np.asarray(energy.clip(LEAST_MOVED * squares + NOTHING_MOVES), np.float32)


def _paces(length: int) -> NDArray[np.float64]:
    """Factors on the times of a recording of so many frames."""
    steps = int(np.ceil(REACH * length / 2 / COARSEST))
    return np.linspace(1 - REACH, 1 + REACH, 2 * steps + 1)


def _stretched(course: FloatArray, pace: float) -> FloatArray:
    length = int((len(course) - 1) * pace + 1e-6) + 1
    return interpolate(course, pace * np.arange(len(course), dtype=np.float64), np.arange(length, dtype=np.float64))


class _Stored:
    """Courses of several recordings, ready to be correlated with those of no more than `longest` frames."""

    def __init__(self, courses: Sequence[FloatArray], longest: int, least: int) -> None:
        self._least = least
        self._lengths = np.array([len(course) for course in courses])
        padded = np.zeros((len(courses), self._lengths.max(), courses[0].shape[1]), np.float32)
        for row, course in enumerate(courses):
            padded[row, : len(course)] = course
        self._size = _quick_size(longest + padded.shape[1] - 1)
        self._spectra = np.ascontiguousarray(np.fft.rfft(padded, self._size, axis=1).transpose(1, 0, 2))  # (F, N, K)
        self._sums, self._squares = _running(padded)

    def correlations(self, probe: FloatArray) -> NDArray[np.float64]:
        """(N, S) with a course (L, K), both about their means in the overlap, at S offsets; -1 for too short ones."""
        spectra = (self._spectra @ np.fft.rfft(probe, self._size, axis=0).conj()[:, :, None])[:, :, 0].T
        least = np.maximum(self._least, np.ceil(LEAST_OVERLAP * np.minimum(len(probe), self._lengths))).astype(np.intp)
        offsets = np.arange(least.min() - len(probe), (self._lengths - least).max() + 1)
        products = np.fft.irfft(spectra, self._size, axis=1)[:, offsets % self._size]
        # Frames first to last of the probe lie on begin to end of a stored course. Beyond its end running sums stay.
        first, begin = np.maximum(0, -offsets), np.maximum(0, offsets)
        last = np.minimum(len(probe), self._lengths[:, None] - offsets)
        end = np.minimum(len(probe) + offsets, self._sums.shape[1] - 1)
        enough = last - first >= least[:, None]
        count = np.where(enough, last - first, 1).astype(np.float32)
        sums, squares = (running[0] for running in _running(probe[None]))
        mine = np.take(sums, last := last.clip(0), axis=0) - sums[first]
        other = self._sums[:, end] - self._sums[:, begin]
        energy = squares[last] - squares[first] - dots(mine, mine) / count
        energy *= self._squares[:, end] - self._squares[:, begin] - dots(other, other) / count
        moves = enough & (energy > NOTHING_MOVES)
        return np.where(moves, (products - dots(mine, other) / count) / np.sqrt(np.where(moves, energy, 1.0)), -1.0)


def _quick_size(least: int) -> int:
    """The smallest size from `least` on that a Fourier transform is quick for: of factors 2, 3 and 5 alone."""
    size = least
    while 2**20 * 3**12 * 5**8 % size:
        size += 1
    return size


def dots(one: FloatArray, other: FloatArray) -> FloatArray:
    """(N, S) products of vectors (N, S, K), without an array of all parts."""
    return np.asarray(np.einsum("nsk,nsk->ns", one, other), np.float32)


def _running(courses: FloatArray) -> tuple[FloatArray, NDArray[np.float64]]:
    """Sums (N, L + 1, K) float32 and sums of squares (N, L + 1) float64 of the frames before each."""
    wide = courses.astype(np.float64)
    sums = np.zeros((len(wide), wide.shape[1] + 1, wide.shape[2]), np.float32)
    squares = np.zeros(sums.shape[:2])
    sums[:, 1:] = np.cumsum(wide, axis=1)
    squares[:, 1:] = np.cumsum(np.square(wide).sum(axis=2), axis=1)
    return sums, squares
