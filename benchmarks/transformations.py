"""Ways to store one film that don't change what is seen, and how near the motion stays to that of the film itself.

FFmpeg or Pillow make each of frames in memory, without loss where the format has a way. `CONTROLS` change what is seen,
and must not pass for the film. The tests hold the clips of half of the frames to the same bounds.
`--write` puts the table into docs/results/compatibility.md.
"""

from __future__ import annotations

import argparse
import io
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray
from PIL import Image
from sections import write_section

import facemotion as fm
from facemotion.config import Settings
from facemotion.media import Source, load_clip

PAGE = Path(__file__).parents[1] / "docs" / "results" / "compatibility.md"
SAMPLE = Path(fm.__file__).parent / "samples" / "anna-wink-pout-1.mp4"
"""A wink and a pout to the right: a motion of one side, so that its mirror image is another motion."""
LEAST, LEAST_OF_LOSSY = 0.97, 0.93
"""Cosine with the film that every transformation keeps; less where pixels themselves change, in VP8 and in grey."""
LOSSY = ("WebM from 3600 s on", "folder of 16-bit grey PNGs", "folder of 12-bit grey TIFFs")

MILLISECOND = Fraction(1, 1000)
IDENTITY = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
DEFAULT, ATTACHED_PICTURE = 0x1, 0x400
END_OF_CLOCK = 2**33 / 90000 - 1
"""Seconds at which the clock of MPEG-TS has one second left before it begins at zero again."""


@dataclass(frozen=True, eq=False)
class Film:
    """What is seen.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, H and W multiples of 4.
        times: (T,) float64 seconds, whole milliseconds, rising from 0.
    """

    frames: NDArray[np.uint8]
    times: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path, every: int = 1) -> Film:
        """Every so many frames of a clip."""
        clip = load_clip(path)
        return cls(np.array(clip.frames[::every]), np.round(clip.times[::every], 3))

    @property
    def rate(self) -> float:
        """Mean frames/s."""
        return float((len(self.times) - 1) / self.times[-1])

    def even(self) -> Film:
        """The same frames at a constant rate, the nearest whole one."""
        return replace(self, times=np.arange(len(self.times)) / round(self.rate))

    def relaid(self, transpose: bool, mirror: bool, flip: bool) -> Film:
        """Columns and rows changed, then left and right, then top and bottom."""
        frames = self.frames.swapaxes(1, 2) if transpose else self.frames
        return replace(self, frames=frames[:, :: -1 if flip else 1, :: -1 if mirror else 1])

    def squeezed(self, wide: Fraction, high: Fraction) -> Film:
        """Width and height multiplied; sides stay even."""
        height, width = (
            2 * round(side * by / 2) for side, by in zip(self.frames.shape[1:3], (high, wide), strict=True)
        )
        scaled = [Image.fromarray(f).resize((width, height), Image.Resampling.LANCZOS) for f in self.frames]
        return replace(self, frames=np.stack([np.asarray(image) for image in scaled]))


@dataclass(frozen=True)
class Transformation:
    """One way to store a film.

    Attributes:
        kind, name: for the table.
        make: called with the film and an empty folder; gives a source and the rate that goes with it, or None.
    """

    kind: str
    name: str
    make: Callable[[Film, Path], tuple[Source, float | None]]

    @property
    def least(self) -> float:
        """Least cosine with the film that is allowed."""
        return LEAST_OF_LOSSY if self.name in LOSSY else LEAST


# Writing --------------------------------------------------------------------------------------------------------------


