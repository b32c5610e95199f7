"""Single pictures: a folder of images, JPEGs one behind the other, and the frames of a live session."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facemotion.config import MediaSettings
from facemotion.errors import MediaLimitError, NoVideoError, TooShortError, UnreadableMediaError
from facemotion.media.clock import Shot
from facemotion.media.display import analysis_size
from facemotion.media.gate import Allowance, Frame, check_size
from facemotion.media.video import START_OF_SCAN, check_rate
from facemotion.system.files import natural_order

if TYPE_CHECKING:
    from PIL import Image


FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
# What Pillow's parsers let out on made-up headers; UnidentifiedImageError is an OSError.
FAULTS = (OSError, SyntaxError, ValueError, LookupError, RuntimeError, TypeError, EOFError, struct.error)
ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""
HOT_SHARE = 0.0005
"""Share of pixels that may be stuck at any value; sensors are sold with fewer."""
MOST_SCANS = 32
"""Passes of a progressive JPEG; each costs the time of a whole picture, and thousands fit into one frame."""
MOST_SCANNED_MEGAPIXELS = 34.0
"""Pixels times passes of one JPEG: two over the largest picture, sixteen over one of 1920 x 1080. A pass over a million
pixels takes some 2 ms."""
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""Begins a segment of a JPEG; the others are part of the picture, or without a length."""
MOST_BETWEEN = 1024
"""Bytes between two JPEGs of one stream: padding, or the heads that network cameras send."""


def folder_shots(folder: Path, rate: float, settings: MediaSettings, allowance: Allowance) -> Iterator[Shot]:
    """The images of a folder in natural order (frame2 before frame10), all in the size of the first.

    Args:
        folder: holds the images; other files are left out, and so are hidden ones such as the `._` files of macOS.
        rate: frames/s.
        settings: limits.
        allowance: what reading the whole clip may cost.
    Raises:
        MediaError: no such rate.
        NoVideoError: no image.
        UnreadableMediaError, MediaLimitError: from making a frame.
    """
    check_rate(rate)
    names = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith("."))
    paths = sorted(names, key=lambda path: natural_order(path.name))
    if not paths:
        raise NoVideoError(f"{folder} holds no image ({', '.join(SUFFIXES)}).")
    album = _Album(paths, settings, allowance)
    for number, path in enumerate(paths):
        yield Shot(number / rate, partial(album.read, path))


def jpeg_shots(stream: BinaryIO, rate: float, settings: MediaSettings, allowance: Allowance) -> Iterator[Shot]:
    """JPEGs one behind the other, without a container (raw MJPEG), all in the size of the first.

    Args:
        stream: bytes of the file, from its beginning.
        rate: frames/s.
        settings: limits.
        allowance: what reading the whole clip may cost.
    Yields:
        Shots; one that can't be decoded is damaged.
    Raises:
        MediaError: no such rate.
        MediaLimitError: too many pixels or passes.
    """
    check_rate(rate)
    size: tuple[int, int] | None = None
    for number, jpeg in enumerate(_jpegs(stream.read())):
        try:
            picture = read_jpeg(jpeg, settings, size, allowance)
        except UnreadableMediaError:
            yield Shot(number / rate, None)
            continue
        size = size or (picture.shape[1], picture.shape[0])
        yield Shot(number / rate, partial(np.asarray, picture))


def look_at_header(stream: BinaryIO, settings: MediaSettings) -> bool:
    """Whether a file is JPEGs one behind the other; the stream is at its beginning before and after.

    Raises:
        TooShortError: it is a single picture.
        MediaLimitError: a picture of too many pixels.
    """
    from PIL import Image

    several = False
    try:
        with Image.open(stream, formats=FORMATS) as image:  # reads the header alone
            check_size(image.width, image.height, settings)
            if image.format == "JPEG":  # no MPO: its further pictures are previews and depths of the one
                stream.seek(0)
                jpegs = _jpegs(stream.read())
                several = next(jpegs, None) is not None and next(jpegs, None) is not None
            if not several and (image.format == "MPO" or not getattr(image, "is_animated", False)):
                raise TooShortError("This is a single picture; a facial motion needs a video.")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaLimitError(f"The picture is too large ({error}); record a video instead.") from error
    except FAULTS:
        several = _is_multipart(stream)  # else the video decoder will say what it is
    finally:
        stream.seek(0)
    return several


def read_jpeg(
    data: bytes,
    settings: MediaSettings,
    size: tuple[int, int] | None = None,
    allowance: Allowance | None = None,
) -> Frame:
    """(H, W, 3) uint8 RGB of a JPEG, turned upright by its EXIF orientation.

    Args:
        data: the JPEG.
        settings: limits.
        size: width and height to give; else it is scaled down to the analysis size.
        allowance: of the clip that it is a frame of; None where it is none.
    Raises:
        UnreadableMediaError: not a JPEG, or damaged.
        MediaLimitError: too many pixels or passes.
    """
    from PIL import Image

    passes = max(1, data.count(START_OF_SCAN))
    if passes > MOST_SCANS:
        raise MediaLimitError("A frame is a JPEG of too many passes; send one that isn't progressive.")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            check_size(image.width, image.height, settings)
            if passes > 1 and image.width * image.height * passes > MOST_SCANNED_MEGAPIXELS * 1e6:
                raise MediaLimitError(
                    f"A frame is a JPEG of {passes} passes over {image.width} x {image.height} pixels; send a smaller "
                    "one, or one that isn't progressive."
                )
            if allowance is not None:
                allowance.ask(image.width, image.height, passes)
            image.draft("RGB", (settings.analysis_side_px, settings.analysis_side_px))
            return _finish(_upright(image).convert("RGB"), settings, size)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaLimitError("A frame has too many pixels; send smaller ones.") from error
    except FAULTS as error:
        raise UnreadableMediaError("A frame isn't a JPEG, or it is damaged; send it again.") from error


