"""People filmed again: what a camera sees of a screen, a projection, a print or a cut-out mask that shows a clip.

A screen's picture goes through its gamma, white and black, is cut into its own pixels (the waves of their pattern that
lens and sensor let through, in the place where sampling folds them), lit by reflections, chopped by its refresh and the
rolling shutter, moved by a hand, and filmed by a camera with blur, noise, exposure and H.264. What is filmed without a
screen goes through the same camera, held still or by hand.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from photographs import homography

from facemotion.config import MediaSettings
from facemotion.features.mesh import MOVING
from facemotion.media import read_frames

Frames = NDArray[np.uint8]
Floats = NDArray[np.float32]
GAMMA = 2.2
LINEAR = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
SIZES = ((480, 360), (640, 480))
LEAST_WAVE = 0.004
"""Waves of the pixel pattern that come through weaker than this are left out."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A clip to be filmed: frames (T, H, W, 3) RGB, seconds (T,), and landmarks (T, N, 2) in pixels of its frames."""

    frames: Frames
    times: NDArray[np.float64]
    points: Floats

    @classmethod
    def read(cls, path: Path, most: int, points: Floats | None = None) -> Shown:
        pairs = [pair for _, pair in zip(range(most), read_frames(path, MediaSettings()), strict=False)]
        times = np.array([seconds for _, seconds in pairs])
        none = np.zeros((len(pairs), 0, 2), np.float32)
        return cls(np.stack([frame for frame, _ in pairs]), times - times[0], none if points is None else points)


class Draws:
    """Parameters of one film.

    Args:
        seed: decides them all.
        reach: how far from the middle of each range they are drawn, next to the ranges given.
    """

    def __init__(self, seed: int, reach: float) -> None:
        self.random, self._reach = np.random.default_rng(seed), reach

    def within(self, low: float, high: float) -> float:
        """A number of the range, or of the wider one; of positive ranges on a scale of ratios."""
        place = 0.5 + self._reach * self.random.uniform(-0.5, 0.5)
        if low > 0:
            return float(low * (high / low) ** place)
        return float(max(0.0 if low == 0 else -np.inf, low + (high - low) * place))

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def sway(self, times: NDArray[np.float64], reach: float, rates: tuple[float, ...] = (0.4, 0.9, 1.7, 3.1)) -> Floats:
        """(T,) a hand's movement: slow waves with a standard deviation of `reach`."""
        waves = [
            self.random.normal() / rate**0.7 * np.sin(2 * np.pi * (rate * times + self.random.random()))
            for rate in rates
        ]
        total = np.sum(waves, axis=0)
        return np.asarray(reach * total / max(float(total.std()), 1e-9), np.float32)


@dataclass(frozen=True)
class Camera:
    """What films: size in pixels, seconds of exposure and of reading all rows, blur in pixels, noise in levels."""

    size: tuple[int, int]
    exposure: float
    readout: float
    blur: float
    noise: float
    gain: float
    crf: int

    @classmethod
    def draw(cls, draws: Draws, size: tuple[int, int]) -> Camera:
        return cls(
            size,
            exposure=draws.within(1 / 120, 1 / 30),
            readout=draws.within(0.012, 0.030),
            blur=draws.within(0.45, 0.9),
            noise=draws.within(0.8, 3.0),
            gain=draws.within(0.85, 1.15),
            crf=int(draws.within(18, 27)),
        )

    def pulses(self, seconds: float, frequency: float, depth: float, phase: float = 0.0) -> Floats:
        """(H, 1) how bright each row is under a light that swings so many times a second, by `depth` of its mean."""
        begin = seconds + self.readout * np.arange(self.size[1]) / self.size[1]
        swing = depth * np.sinc(frequency * self.exposure)
        middle = begin + self.exposure / 2
        return (1 + swing * np.cos(2 * np.pi * (frequency * middle + phase))).astype(np.float32)[:, None]

    def develop(self, light: Floats, random: np.random.Generator) -> Frames:
        """A picture (H, W, 3) of linear light."""
        seen = cv2.GaussianBlur(light, (0, 0), self.blur) * self.gain
        levels = 255 * np.power(np.clip(seen, 0, 1), 1 / GAMMA)
        grain = random.standard_normal(levels.shape, np.float32) * self.noise
        return np.asarray(np.clip(levels + grain + 0.5, 0, 255), np.uint8)


