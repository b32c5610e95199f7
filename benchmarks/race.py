"""One entrant of the race in benchmarks/pipeline.py: landmarks of every frame, with the processor time that they take.

    PYTHON benchmarks/race.py ENTRANT FRAMES.npy [--landmarker FILE]

It needs only NumPy and the entrant's own packages, so that it runs in an environment of theirs; uniface and deepface
fetch weights where they have none. It says "ready" or why it can't run. Then, for each line that it reads, it goes once
through the frames and answers with its milliseconds of processor time a frame and the share of frames with a face.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np

RATE = 25
"""Frames a second that the frames are said to have."""
Frames = np.ndarray
Run = Callable[[Frames], int]
"""From frames (T, H, W, 3) uint8 RGB to the number of those with a face."""


def facemotion_chain(landmarker: str) -> Run:
    """This package: BlazeFace on every frame, 478 points, quality and guidance; `landmarker` isn't used."""
    from facemotion.config import Settings
    from facemotion.frontend import Acquirer, Frontend

    frontend = Frontend.load(Settings())

    def run(frames: Frames) -> int:
        acquirer = Acquirer(frontend)
        for number, frame in enumerate(frames):
            acquirer.push_admitted(frame, number / RATE)
        return int(acquirer.sighting().used.sum())

    return run


def mediapipe_landmarker(landmarker: str) -> Run:
    """MediaPipe's face landmarker as it comes for videos, one face: it tracks, and detects where it lost the face."""
    import mediapipe
    from mediapipe.tasks import python as tasks
    from mediapipe.tasks.python import vision

    if not landmarker:
        raise FileNotFoundError("give its bundle: --landmarker face_landmarker.task")
    options = vision.FaceLandmarkerOptions(
        base_options=tasks.BaseOptions(model_asset_path=landmarker), running_mode=vision.RunningMode.VIDEO, num_faces=1
    )
    network = vision.FaceLandmarker.create_from_options(options)
    begun = 0.0

    def run(frames: Frames) -> int:
        nonlocal begun
        found = 0
        for number, frame in enumerate(frames):
            picture = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
            found += bool(network.detect_for_video(picture, round(1000 * (begun + number / RATE))).face_landmarks)
        begun += len(frames) / RATE + 10  # its clock may not run backwards
        return found

    return run


def uniface_landmarks(landmarker: str) -> Run:
    """uniface's RetinaFace and 106 landmarks of the first face, on every frame."""
    from uniface.detection import RetinaFace
    from uniface.landmark import Landmark106

    detector, network = RetinaFace(), Landmark106()

    def run(frames: Frames) -> int:
        found = 0
        for frame in frames:
            turned = np.ascontiguousarray(frame[:, :, ::-1])
            faces = detector.detect(turned)
            if faces:
                network.get_landmarks(turned, faces[0].bbox)
                found += 1
        return found

    return run


def deepface_detector(landmarker: str) -> Run:
    """deepface's OpenCV detector, which gives the eyes as landmarks, on every frame."""
    from deepface import DeepFace

    def run(frames: Frames) -> int:
        found = 0
        for frame in frames:
            turned = np.ascontiguousarray(frame[:, :, ::-1])
            faces = DeepFace.extract_faces(turned, detector_backend="opencv", enforce_detection=False)
            found += bool(faces and faces[0]["confidence"] > 0)
        return found

    return run


ENTRANTS: dict[str, Callable[[str], Run]] = {
    "facemotion": facemotion_chain,
    "mediapipe": mediapipe_landmarker,
    "uniface": uniface_landmarks,
    "deepface": deepface_detector,
}
"""By the name of the package that each needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entrant", choices=ENTRANTS)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--landmarker", default="")
    arguments = parser.parse_args()
    if importlib.util.find_spec(arguments.entrant) is None:
        print("not installed", flush=True)
        return
    frames = np.load(arguments.frames)
    try:
        run = ENTRANTS[arguments.entrant](arguments.landmarker)
        run(frames[:3])
    except Exception as error:  # noqa: BLE001 - whatever somebody else's package raises is why it doesn't run
        print(f"{type(error).__name__}: {error}".splitlines()[0], flush=True)
        return
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        found = run(frames)
        print(1000 * (time.process_time() - start) / len(frames), found / len(frames), flush=True)


if __name__ == "__main__":
    main()
