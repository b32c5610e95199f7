"""A clip as a row of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facemotion.types import Clip

GREY = (236, 238, 241)
INK = (32, 36, 42)


def frame_strip(clip: Clip, count: int = 8, height: int = 120) -> NDArray[np.uint8]:
    """`count` frames at equal times from the first to the last, side by side, each with its time.

    Args:
        clip: T frames; where T < count some repeat.
        count: frames shown, >= 1.
        height: of the strip, pixels.
    Returns:
        (height, count * w, 3) uint8 RGB, w after the clip's shape.
    """
    wanted = np.linspace(clip.times[0], clip.times[-1], count)
    width = max(1, round(clip.frames.shape[2] * height / clip.frames.shape[1]))
    strip = Image.new("RGB", (width * count, height))
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(11)
    for place, seconds in enumerate(wanted):
        number = int(np.abs(clip.times - seconds).argmin())
        picture = Image.fromarray(clip.frames[number]).resize((width, height), Image.Resampling.LANCZOS)
        strip.paste(picture, (place * width, 0))
        draw.text(
            (place * width + 4, height - 15),
            f"{clip.times[number]:.2f} s",
            (255, 255, 255),
            font,
            stroke_width=1,
            stroke_fill=(0, 0, 0),
        )
    return np.asarray(strip)


def contact_sheet(rows: list[tuple[str, NDArray[np.uint8]]]) -> Image.Image:
    """Strips under their captions on one page.

    Args:
        rows: caption and (h, w, 3) uint8 strip of each row.
    """
    font = ImageFont.load_default(15)
    width = max(strip.shape[1] for _, strip in rows) + 24
    height = sum(strip.shape[0] + 34 for _, strip in rows) + 12
    page = Image.new("RGB", (width, height), GREY)
    draw = ImageDraw.Draw(page)
    top = 0
    for caption, strip in rows:
        draw.text((12, top + 10), caption, INK, font)
        page.paste(Image.fromarray(strip), (12, top + 32))
        top += strip.shape[0] + 34
    return page