def straight(shown: Shown, draws: Draws, *, by_hand: bool) -> bytes:
    """The clip as if the person sat before this camera, which stands still or is held."""
    height, width = shown.frames.shape[1:3]
    tall = SIZES[draws.random.integers(2)][1]
    camera = Camera.draw(draws, (round(tall * width / height / 2) * 2, tall))
    near = tall / height * draws.within(1.06, 1.12)
    reach = draws.within(0.003, 0.02) * tall if by_hand else 0.0
    moves = np.stack([draws.sway(shown.times, reach) for _ in range(2)], axis=1)
    turns = draws.sway(shown.times, reach / tall)
    flicker = draws.within(0.05, 0.3) if draws.chance(0.3) else 0.0
    middle = np.array([width / 2, height / 2])

    def see(frame: Frames, number: int) -> Floats:
        cos, sin = near * np.cos(turns[number]), near * np.sin(turns[number])
        turn = np.array([[cos, -sin], [sin, cos]])
        move = np.array(camera.size) / 2 + moves[number] - turn @ middle
        laid = cv2.warpAffine(frame, np.column_stack([turn, move]), camera.size, borderMode=cv2.BORDER_REPLICATE)
        return LINEAR[laid] * camera.pulses(shown.times[number], 100, flicker)[..., None]

    return _film(shown, camera, see, draws)


@dataclass(frozen=True)
class Kind:
    """A kind of screen: heights that its picture takes of the camera's, panel pixels a camera pixel, how far a hand
    sways (shares of the height), tilt, refresh: (low, high) each; the share of lights that are pulsed; whether colours
    take turns; light that falls on it, next to white."""

    tall: tuple[float, float]
    pixels: tuple[float, float]
    sway: tuple[float, float]
    tilt: tuple[float, float]
    pulse: tuple[float, float]
    pulsed: float
    colours_in_turn: bool
    reflected: tuple[float, float]
    wave: float


KINDS = {
    "monitor": Kind((0.9, 1.5), (1.2, 3.5), (0, 0.0015), (0, 0.06), (120, 480), 0.5, False, (0.004, 0.06), 1.0),
    "phone or tablet": Kind(
        (0.62, 1.0), (2.0, 5.0), (0.002, 0.012), (0.02, 0.1), (60, 480), 0.7, False, (0.004, 0.08), 1.0
    ),
    "projection": Kind((0.8, 1.4), (0.3, 0.8), (0, 0.001), (0, 0.08), (120, 240), 0.8, True, (0.03, 0.2), 0.35),
}


def screen(shown: Shown, kind: Kind, draws: Draws) -> bytes:
    """The clip shown on a screen, filmed."""
    camera = Camera.draw(draws, SIZES[draws.random.integers(2)])
    shown = _played(shown, camera, draws)
    times, (height, width) = shown.times, shown.frames.shape[1:3]
    places = _held(draws, times, camera.size, (width, height), kind)
    pixels = draws.within(*kind.pixels) * draws.within(*kind.tall) * camera.size[1] / height  # panel a content pixel
    white = np.array([draws.within(0.9, 1.0), draws.within(0.95, 1.0), draws.within(0.95, 1.1)], np.float32)
    black, contrast = draws.within(0.001, 0.01), draws.within(0.8, 1.25)
    lit = _reflections(draws, camera.size, draws.within(*kind.reflected))
    room = _room(draws, camera.size)
    frequency = draws.within(*kind.pulse)
    depth = draws.within(0.1, 1.0) if draws.chance(kind.pulsed) else 0.0
    starts, panel = draws.random.random(4), draws.random.random(2)
    bezel = draws.within(0.02, 0.07) * height
    cache: list[Floats] = []

    def see(frame: Frames, number: int) -> Floats:
        place = places[number]
        laid = LINEAR[cv2.warpPerspective(frame, place, camera.size, flags=cv2.INTER_LINEAR)] ** contrast
        if not cache or kind.sway[1] > 0.002:
            cache[:] = [_pixel_pattern(place, camera, pixels, (starts, panel), kind.wave)]
        light = (laid * white + black) * cache[0]
        for channel in range(3):
            turn = channel / 3 if kind.colours_in_turn else 0.0
            light[..., channel] *= camera.pulses(times[number], frequency, depth, starts[3] + turn)
        light = light + lit
        inside = _inside(place, (width, height), camera.size, 0.0)
        edge = _inside(place, (width, height), camera.size, bezel)
        return np.where(inside[..., None], light, np.where(edge[..., None], 0.01 + lit / 2, room))

    return _film(shown, camera, see, draws)