def encode(
    film: Film, container: str = "mp4", codec: str = "libx264rgb", pixel: Fraction | None = None, **more: Any
) -> bytes:
    """A film as a file, without loss by the default codec.

    Args:
        film: what is seen.
        container, codec: names of FFmpeg.
        pixel: width over height of a pixel, for the container.
        more: `start` seconds of the first frame; `options` of the codec; `muxing` options of the container; `base` the
            unit of time stamps; `cover` and `decoy` put a track before, one of a single picture or one of noise.
    """
    stream, base = io.BytesIO(), more.get("base", MILLISECOND)
    lossless = {"qp": "0", "preset": "ultrafast"} if codec == "libx264rgb" else {}
    pixels = "rgb24" if codec == "libx264rgb" else "yuv420p"
    with av.open(stream, "w", format=container, options=more.get("muxing", {})) as out:
        before = None
        if more.get("cover") or more.get("decoy"):
            before = _track(out, "png" if more.get("cover") else codec, film, pixels, lossless, base)
            before.disposition = ATTACHED_PICTURE if more.get("cover") else 0
        track = _track(out, codec, film, pixels, lossless | more.get("options", {}), base)
        track.disposition = DEFAULT
        if pixel:
            track.codec_context.sample_aspect_ratio = pixel
        for number, (picture, seconds) in enumerate(zip(film.frames, film.times, strict=True)):
            stamp = round((seconds + more.get("start", 0)) / base)
            if before is not None and (number == 0 or more.get("decoy")):
                noise = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
                still = np.asarray(Image.fromarray(noise).resize(picture.shape[1::-1]))
                out.mux(before.encode(_frame(still, stamp, base, before.pix_fmt)))
            out.mux(track.encode(_frame(picture, stamp, base, pixels)))
        for each in (track, before):
            if each is not None:
                out.mux(each.encode(None))
    return stream.getvalue()


def _track(out: Any, codec: str, film: Film, pixels: str, options: dict[str, str], base: Fraction) -> Any:
    track = out.add_stream(codec, rate=round(film.rate), options=options if codec != "png" else {})
    track.height, track.width = film.frames.shape[1:3]
    track.pix_fmt = pixels if codec != "png" else "rgb24"
    track.time_base = track.codec_context.time_base = base
    return track


def _frame(picture: NDArray[np.uint8], stamp: int, base: Fraction, pixels: str) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    frame = frame if pixels == "rgb24" else frame.reformat(format=pixels)
    frame.pts, frame.time_base = stamp, base
    return frame


def rewrap(data: bytes, container: str, stream_filter: str = "", **muxing: str) -> bytes:
    """The packets of a file in another container, the stream changed by a bit stream filter where one is named."""
    stream = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(stream, "w", format=container, options=muxing) as out:
        video = source.streams.video[0]
        track = out.add_stream_from_template(video, opaque=True)
        change = BitStreamFilterContext(stream_filter, video) if stream_filter else None
        for packet in source.demux(video):
            packets = [packet] if packet.size else []
            for each in change.filter(packet if packet.size else None) if change else packets:
                each.time_base = each.time_base or video.time_base
                each.stream = track
                out.mux(each)
    return stream.getvalue()


def with_matrix(data: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """An mp4 whose display matrix is this one, without a shift, which players don't heed either."""
    place = data.index(IDENTITY, data.index(b"tkhd"))
    return (
        data[:place] + struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30) + data[place + 36 :]
    )


def with_durations(data: bytes, times: float) -> bytes:
    """A file whose header gives that many times its duration: mp4 (movie, track and medium), or Matroska."""
    if b"moov" not in data:
        place = data.index(b"\x44\x89\x88") + 3
        (duration,) = struct.unpack_from(">d", data, place)
        return data[:place] + struct.pack(">d", duration * times) + data[place + 8 :]
    for box, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        place = data.index(box) + offset
        (duration,) = struct.unpack_from(">I", data, place)
        data = data[:place] + struct.pack(">I", int(duration * times)) + data[place + 4 :]
    return data


def damage(data: bytes, number: int) -> bytes:
    """A file with twelve bytes in the middle of its packet of this number overwritten."""
    spoilt = bytearray(data)
    with av.open(io.BytesIO(data)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        middle = (packet.pos or 0) + packet.size // 2
    spoilt[middle : middle + 12] = bytes(range(1, 13))
    return bytes(spoilt)


def write_images(film: Film, folder: Path, suffix: str = ".png", orientation: int = 1, deep: int = 0) -> Path:
    """A folder of images, EXIF orientation and all; grey of so many bits in 16 where `deep` isn't 0."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    for number, picture in enumerate(film.frames):
        image = Image.fromarray(np.ascontiguousarray(picture))
        if deep:
            grey = np.asarray(image.convert("L")).astype(np.float64)
            image = Image.fromarray(np.rint(grey * ((2**deep - 1) / 255)).astype(np.uint16))
        image.save(folder / f"{number}{suffix}", quality=95, compress_level=1, exif=exif)
    (folder / f"._0{suffix}").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    return folder


def write_jpegs(film: Film, orientation: int = 1, head: bytes = b"") -> bytes:
    """JPEGs one behind the other, each behind a head where one is given."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    parts = []
    for picture in film.frames:
        jpeg = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(picture)).save(jpeg, "JPEG", quality=95, exif=exif)
        parts.append(head + jpeg.getvalue())
    return b"".join(parts)


