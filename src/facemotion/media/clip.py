"""Decoding of files, bytes and folders of images, as a stream: memory doesn't grow with the file.

Files are opened here and handed to the decoder as bytes, never by name, and only containers that hold their own
pictures are read: a playlist or a concatenation script could make the decoder open other files or addresses.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.errors import (
    AcquisitionError,
    MediaError,
    MediaLimitError,
    NoVideoError,
    TooShortError,
    UnreadableMediaError,
)
from facemotion.media.gate import FrameGate, check_size
from facemotion.types import Clip

Source = Path | str | bytes
Frame = NDArray[np.uint8]

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,h264,hevc,ivf,ogg,flv,asf,gif,nut"
PICTURES = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
# What Pillow's parsers let out on made-up headers; UnidentifiedImageError is an OSError.
PICTURE_FAULTS = (OSError, SyntaxError, ValueError, LookupError, RuntimeError, TypeError, EOFError, struct.error)
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


def load_clip(source: Source, settings: MediaSettings | None = None, rate: float | None = None) -> Clip:
    """Decode a whole clip into memory. The verifier streams instead: see read_frames.

    Args:
        source: path of a video, path of a folder of images, or the bytes of a video.
        settings: limits; frames longer than `analysis_side_px` are scaled down to it.
        rate: frames/s of a folder of images.
    Returns:
        Clip with T >= 1 frames of one size; times start at 0.
    Raises:
        MediaError and its kinds, TimestampError, TooShortError: see read_frames.
    """
    pairs = list(read_frames(source, settings, rate))
    return Clip(np.stack([frame for frame, _ in pairs]), np.array([seconds for _, seconds in pairs], np.float64))


def read_frames(
    source: Source, settings: MediaSettings | None = None, rate: float | None = None
) -> Iterator[tuple[Frame, float]]:
    """Decode a clip frame by frame.

    Args:
        source: path of a video, path of a folder of images, or the bytes of a video.
        settings: limits.
        rate: frames/s; needed for a folder of images, not allowed otherwise.
    Yields:
        (H, W, 3) uint8 RGB, turned upright by the clip's rotation metadata, the same H and W throughout, and the time
        in seconds since the first frame.
    Raises:
        UnreadableMediaError: missing, empty, truncated, damaged or not a video.
        NoVideoError: no picture in it. MediaLimitError: too large, long or many pixels.
        TimestampError: times run backwards. TooShortError: shorter than `min_seconds`, once the end is reached.
    """
    if isinstance(source, bytes):
        yield from _read(source, settings or MediaSettings(), rate)
        return
    with named(source):
        yield from _read(Path(source), settings or MediaSettings(), rate)


@contextmanager
def named(source: Source) -> Iterator[None]:
    """Put the name of a clip before what is said of it, so that of several the one meant is known."""
    try:
        yield
    except (MediaError, AcquisitionError) as error:
        if isinstance(source, bytes) or (name := str(source)[:200]) in str(error):
            raise
        raise type(error)(f"{name}: {error}") from error


def _read(source: Path | bytes, settings: MediaSettings, rate: float | None) -> Iterator[tuple[Frame, float]]:
    if isinstance(source, Path) and _is_folder(source):
        if rate is None:
            raise MediaError(f"{source} is a folder: give a video, or a folder of images with its rate in frames/s.")
        frames: Iterator[tuple[float, Callable[[], Frame]]] = _folder_frames(source, rate, settings)
    elif rate is not None:
        raise MediaError("A rate goes with a folder of images only; a video has its own times.")
    else:
        frames = _video_frames(source, settings)
    gate = FrameGate(settings)
    start, latest, count, pixels = 0.0, 0.0, 0, 0.0
    for seconds, make in frames:
        start = seconds if count == 0 else start
        if not gate.admit(seconds - start):
            continue
        frame = make()
        latest, count = seconds - start, count + 1
        pixels += frame.shape[0] * frame.shape[1] / 1e6
        if pixels > settings.max_decoded_megapixels:
            raise MediaLimitError(
                f"The clip has more than {settings.max_decoded_megapixels:g} million pixels; record a smaller one."
            )
        yield frame, latest
    if count == 0:
        raise NoVideoError("The file holds no picture; record the clip again with the camera on.")
    if latest < settings.min_seconds:
        raise TooShortError(f"The clip lasts {latest:.2f} s; at least {settings.min_seconds:g} s are needed.")


class _Picture:
    """A decoded frame whose conversion to RGB waits until it is known to be used."""

    __slots__ = ("_frame", "_size", "_turns")

    def __init__(self, frame: object, size: tuple[int, int], turns: int) -> None:
        self._frame, self._size, self._turns = frame, size, turns

    def __call__(self) -> Frame:
        width, height = self._size
        array = self._frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")  # type: ignore[attr-defined]
        return np.ascontiguousarray(np.rot90(array, self._turns)) if self._turns else np.asarray(array, np.uint8)


def _video_frames(source: Path | bytes, settings: MediaSettings) -> Iterator[tuple[float, _Picture]]:
    import av

    with _open_bytes(source, settings) as stream:
        _refuse_still_image(stream, settings)
        try:
            with av.open(
                stream,
                mode="r",
                options={"format_whitelist": CONTAINERS, "protocol_whitelist": "none"},
                **_lenient_about_titles(av.__version__),
            ) as container:
                if not container.streams.video:
                    raise NoVideoError(
                        "The file holds no picture, only sound or data; record the clip with the camera on."
                    )
                video = container.streams.video[0]
                if video.codec_context is None:  # the container names a codec that nobody knows
                    raise UnreadableMediaError("The video is of an unknown kind; record or export it again as H.264.")
                check_size(video.codec_context.width, video.codec_context.height, settings)
                if container.duration is not None and container.duration / 1e6 > settings.max_seconds + 1:
                    raise MediaLimitError(
                        f"The clip lasts {container.duration / 1e6:.0f} s; "
                        f"the longest allowed is {settings.max_seconds:g} s."
                    )
                video.codec_context.thread_count = settings.decoder_threads
                first: tuple[int, int] | None = None
                for number, frame in enumerate(container.decode(video)):
                    check_size(frame.width, frame.height, settings)
                    size = _analysis_size(frame.width, frame.height, settings.analysis_side_px)
                    if first is not None and abs(size[0] * first[1] / (size[1] * first[0]) - 1) > 0.05:
                        raise UnreadableMediaError(
                            "The picture changes its shape within the clip; record the clip again."
                        )
                    first = first or size
                    seconds = (
                        frame.time if frame.time is not None else number / float(video.average_rate or Fraction(25))
                    )
                    yield seconds, _Picture(frame, first, round(frame.rotation / 90) % 4)
        except av.error.FFmpegError as error:
            raise UnreadableMediaError(
                f"This isn't a video that can be read, or it is damaged or cut off ({error.strerror}); "
                "record or export it again."
            ) from error


def _lenient_about_titles(version: str) -> dict[str, Any]:
    """Options of `av.open` that make titles and comments which aren't UTF-8 no error.

    Args:
        version: of PyAV. Until 18 such text raises UnicodeDecodeError unless an option says otherwise; from 19 on it
            never does, and the option is gone.
    """
    return {"metadata_errors": "ignore"} if int(version.partition(".")[0]) < 19 else {}


def _analysis_size(width: int, height: int, side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


@contextmanager
def _open_bytes(source: Path | bytes, settings: MediaSettings) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        _check_bytes(len(source), settings)
        yield io.BytesIO(source)
        return
    try:
        if source.exists() and not source.is_file():  # asked first: opening a pipe waits for its writer
            raise UnreadableMediaError(f"{source} isn't a regular file.")
        stream = source.open("rb")
    except FileNotFoundError as error:
        raise UnreadableMediaError(f"There is no file {source}.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise UnreadableMediaError(f"Can't open {source}: {error}.") from error
    with stream:
        _check_bytes(source.stat().st_size, settings)
        yield stream


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a null character
        raise UnreadableMediaError(f"Can't open {str(path)[:200]}: {error}.") from error


def _check_bytes(size: int, settings: MediaSettings) -> None:
    if size == 0:
        raise UnreadableMediaError("The file is empty; record the clip again.")
    if size > settings.max_mebibytes * 2**20:
        raise MediaLimitError(f"The file has {size / 2**20:.1f} MiB; at most {settings.max_mebibytes:g} are allowed.")


def _refuse_still_image(stream: BinaryIO, settings: MediaSettings) -> None:
    from PIL import Image

    try:
        with Image.open(stream, formats=PICTURES) as image:  # reads the header alone
            width, height = image.size
            animated = getattr(image, "is_animated", False)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaLimitError(f"The picture is too large ({error}); record a video instead.") from error
    except PICTURE_FAULTS:
        width, height, animated = 0, 0, True  # the video decoder will say what it is
    finally:
        stream.seek(0)
    check_size(width, height, settings)
    if not animated:
        raise TooShortError("This is a single picture; a facial motion needs a video.")


def _folder_frames(folder: Path, rate: float, settings: MediaSettings) -> Iterator[tuple[float, _Image]]:
    if not 1 <= rate <= 240:
        raise MediaError(f"The rate of a folder of images must be 1 to 240 frames/s, got {rate:g}.")
    paths = sorted((p for p in folder.iterdir() if p.suffix.lower() in IMAGES), key=_natural_order)
    if not paths:
        raise NoVideoError(f"{folder} holds no image ({', '.join(IMAGES)}).")
    first: list[tuple[int, int]] = []
    for number, path in enumerate(paths):
        yield number / rate, _Image(path, settings, first)


class _Image:
    """An image file of a folder, read when it is known to be used; all take the size of the first."""

    def __init__(self, path: Path, settings: MediaSettings, first: list[tuple[int, int]]) -> None:
        self._path, self._settings, self._first = path, settings, first

    def __call__(self) -> Frame:
        from PIL import Image, ImageOps

        try:
            with Image.open(self._path, formats=PICTURES) as image:
                check_size(image.width, image.height, self._settings)
                upright = ImageOps.exif_transpose(image).convert("RGB")
                if not self._first:
                    self._first.append(_analysis_size(upright.width, upright.height, self._settings.analysis_side_px))
                if upright.size != self._first[0]:
                    upright = upright.resize(self._first[0], Image.Resampling.BOX, reducing_gap=None)
                return np.array(upright, np.uint8)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise MediaLimitError(f"{self._path} is too large ({error}).") from error
        except PICTURE_FAULTS as error:
            raise UnreadableMediaError(f"{self._path} isn't an image that can be read: {error}.") from error


def _natural_order(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]
