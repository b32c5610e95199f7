"""`facemotion landmarks`: look at what the extractor sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(landmarks)


def landmarks(
    clip: Annotated[Path, typer.Argument(help="Video of one face.")],
    video: Annotated[Path, typer.Option(help="MP4 file to write, the points drawn on its frames.")],
    extractor: Annotated[
        str,
        typer.Option(help="Extractor that has landmarks: face-mesh, sfe-l, sfe-mt, sfe-l-half, your own."),
    ] = "face-mesh",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Draw the landmarks that an extractor finds on the frames of a clip, to look at."""
    from facemotion.config import load_settings
    from facemotion.face import BlazeFace, FaceTracker
    from facemotion.face.mark import mark_face
    from facemotion.features import load_extractor
    from facemotion.media import read_frames
    from facemotion.media.write import write_video
    from facemotion.models import Models

    settings = load_settings(config)
    models = Models.of(settings.runtime)
    network = load_extractor(extractor, models)
    # The mesh observes fewer points than it finds; an extractor of features alone has none but those that it observes.
    find = getattr(network, "landmarks", None) or (lambda *face: network.observe(*face).points)
    detector, tracker = BlazeFace(models, settings.face), FaceTracker(settings.face)

    def marked() -> Iterator[tuple[NDArray[np.uint8], float]]:
        for frame, seconds in read_frames(clip, settings.media):
            face = tracker.push(detector.detect(frame), seconds)
            points = None if face is None else find(frame, face.box, face.keypoints)[:, :2]
            yield mark_face(frame, None if face is None else face.box, points), seconds

    frames = write_video(marked(), video)
    tracker.check()
    if json:
        print_json({"video": str(video), "frames": frames, "face_share": round(tracker.face_share, 4)})
        return
    print(f"Wrote {frames} frames to {video}; a face in {tracker.face_share:.0%} of them.")
