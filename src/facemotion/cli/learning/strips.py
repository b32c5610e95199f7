"""Some moments of a clip, cut to the face, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from facemotion.config import Settings
from facemotion.data.manifest import Manifest
from facemotion.face import BlazeFace
from facemotion.media import read_frames
from facemotion.models import Models
from facemotion.signals import active_span
from facemotion.types import ClipRecord, FeatureSequence

STRIP_FRAMES, STRIP_PX = 8, 150


class FaceStrips:
    """Gives squares round the face of a clip, with their seconds.

    Args:
        manifest: N clips.
        sequences: their features, which say when the motion takes place.
        settings: of the deployment: limits of clips and the models.
        side: of a square, pixels.
    """

    def __init__(
        self, manifest: Manifest, sequences: Sequence[FeatureSequence], settings: Settings, side: int = STRIP_PX
    ) -> None:
        self._manifest, self._settings, self._side = manifest, settings, side
        self._detector = BlazeFace(Models.of(settings.runtime), settings.face)
        self._spans = {}
        for record, sequence in zip(manifest.records, sequences, strict=True):
            first, last = active_span(sequence.values, sequence.times)
            self._spans[record] = float(sequence.times[first]), float(sequence.times[last])

    def __call__(self, record: ClipRecord) -> list[NDArray[np.uint8]]:
        """STRIP_FRAMES (side, side, 3) uint8 RGB, evenly spread over the motion.

        Raises:
            MediaError: there is no film that can be read.
        """
        return self.at(record, np.linspace(*self._spans[record], STRIP_FRAMES))

    def at(self, record: ClipRecord, moments: Sequence[float] | NDArray[np.floating]) -> list[NDArray[np.uint8]]:
        """The frames nearest to some moments.

        Args:
            record: one of the clips.
            moments: K times, seconds.
        Returns:
            K (side, side, 3) uint8 RGB.
        Raises:
            MediaError: there is no film that can be read.
        """
        frames, times = zip(*read_frames(self._manifest.file(record), self._settings.media), strict=True)
        places = [int(np.abs(np.subtract(times, at)).argmin()) for at in moments]
        chosen = [frames[i] for i in places]
        boxes = [found[0] for found in (self._detector.detect(frame).boxes for frame in chosen) if len(found)]
        height, width = frames[0].shape[:2]
        x0, y0, x1, y1 = np.median(boxes, axis=0) if boxes else (0, 0, width, height)
        half = 0.6 * max(x1 - x0, y1 - y0)
        area = ((x0 + x1) / 2 - half, (y0 + y1) / 2 - half, (x0 + x1) / 2 + half, (y0 + y1) / 2 + half)
        shown = []
        for place, frame in zip(places, chosen, strict=True):
            # Black past the border.
            picture = Image.fromarray(frame).crop(tuple(map(round, area))).resize((self._side, self._side))
            ImageDraw.Draw(picture).text(
                (4, 2), f"{times[place]:.1f} s", "white", font_size=13, stroke_width=1, stroke_fill="black"
            )
            shown.append(np.asarray(picture))
        return shown