# The table ------------------------------------------------------------------------------------------------------------

# How a film is laid down in a file (transposed, mirrored, turned over), and what lays it back: a b c d of a display
# matrix, and an EXIF orientation.
LAID = {
    "mirrored": ((False, True, False), (-1, 0, 0, 1), 2),
    "turned by half": ((False, True, True), (-1, 0, 0, -1), 3),
    "upside down": ((False, False, True), (1, 0, 0, -1), 4),
    "transposed": ((True, False, False), (0, 1, 1, 0), 5),
    "turned left": ((True, False, True), (0, 1, -1, 0), 6),
    "transposed the other way": ((True, True, True), (0, -1, -1, 0), 7),
    "turned right": ((True, True, False), (0, -1, 1, 0), 8),
}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
VP8 = {"deadline": "realtime", "cpu-used": "8", "b": "1M", "threads": "1"}
B_FRAMES = {"bf": "3", "b-adapt": "0", "preset": "veryfast", "crf": "12"}
NARROW, LOW = (Fraction(3, 4), Fraction(1)), (Fraction(1), Fraction(3, 4))
WIDE_PIXEL, HIGH_PIXEL = Fraction(4, 3), Fraction(3, 4)
HEAD_OF_PART = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"


def _laid(film: Film, way: str) -> bytes:
    laid, matrix, _ = LAID[way]
    return with_matrix(encode(film.relaid(*laid)), *matrix)


def _laid_images(film: Film, way: str, folder: Path) -> Path:
    laid, _, orientation = LAID[way]
    return write_images(film.relaid(*laid), folder, ".jpg", orientation)


def _laid_jpegs(film: Film, way: str, head: bytes = b"") -> bytes:
    laid, _, orientation = LAID[way]
    return write_jpegs(film.relaid(*laid), orientation, head)


def _laid_by_h264(film: Film) -> bytes:
    laid = encode(film.relaid(True, True, True))
    return rewrap(laid, "matroska", "h264_metadata=display_orientation=insert:rotate=90:flip=vertical")


def _narrow_and_turned(film: Film) -> bytes:
    laid, matrix, _ = LAID["turned left"]
    return with_matrix(encode(film.relaid(*laid).squeezed(*NARROW), pixel=WIDE_PIXEL), *matrix)


def _narrow_by_h264(film: Film) -> bytes:
    return rewrap(encode(film.squeezed(*NARROW)), "mpegts", "h264_mp4toannexb,h264_metadata=sample_aspect_ratio=4/3")


def _even(film: Film, container: str) -> bytes:
    even = film.even()
    return encode(even, container, "libx264", options=B_FRAMES, base=Fraction(1, round(even.rate)))


def _file(kind: str, name: str, make: Callable[[Film], bytes]) -> Transformation:
    return Transformation(kind, name, lambda film, _: (make(film), None))


def _images(name: str, make: Callable[[Film, Path], Source]) -> Transformation:
    return Transformation("pictures", name, lambda film, folder: (make(film, folder), film.rate))