def printed(shown: Shown, draws: Draws) -> bytes:
    """One frame of the clip on paper that is held, moved, tilted and bent."""
    camera = Camera.draw(draws, SIZES[draws.random.integers(2)])
    times, (height, width) = shown.times, shown.frames.shape[1:3]
    kind = Kind((0.75, 1.3), (1, 1), (0.004, 0.03), (0.03, 0.2), (100, 100), 0, False, (0, 0.01), 0)
    places = _held(draws, times, camera.size, (width, height), kind)
    bends = draws.sway(times, draws.within(0.05, 0.5), (0.5, 1.0, 1.8)) if draws.chance(0.7) else np.zeros(len(times))
    paper, still = _on_paper(shown.frames[draws.random.integers(len(times))], draws), draws.random.integers(2)
    room = _room(draws, camera.size)
    columns, rows = np.meshgrid(np.arange(camera.size[0]) + 0.5, np.arange(camera.size[1]) + 0.5)
    spots = np.stack([columns, rows, np.ones_like(rows)], axis=-1)

    def see(frame: Frames, number: int) -> Floats:
        back = spots @ np.linalg.inv(places[number]).T
        x, y = back[..., 0] / back[..., 2], back[..., 1] / back[..., 2]
        bend, shade = float(bends[number]), 1.0
        if abs(bend) > 1e-3:  # a cylinder about the vertical (or horizontal) axis
            span, along = (width, x) if still else (height, y)
            from_middle = np.clip((along - span / 2) / span * 2 * bend, -0.98, 0.98)
            round_it = span / 2 + np.arcsin(from_middle) / bend * span / 2
            x, y = (round_it, y) if still else (x, round_it)
            shade = np.sqrt(1 - from_middle**2)[..., None]
        seen = cv2.remap(paper, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderValue=(-1, -1, -1))
        return np.where(seen[..., :1] < 0, room, np.maximum(seen * shade, 0))

    return _film(shown, camera, see, draws)


def masked(shown: Shown, other: Shown, draws: Draws) -> bytes:
    """A print of somebody else's face with holes for eyes and mouth, before the face of the clip's person."""
    height, width = shown.frames.shape[1:3]
    tall = SIZES[draws.random.integers(2)][1]
    camera = Camera.draw(draws, (round(tall * width / height / 2) * 2, tall))
    scale = tall / height
    paper = _on_paper(other.frames[0], draws)
    drawn = other.points[0]
    ends = np.cumsum([len(group) for group in MOVING.values()])
    groups = {name: np.arange(end - len(group), end) for (name, group), end in zip(MOVING.items(), ends, strict=True)}
    cut = np.zeros(paper.shape[:2], np.float32)
    cv2.fillConvexPoly(cut, _grown(cv2.convexHull(drawn)[:, 0], draws.within(1.03, 1.15)), 1)
    for name, large in (("lips", draws.within(1.1, 1.5)), ("left eye", 1.6), ("right eye", 1.6)):
        cv2.fillConvexPoly(cut, _grown(cv2.convexHull(drawn[groups[name]])[:, 0], large), 0)
    still = np.concatenate([groups["nose"], np.arange(ends[-1], len(drawn))])
    lag = draws.sway(shown.times, 0.004 * height), draws.sway(shown.times, 0.004 * height)

    def see(frame: Frames, number: int) -> Floats:
        plane = np.column_stack([drawn[still], np.ones(len(still))])
        fit = np.linalg.lstsq(plane, shown.points[number][still] + [lag[0][number], lag[1][number]], rcond=None)[0].T
        live = LINEAR[cv2.resize(frame, camera.size, interpolation=cv2.INTER_LINEAR)]
        fit = fit * scale
        over = cv2.warpAffine(paper, fit, camera.size)
        there = cv2.warpAffine(cut, fit, camera.size)[..., None]
        return np.asarray(over * there + live * (1 - there), np.float32)

    return _film(shown, camera, see, draws)