class _Album:
    """Image files of one clip, read one at a time."""

    def __init__(self, paths: list[Path], settings: MediaSettings, allowance: Allowance) -> None:
        self._paths, self._settings, self._allowance = paths, settings, allowance
        self._size: tuple[int, int] | None = None
        self._white: float | None = None

    def read(self, path: Path) -> Frame:
        """(H, W, 3) uint8 RGB, upright.

        Raises:
            UnreadableMediaError: not an image, or damaged.
            MediaLimitError: too many pixels.
        """
        from PIL import Image

        try:
            with Image.open(path, formats=FORMATS) as image:
                check_size(image.width, image.height, self._settings)
                self._allowance.spend(image.width, image.height)
                picture = _finish(self._rgb(_upright(image)), self._settings, self._size)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise MediaLimitError(f"{path} is too large ({error}).") from error
        except FAULTS as error:
            raise UnreadableMediaError(f"{path} isn't an image that can be read: {error}.") from error
        self._size = self._size or (picture.shape[1], picture.shape[0])
        return picture

    def _rgb(self, image: Image.Image) -> Image.Image:
        """The image in 8 bits; grey of more bits, which Pillow would cut off at 255, is scaled down."""
        from PIL import Image

        if not _is_deep(image):
            return image.convert("RGB")
        if self._white is None:
            self._white = white_level(max(map(self._brightest, self._paths)))
        values = np.asarray(image).astype(np.float32) * (255 / self._white)
        if not np.isfinite(values).all():
            raise ValueError("some of its pixels are no numbers")
        return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).convert("RGB")

    def _brightest(self, path: Path) -> float:
        """The brightest of a deep grey image, see `_bright`; 0 of another one, and of one that can't be read, which
        `read` tells.
        """
        from PIL import Image

        try:
            with Image.open(path, formats=FORMATS) as image:
                check_size(image.width, image.height, self._settings)
                return _bright(np.asarray(image)) if _is_deep(image) else 0.0
        except FAULTS:
            return 0.0


def _bright(values: NDArray[np.generic]) -> float:
    """The largest value but for HOT_SHARE of the pixels: those of a sensor that are stuck say nothing of its scale. 0
    where that is no number, which `read` tells.
    """
    rank = values.size - 1 - int(values.size * HOT_SHARE)
    brightest = float(np.partition(values, rank, axis=None)[rank])
    return brightest if math.isfinite(brightest) else 0.0


def white_level(brightest: float) -> float:
    """The value that stands for white in grey images of more than 8 bits.

    Args:
        brightest: largest value of the whole clip, hot pixels left out. Cameras write 10, 12 or 14 bits into files of
            16, or shares of 1.
    Returns:
        The full scale of the fewest bits, an even number of them and at least 8, that hold this value; 1 of shares.
    """
    if brightest <= 1:
        return 1.0
    bits = max(8, int(brightest).bit_length())
    return float(2 ** (bits + bits % 2) - 1)


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _upright(image: Image.Image) -> Image.Image:
    """Turned by its EXIF orientation; where that can't be read, as it is."""
    from PIL import Image

    if image.format == "TIFF":  # Pillow itself turns these when it loads them, and only these
        return image
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except FAULTS:
        return image
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if turn is None else image.transpose(turn)


def _finish(image: Image.Image, settings: MediaSettings, size: tuple[int, int] | None) -> Frame:
    from PIL import Image

    size = size or analysis_size(image.width, image.height, settings.analysis_side_px)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BOX)
    return np.array(image, np.uint8)


def _jpegs(data: bytes) -> Iterator[bytes]:
    """The JPEGs that lie one behind the other at the beginning of `data`, whole or cut off."""
    start = data.find(b"\xff\xd8\xff", 0, MOST_BETWEEN)
    while start >= 0:
        end = _end_of_jpeg(data, start)
        yield data[start:end]
        start = data.find(b"\xff\xd8\xff", end, end + MOST_BETWEEN)


def _end_of_jpeg(data: bytes, start: int) -> int:
    """Where a JPEG ends; its segments are stepped over, since previews in them are JPEGs too."""
    place = start + 2
    while marker := MARKER.search(data, place):
        place, kind = marker.start(), data[marker.start() + 1]
        if kind == 0xD9:
            return place + 2
        if kind == 0xD8:  # the next one begins: this one was cut off
            return place
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return len(data)


def _is_multipart(stream: BinaryIO) -> bool:
    """Whether a file is what a network camera sends: JPEGs, each behind a head of text."""
    stream.seek(0)
    head = stream.read(MOST_BETWEEN)
    return head.lstrip().startswith(b"--") and b"image/jpeg" in head.lower() and b"\xff\xd8\xff" in head
