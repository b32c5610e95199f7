"""Frames into a video file."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import UsageError
from facemotion.system.files import room_for, whole


def write_video(timed: Iterable[tuple[NDArray[np.uint8], float]], path: Path, quality: int = 20) -> int:
    """Write H.264 with the given times, frame by frame; whole or not at all.

    Args:
        timed: frames (H, W, 3) uint8 RGB of one size and their seconds, rising. An odd side loses its last pixel.
        path: ends in .mp4.
        quality: constant rate factor, 0 (lossless) to 51.
    Returns:
        Number of frames written.
    Raises:
        UsageError: there is no frame.
        WriteError: the file can't be written.
    """
    import av

    frames, count = iter(timed), 0
    first = next(frames, None)
    if first is None:
        raise UsageError(f"There are no frames to write to {path}; give one at least.")
    with room_for(path), whole(path) as draft, av.open(str(draft), "w", format="mp4") as container:
        # The same frames must make the same file: several threads, and x264's macroblock tree (its vector code
        # adds in an order that hangs on where memory lies), don't.
        options = {"crf": str(quality), "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
        stream = container.add_stream("libx264", rate=1000, options=options)
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for frame, seconds in chain([first], frames):
            height, width = (side - side % 2 for side in frame.shape[:2])
            if count == 0:
                stream.height, stream.width = height, width
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            picture.pts = round(1000 * seconds)
            picture.time_base = Fraction(1, 1000)
            container.mux(stream.encode(picture))
            count += 1
        container.mux(stream.encode(None))
    return count