def _film(shown: Shown, camera: Camera, see: Callable[[Frames, int], Floats], draws: Draws) -> bytes:
    frames = (
        camera.develop(np.asarray(see(frame, number), np.float32), draws.random)
        for number, frame in enumerate(shown.frames)
    )
    return _encode(frames, shown.times, camera)


def _played(shown: Shown, camera: Camera, draws: Draws) -> Shown:
    """The clip as a camera with a clock of its own finds it on a screen: now and then two frames in one exposure."""
    rate, begin = (25, 30)[draws.random.integers(2)], 0.04 * draws.random.random()
    times = np.arange(begin, shown.times[-1] - camera.exposure, 1 / rate)
    first = np.searchsorted(shown.times, times, side="right") - 1
    after = np.minimum(first + 1, len(shown.times) - 1)
    late = np.clip((times + camera.exposure - shown.times[after]) / camera.exposure, 0, 1)[:, None, None, None]
    frames = shown.frames[first] * (1 - late) + shown.frames[after] * late
    return Shown(frames.round().astype(np.uint8), times - times[0], shown.points[first])


def _held(
    draws: Draws, times: NDArray[np.float64], size: tuple[int, int], content: tuple[int, int], kind: Kind
) -> list[NDArray[np.float64]]:
    """(3, 3) from pixels of the content to the camera's, a frame each."""
    tall = draws.within(*kind.tall) * size[1]
    wide = tall * content[0] / content[1]
    corners = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]]) / 2
    sway = draws.within(*kind.sway) * size[1]
    tilt = draws.within(*kind.tilt)
    yaw, pitch = tilt * draws.random.uniform(-1, 1), tilt * draws.random.uniform(-1, 1)
    hand = sway > 0.002 * size[1]
    swings = [draws.sway(times, reach) for reach in (sway, sway, sway / size[1] * 2, tilt / 3, tilt / 3)]
    off = draws.random.uniform(-0.04, 0.04, 2) * size
    found = []
    for number in range(len(times)):
        right, down, roll, more_yaw, more_pitch = (float(one[number]) if hand else 0.0 for one in swings)
        flat = corners @ np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        depth = 1 + (flat[:, :1] * (yaw + more_yaw) + flat[:, 1:] * (pitch + more_pitch)) / size[1]
        target = flat / depth + np.array(size) / 2 + off + [right, down]
        source = np.array([[0, 0], [content[0], 0], [content[0], content[1]], [0, content[1]]], float)
        found.append(homography(source, target))
    return found


