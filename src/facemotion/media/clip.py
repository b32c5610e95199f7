"""Clips, frame by frame or whole: a stream, so that memory doesn't grow with the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from facemotion.config import MediaSettings
from facemotion.errors import MediaError, NoVideoError, UnreadableMediaError
from facemotion.media.clock import Shot
from facemotion.media.gate import FASTEST, Allowance, Frame, admit_frames
from facemotion.media.pictures import folder_shots, jpeg_shots, look_at_header
from facemotion.media.source import Source, is_folder, named, open_bytes
from facemotion.media.video import video_shots
from facemotion.types import Clip


def load_clip(source: Source, settings: MediaSettings | None = None, rate: float | None = None) -> Clip:
    """Decode a whole clip into memory. The verifier streams instead: see read_frames.

    Args:
        source: path of a video, path of a folder of images, or the bytes of a video.
        settings: limits; frames longer than `analysis_side_px` are scaled down to it.
        rate: frames/s of what has no times; see read_frames.
    Returns:
        Clip with T >= 1 frames of one size; times start at 0.
    Raises:
        MediaError and its kinds, TimestampError, TooShortError: see read_frames.
    """
    pairs = list(read_frames(source, settings, rate))
    return Clip(np.stack([frame for frame, _ in pairs]), np.array([seconds for _, seconds in pairs], np.float64))


def read_frames(
    source: Source,
    settings: MediaSettings | None = None,
    rate: float | None = None,
    max_wall_seconds: float | None = None,
) -> FrameReader:
    """Decode a clip frame by frame.

    Args:
        source: path of a video, path of a folder of images, or the bytes of a video.
        settings: limits.
        rate: frames/s; needed for a folder of images and for JPEGs one behind the other, allowed for H.264 and HEVC
            without a container, refused otherwise.
        max_wall_seconds: how long reading may take from its first frame, including the caller's work on each frame;
            None: no limit.
    Returns:
        Iterator of (H, W, 3) uint8 RGB, upright and unmirrored as the clip says it is to be shown, with square pixels,
        the same H and W throughout, and the time in seconds since the first frame. Nothing is opened before the first.
    Raises:
        UnreadableMediaError: missing, empty, truncated, damaged or not a video; once the end is reached, too many
            damaged frames.
        NoVideoError: no picture in it.
        MediaLimitError: too large, too long, too many pixels or frames (skipped ones count), or out of time.
        TimestampError: times run backwards.
        TooShortError: shorter than `min_seconds`, once the end is reached.
    """
    return FrameReader(source, settings or MediaSettings(), rate, max_wall_seconds)


class FrameReader:
    """The frames of one clip with their times; damaged ones are left out, and counted. See read_frames."""

    def __init__(
        self, source: Source, settings: MediaSettings, rate: float | None, max_wall_seconds: float | None = None
    ) -> None:
        self._source, self._settings, self._rate = source, settings, rate
        self._max_wall_seconds = max_wall_seconds
        self._sound_frames = self._damaged_frames = 0
        self._pairs = self._read()

    def __iter__(self) -> Iterator[tuple[Frame, float]]:
        return self

    def __next__(self) -> tuple[Frame, float]:
        return next(self._pairs)

    @property
    def damaged_share(self) -> float:
        """Share of the frames read so far that were damaged, 0..1; those skipped for their rate are frames too."""
        return self._damaged_frames / max(1, self._damaged_frames + self._sound_frames)

    def _read(self) -> Iterator[tuple[Frame, float]]:
        if isinstance(self._source, bytes):
            yield from self._used(self._shots(self._source))
            return
        with named(self._source):
            yield from self._used(self._shots(Path(self._source)))

    def _shots(self, source: Path | bytes) -> Iterator[Shot]:
        settings, rate = self._settings, self._rate
        allowance = Allowance(settings, self._max_wall_seconds)
        if isinstance(source, Path) and is_folder(source):
            if rate is None:
                raise MediaError(
                    f"{source} is a folder: give a video, or a folder of images with its rate in frames/s, from "
                    "Python: load_clip(folder, rate=25)."
                )
            yield from folder_shots(source, rate, settings, allowance)
            return
        with open_bytes(source, settings) as stream:
            if look_at_header(stream, settings):
                if rate is None:
                    raise MediaError(
                        "The file is JPEGs one behind the other, without their times: put them into a container (MP4, "
                        "WebM, AVI), or give their rate in frames/s."
                    )
                yield from jpeg_shots(stream, rate, settings, allowance)
            else:
                yield from video_shots(stream, settings, allowance, rate)

    def _used(self, shots: Iterator[Shot]) -> Iterator[tuple[Frame, float]]:
        return admit_frames(self._sound(shots), self._settings)

    def _sound(self, shots: Iterator[Shot]) -> Iterator[tuple[float, Callable[[], Frame]]]:
        """The frames that aren't damaged; raises at the end where too many are, or none was there."""
        settings = self._settings
        most = max(1.0, settings.max_damaged_share * settings.max_seconds * FASTEST)
        for shot in shots:
            if shot.make is None:
                self._damaged_frames += 1
                if self._damaged_frames > most:  # no clip within the limits has as many frames
                    break
                continue
            self._sound_frames += 1
            yield shot.seconds, shot.make
        if self.damaged_share > settings.max_damaged_share:
            raise UnreadableMediaError(
                f"{self.damaged_share:.0%} of the frames are damaged, or predicted from damaged ones; at most "
                f"{settings.max_damaged_share:.0%} may be. Record or export the clip again."
            )
        if self._sound_frames == 0:
            raise NoVideoError("The file holds no picture; record the clip again with the camera on.")