TRANSFORMATIONS: tuple[Transformation, ...] = (
    _file("container", "QuickTime", lambda film: rewrap(encode(film), "mov")),
    _file("container", "mp4 in fragments", lambda film: rewrap(encode(film), "mp4", **FRAGMENTED)),
    _file("container", "Matroska", lambda film: rewrap(encode(film), "matroska")),
    _file("container", "MPEG-TS", lambda film: rewrap(encode(film), "mpegts")),
    _file("container", "MPEG-PS", lambda film: _even(film, "vob")),
    _file("container", "Flash video", lambda film: rewrap(encode(film), "flv")),
    _file("container", "AVI, with gaps", lambda film: rewrap(encode(film), "avi", "h264_mp4toannexb")),
    _file("container", "AVI of H.264 with B-frames", lambda film: _even(film, "avi")),
    _file("container", "none: H.264 with B-frames", lambda film: _even(film, "h264")),
    *(_file("display matrix", way, partial(_laid, way=way)) for way in LAID),
    _file("display matrix", "turned and mirrored, by H.264 itself", _laid_by_h264),
    _file("pixels", "4:3, mp4", lambda film: encode(film.squeezed(*NARROW), pixel=WIDE_PIXEL)),
    _file("pixels", "4:3, Matroska", lambda film: encode(film.squeezed(*NARROW), "matroska", pixel=WIDE_PIXEL)),
    _file("pixels", "4:3, by H.264 itself", _narrow_by_h264),
    _file("pixels", "4:3, turned left", _narrow_and_turned),
    _file("pixels", "3:4, mp4", lambda film: encode(film.squeezed(*LOW), pixel=HIGH_PIXEL)),
    _file("times", "Matroska from 3600 s on", lambda film: encode(film, "matroska", start=3600.0)),
    _file("times", "mp4 in fragments from 3600 s on", lambda film: encode(film, muxing=FRAGMENTED, start=3600.0)),
    _file("times", "MPEG-TS, its clock at its end", lambda film: encode(film, "mpegts", start=END_OF_CLOCK)),
    _file("times", "WebM from 3600 s on", lambda film: encode(film, "webm", "libvpx", options=VP8, start=3600.0)),
    _file("times", "mp4, duration times 1000", lambda film: with_durations(encode(film), 1000)),
    _file("times", "Matroska, duration times 1000", lambda film: with_durations(encode(film, "matroska"), 1000)),
    _file("times", "Matroska, duration 0", lambda film: with_durations(encode(film, "matroska"), 0)),
    _file("tracks", "a cover first, mp4", lambda film: encode(film, cover=True)),
    _file("tracks", "another film first, mp4", lambda film: encode(film, decoy=True)),
    _file("tracks", "another film first, Matroska", lambda film: encode(film, "matroska", decoy=True)),
    _images("folder of PNGs with macOS's own files", write_images),
    _images("folder of JPEGs, turned by EXIF", lambda film, folder: _laid_images(film, "turned left", folder)),
    _images("folder of 16-bit grey PNGs", lambda film, folder: write_images(film, folder, deep=16)),
    _images("folder of 12-bit grey TIFFs", lambda film, folder: write_images(film, folder, ".tif", deep=12)),
    _images("raw MJPEG", lambda film, _: write_jpegs(film)),
    _images("raw MJPEG, turned by EXIF", lambda film, _: _laid_jpegs(film, "turned right")),
    _images("raw MJPEG of a network camera", lambda film, _: write_jpegs(film, head=HEAD_OF_PART)),
)

CONTROLS: tuple[Transformation, ...] = (
    _file("control", "mirrored, and nothing says so", lambda film: encode(film.relaid(*LAID["mirrored"][0]))),
    _file("control", "not mirrored, and the matrix mirrors it", lambda film: with_matrix(encode(film), -1, 0, 0, 1)),
)


def table(verifier: fm.Verifier, film: Film) -> str:
    """The cosine of each way to store the film with the film itself, as Markdown."""

    def vector(source: Source, rate: float | None) -> NDArray[np.float32]:
        return verifier.embed(verifier.frontend.acquire(source, rate)).vector

    reference, threshold = vector(encode(film), None), verifier.point.threshold
    lines = ["| kind | how the film is stored | cosine | must be |", "|---|---|---|---|"]
    for way in (*TRANSFORMATIONS, *CONTROLS):
        with tempfile.TemporaryDirectory() as folder:
            cosine = float(reference @ vector(*way.make(film, Path(folder))))
        bound = f"below {threshold:.2f}" if way in CONTROLS else f"above {way.least}"
        right = cosine < threshold if way in CONTROLS else cosine > way.least
        lines.append(f"| {way.kind} | {way.name} | {cosine:.4f} | {bound if right else f'**{bound}**'} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table; write it where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/results/compatibility.md")
    options = parser.parse_args()
    rows = table(fm.Verifier.load(Settings()), Film.load(SAMPLE))
    print(rows)
    if options.write:
        write_section(PAGE, "transformations", rows)


if __name__ == "__main__":
    main()
