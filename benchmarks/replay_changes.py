"""What a thief may do to a recording before it is sent again, short of filming it from a screen."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from replay_drifts import Bend, Drift
from transformations import with_matrix

MIRROR = (-1, 0, 0, 1)
TICK = Fraction(1, 90000)
FRAME_SECONDS = 0.04
"""Of a camera of 25 frames/s, which GRID's was."""
WOBBLE_RATE, WOBBLED_TO = 1.5, 30.0
"""Hertz by which a clock wobbles, and frames/s that are made of it."""
NOISE = 2
"""By which the light of a pixel changes at most where a frame is shown again."""
VPX = {"deadline": "realtime", "cpu-used": "8", "b": "400k", "threads": "1"}
X265 = {"crf": "28", "preset": "fast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
AV1 = {"crf": "35", "preset": "10", "svtav1-params": "lp=1"}


def _x264(crf: int) -> Mapping[str, str]:
    return {"crf": str(crf), "preset": "fast", "threads": "1"}


@dataclass(frozen=True)
class Change:
    """One way to disguise a recording; the defaults leave it as it is, but for the encoder.

    Attributes:
        marked: whether issue 24 sets a mark for it: crf 18 to 35 and sizes of half to double.
        codec, container: names of FFmpeg.
        options: of the codec.
        size: factor on width and height.
        crop: shares of width and height cut off left, top, right and bottom.
        wander: share of width and height by which the cut moves to and fro, over less than two seconds.
        drift: how the picture moves; None where it stands.
        bend: how parts of it move or are lit besides; None where they aren't.
        wobble: seconds by which times run ahead and behind, to and fro at WOBBLE_RATE; frames between are blended.
        gain, lift, gamma: light is (gain * light + lift) ** gamma, of 0..1.
        grey: without colour.
        rate: frames/s, by the nearest frame; 0 leaves all frames as they are.
        pace: factor on all times.
        first, last: shares of the frames cut off at the beginning and at the end.
        pauses: seconds of each pause, and after which shares of the frames there is one; the three frames before are
            shown again and again, with the noise of a camera.
        without: from which share of the frames up to which they are left out.
        laid: stored mirrored, with a display matrix that mirrors it back (mp4).
        flipped: left and right change places.
    """

    marked: bool = False
    codec: str = "libx264"
    container: str = "mp4"
    options: Mapping[str, str] = field(default_factory=lambda: _x264(23))
    size: float = 1.0
    crop: tuple[float, float, float, float] = (0, 0, 0, 0)
    wander: float = 0.0
    drift: Drift | None = None
    bend: Bend | None = None
    wobble: float = 0.0
    gain: float = 1.0
    lift: float = 0.0
    gamma: float = 1.0
    grey: bool = False
    rate: float = 0.0
    pace: float = 1.0
    first: float = 0.0
    last: float = 0.0
    pauses: tuple[float, tuple[float, ...]] = (0.0, ())
    without: tuple[float, float] = (0.0, 0.0)
    laid: bool = False
    flipped: bool = False

    def __str__(self) -> str:
        """What differs from the defaults."""
        plain = Change()
        both = [(one.name, getattr(self, one.name), getattr(plain, one.name)) for one in fields(self)]
        return ", ".join(f"{name} {value}" for name, value, usual in both if value != usual)

    @property
    def timing_alone(self) -> bool:
        """Whether nothing but times and the ends is changed."""
        return self == Change(self.marked, first=self.first, last=self.last, pace=self.pace) and self != Change(True)


SWAY = Drift(sway=0.02, roll=3)
CHANGES: dict[str, Change] = {
    **{f"crf {crf}": Change(True, options=_x264(crf)) for crf in (18, 23, 28, 32, 35)},
    **{f"size {size:g}, crf 23": Change(True, size=size) for size in (0.5, 0.75, 1.5, 2.0)},
    "size 0.5, crf 28": Change(True, size=0.5, options=_x264(28)),
    "size 0.5, crf 35": Change(True, size=0.5, options=_x264(35)),
    "size 0.75, crf 35": Change(True, size=0.75, options=_x264(35)),
    "VP8, 400 kbit/s": Change(codec="libvpx", container="webm", options=VPX),
    "VP9, 400 kbit/s": Change(codec="libvpx-vp9", container="webm", options=VPX),
    "HEVC, crf 28": Change(codec="libx265", options=X265),
    "AV1, crf 35": Change(codec="libsvtav1", options=AV1),
    "MPEG-4, quantiser 8": Change(codec="mpeg4", options={"qmin": "8", "qmax": "8"}),
    "Motion JPEG, quantiser 8": Change(codec="mjpeg", container="avi", options={"qmin": "8", "qmax": "8"}),
    "12.5 frames/s": Change(rate=12.5),
    "15 frames/s": Change(rate=15),
    "30 frames/s": Change(rate=30),
    "cropped by a tenth on each side": Change(crop=(0.1, 0.1, 0.1, 0.1)),
    "cropped by a quarter on the left": Change(crop=(0.25, 0, 0, 0.05)),
    "cropped by a cut that wanders": Change(crop=(0.1, 0.1, 0.1, 0.1), wander=0.05),
    "swaying by 1%": Change(drift=Drift(sway=0.01)),
    "swaying by 2%": Change(drift=Drift(sway=0.02)),
    "rolling by 3 degrees": Change(drift=Drift(roll=3)),
    "zooming by 5%": Change(drift=Drift(zoom=0.05)),
    "sheared by 6%": Change(drift=Drift(shear=0.06)),
    "leaning by 15%": Change(drift=Drift(lean=0.15)),
    "leaning by 20%, swaying by 1.5%": Change(drift=Drift(lean=0.2, sway=0.015)),
    "all of these": Change(drift=Drift(0.015, 3, 0.05, 0.04, 0.15)),
    "all of these, crf 28": Change(drift=Drift(0.015, 3, 0.05, 0.04, 0.15), options=_x264(28)),
    "swaying and rolling, light that turns by 15%": Change(drift=SWAY, bend=Bend(light=0.15)),
    "swaying and rolling, a bulge round the mouth by 20%": Change(drift=SWAY, bend=Bend(bulge=0.2)),
    "swaying and rolling, a bend by 2 pixels": Change(drift=SWAY, bend=Bend(bend=2 / 360)),
    "swaying and rolling, a bar that slides": Change(drift=SWAY, bend=Bend(bar=0.15)),
    "a bar that slides": Change(bend=Bend(bar=0.15)),
    "a clock that wobbles by 0.1 s": Change(wobble=0.1),
    "a clock that wobbles by 0.05 s": Change(wobble=0.05),
    "swaying and rolling, a clock that wobbles by 0.1 s": Change(drift=SWAY, wobble=0.1),
    "brighter": Change(lift=0.15),
    "darker, more contrast": Change(gain=1.2, lift=-0.15, gamma=1.3),
    "grey": Change(grey=True),
    "mirrored in a container that mirrors it back": Change(laid=True),
    "mirrored": Change(flipped=True),
    "without the first fifth": Change(first=0.2),
    "without the last fifth": Change(last=0.2),
    "without an eighth at both ends": Change(first=0.125, last=0.125),
    "slower by 5%": Change(pace=1.05),
    "faster by 5%": Change(pace=1 / 1.05),
    "slower by 2.5%": Change(pace=1.025),
    "slower by 15%": Change(pace=1.15),
    "faster by 15%": Change(pace=1 / 1.15),
    "a pause of 0.5 s": Change(pauses=(0.5, (0.5,))),
    "two pauses of 0.4 s": Change(pauses=(0.4, (0.35, 0.65))),
    "two pauses of 0.8 s": Change(pauses=(0.8, (0.4, 0.6))),
    "two pauses of 0.4 s, crf 28": Change(pauses=(0.4, (0.35, 0.65)), options=_x264(28)),
    "four pauses of 0.6 s": Change(pauses=(0.6, (0.2, 0.4, 0.6, 0.8))),
    "without a tenth in the middle": Change(without=(0.45, 0.55)),
    "without a fifth in the middle": Change(without=(0.4, 0.6)),
    "several at once": Change(
        options=_x264(30), size=0.7, crop=(0.1, 0.05, 0.05, 0), gain=0.85, lift=0.1, rate=20, pace=1.04, first=0.1
    ),
}
"""By the words of the table."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Frames (T, H, W, 3) uint8 RGB of a recording, and their seconds (T,) float64 from 0."""

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> Shown:
        """A clip as it is stored, which for GRID is as it is shown."""
        with av.open(str(path)) as source:
            pictures = [(frame.to_ndarray(format="rgb24"), float(frame.time)) for frame in source.decode(video=0)]
        times = np.array([seconds for _, seconds in pictures])
        return cls(np.stack([picture for picture, _ in pictures]), times - times[0])

    def between(self, begin: float, end: float) -> Shown:
        """The frames of some seconds."""
        chosen = (self.times >= begin) & (self.times <= end)
        return Shown(self.frames[chosen], self.times[chosen] - self.times[chosen][0])

    def followed(self, other: Shown) -> Shown:
        """These frames, and then those of another."""
        later = other.times - other.times[0] + self.times[-1] + FRAME_SECONDS
        return Shown(np.concatenate([self.frames, other.frames]), np.concatenate([self.times, later]))

    def paused(self, seconds: float, places: tuple[float, ...]) -> Shown:
        """With pauses; see Change."""
        random, pictures, times, clock = np.random.default_rng(0), [], [], 0.0
        begins = {int(place * len(self.frames)) for place in places}
        steps = np.append(np.diff(self.times), FRAME_SECONDS)
        for number, (frame, step) in enumerate(zip(self.frames, steps, strict=True)):
            held = round(seconds / FRAME_SECONDS) if number in begins else 0
            for again in range(held):
                noise = random.integers(-NOISE, NOISE + 1, frame.shape)
                shown = self.frames[max(0, number - 1 - again % 3)].astype(np.int16) + noise
                pictures.append(shown.clip(0, 255).astype(np.uint8))
                times.append(clock)
                clock += FRAME_SECONDS
            pictures.append(frame)
            times.append(clock)
            clock += float(step)
        return Shown(np.stack(pictures), np.array(times))

    def wobbled(self, seconds: float) -> Shown:
        """With a clock that runs ahead and behind; see Change."""
        moments = np.arange(0, self.times[-1] + 1e-6, 1 / WOBBLED_TO)
        places = (moments + seconds * np.sin(2 * np.pi * WOBBLE_RATE * moments)).clip(0, self.times[-1])
        numbers = np.interp(places, self.times, np.arange(len(self.times)))
        first = np.minimum(numbers.astype(int), len(self.times) - 2)
        share = (numbers - first)[:, None, None, None]
        blended = [
            (1 - part) * self.frames[number] + part * self.frames[number + 1]
            for number, part in zip(first, share, strict=True)
        ]
        return Shown(np.rint(blended).astype(np.uint8), moments)

    def without(self, begin: float, end: float) -> Shown:
        """Without the frames from one share of them up to another."""
        first, last = (round(share * len(self.frames)) for share in (begin, end))
        kept = Shown(self.frames[:first], self.times[:first])
        return kept.followed(Shown(self.frames[last:], self.times[last:]))


def changed(shown: Shown, change: Change) -> bytes:
    """A file of the recording as the thief sends it."""
    frames, times = shown.frames, shown.times
    count = len(frames)
    kept = slice(round(change.first * count), count - round(change.last * count))
    frames, times = frames[kept], times[kept] - times[kept][0]
    if change.pauses[1]:
        frames, times = (paused := Shown(frames, times).paused(*change.pauses)).frames, paused.times
    if change.without[1]:
        frames, times = (left := Shown(frames, times).without(*change.without)).frames, left.times
    if change.rate:
        moments = np.arange(0, times[-1] + 1e-6, 1 / change.rate)
        nearest = np.abs(times[None] - moments[:, None]).argmin(axis=1)
        frames, times = frames[nearest], moments
    if change.wobble:
        frames, times = (late := Shown(frames, times).wobbled(change.wobble)).frames, late.times
    if change.bend:
        frames = np.stack([change.bend.bent(frame, seconds) for frame, seconds in zip(frames, times, strict=True)])
    if change.drift:
        frames = np.stack([change.drift.moved(frame, seconds) for frame, seconds in zip(frames, times, strict=True)])
    frames = np.stack(
        [_picture(frame, _wandered(change, seconds)) for frame, seconds in zip(frames, times, strict=True)]
    )
    data = _encode(frames, times * change.pace, change)
    return with_matrix(data, *MIRROR) if change.laid else data


def _wandered(change: Change, seconds: float) -> Change:
    """The change with its cut where it is at a moment; to and fro at 0.6 and 0.9 Hz."""
    if not change.wander:
        return change
    left, top, right, bottom = change.crop
    x, y = (change.wander * float(np.sin(2 * np.pi * rate * seconds)) for rate in (0.6, 0.9))
    return replace(change, crop=(left + x, top + y, right - x, bottom - y))


def _picture(frame: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    """One frame, cut, scaled and lit anew; sides stay even."""
    high, wide = frame.shape[:2]
    left, top, right, bottom = change.crop
    first_row, first_column = round(top * high), round(left * wide)
    rows, columns = round((1 - top - bottom) * high), round((1 - left - right) * wide)
    frame = frame[first_row : first_row + rows, first_column : first_column + columns]
    image = Image.fromarray(np.ascontiguousarray(frame))
    size = tuple(2 * round(side * change.size / 2) for side in image.size)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    if change.grey:
        image = image.convert("L").convert("RGB")
    picture = np.asarray(image)
    if (change.gain, change.lift, change.gamma) != (1.0, 0.0, 1.0):
        light = np.linspace(0, 1, 256)
        table = np.rint(255 * (change.gain * light + change.lift).clip(0, 1) ** change.gamma).astype(np.uint8)
        picture = table[picture]
    return picture[:, ::-1] if change.flipped or change.laid else picture


def _encode(frames: NDArray[np.uint8], times: NDArray[np.float64], change: Change) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=change.container) as container:
        track = container.add_stream(change.codec, rate=25, options=dict(change.options))
        track.height, track.width = frames.shape[1:3]
        track.pix_fmt = "yuvj420p" if change.codec == "mjpeg" else "yuv420p"
        base = Fraction(1, 1000) if change.container == "webm" or change.codec in ("mpeg4", "mjpeg") else TICK
        track.time_base = track.codec_context.time_base = base
        for picture, seconds in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format=track.pix_fmt)
            frame.pts, frame.time_base = round(float(seconds) / base), base
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return out.getvalue()