def _pixel_pattern(
    place: NDArray[np.float64],
    camera: Camera,
    pixels: float,
    starts: tuple[NDArray[np.float64], NDArray[np.float64]],
    strength: float,
) -> Floats:
    """(H, W, 3) what is seen of the panel's pixels: the ground wave of its columns, a third of a pixel apart in each
    colour, and that of its rows, as far as blur and the sensor's squares let it through."""
    columns, rows = np.meshgrid(np.arange(camera.size[0]) + 0.5, np.arange(camera.size[1]) + 0.5)
    spots = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    back = spots @ np.linalg.inv(place).T
    panel = back[..., :2] / back[..., 2:] * pixels
    pattern = np.ones((*rows.shape, 3), np.float32)
    for axis, ground in ((0, 1.6), (1, 0.35)):
        along = panel[..., axis]
        # Panel pixels a camera pixel: the wave's frequency, cycles a camera pixel.
        frequency = float(np.hypot(*(np.median(np.abs(np.diff(along, axis=1 - side))) for side in (0, 1))))
        through = np.sinc(frequency) * np.exp(-2 * (np.pi * camera.blur * frequency) ** 2)
        # The camera's blur comes later over all, and doesn't know of what sampling folded: an optical half of it here.
        through = abs(np.sinc(frequency)) * np.exp(-2 * (np.pi * 0.35 * camera.blur * frequency) ** 2)
        reach = strength * ground * through
        if reach < LEAST_WAVE:
            continue
        for channel in range(3):
            shift = starts[1][axis] + (channel / 3 if axis == 0 else 0)
            pattern[..., channel] += reach * np.cos(2 * np.pi * (along + shift), dtype=np.float32)
    return np.maximum(pattern, 0.02)


def _inside(
    place: NDArray[np.float64], content: tuple[int, int], size: tuple[int, int], more: float
) -> NDArray[np.bool_]:
    width, height = content
    corners = np.array([[-more, -more], [width + more, -more], [width + more, height + more], [-more, height + more]])
    flat = np.column_stack([corners, np.ones(4)]) @ place.T
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillConvexPoly(mask, (flat[:, :2] / flat[:, 2:]).round().astype(np.int32), 1)
    return mask > 0


def _reflections(draws: Draws, size: tuple[int, int], level: float) -> Floats:
    """(H, W, 3) light that the glass throws back: an even share of the room's, and now and then a lamp or window."""
    lit = np.full((size[1], size[0], 3), level * 0.3, np.float32)
    lit += cv2.resize(draws.random.random((3, 4, 3), np.float32) * level * 0.4, size, interpolation=cv2.INTER_CUBIC)
    if draws.chance(0.5):
        spot = np.zeros((size[1], size[0]), np.float32)
        centre = (draws.random.random(2) * size).astype(int)
        cv2.circle(spot, tuple(map(int, centre)), int(draws.within(0.04, 0.15) * size[1]), 1.0, -1)
        lit += cv2.GaussianBlur(spot, (0, 0), draws.within(3, 20))[..., None] * level * draws.within(1, 8)
    return lit


def _room(draws: Draws, size: tuple[int, int]) -> Floats:
    """(H, W, 3) what stands behind: a wall with some things on it."""
    wall = cv2.resize(draws.random.random((3, 4, 3), np.float32), size, interpolation=cv2.INTER_CUBIC) * 0.3 + 0.15
    for _ in range(int(draws.random.integers(2, 9))):
        one, two = (draws.random.random((2, 2)) * size).astype(int)
        colour = tuple(map(float, draws.random.uniform(0.02, 0.7, 3)))
        cv2.rectangle(wall, tuple(map(int, one)), tuple(map(int, two)), colour, int(draws.random.choice([-1, 2, 4])))
    return np.clip(cv2.GaussianBlur(wall, (0, 0), draws.within(0.6, 4)), 0, 1)


def _on_paper(frame: Frames, draws: Draws) -> Floats:
    """(H, W, 3) linear light of a print: ink that isn't black, paper that isn't white, a little soft."""
    ink, paper = draws.within(0.02, 0.06), draws.within(0.7, 0.95)
    soft = cv2.GaussianBlur(LINEAR[frame], (0, 0), draws.within(0.3, 0.8))
    return np.asarray(ink + (paper - ink) * soft ** draws.within(0.85, 1.2), np.float32)


def _grown(corners: Floats, factor: float) -> NDArray[np.int32]:
    middle = corners.mean(axis=0)
    return np.asarray((middle + factor * (corners - middle)).round(), np.int32)


def _encode(frames: Iterator[Frames], times: NDArray[np.float64], camera: Camera) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = *camera.size, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"crf": str(camera.crf), "preset": "ultrafast"}
        for seconds, array in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(1000 * seconds), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return out.getvalue()
