"""Ground truth of a clip: what the renderer knows and a camera can't measure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.npz import DAMAGE, open_npz, pack
from facemotion.errors import ManifestError
from facemotion.synth.drawing.vertices import blend_shapes
from facemotion.synth.filming.camera import slant
from facemotion.synth.filming.scene import Session, Shot
from facemotion.synth.filming.view import on_screen
from facemotion.synth.people.head import FloatArray, HeadModel
from facemotion.synth.people.person import Person
from facemotion.system.files import file_sha256, room_for, write_whole


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of T frames.

    Attributes:
        times: (T,) float64 seconds.
        landmarks: (T, 68, 2) float32 pixels; the jaw line is anchored on the head, not on its outline.
        weights: (T, S) float32 in the order of `head.SHAPES`.
        pose: (T, 3) float32 degrees of pitch (up), yaw (to the subject's left), roll.
        phase: (T,) uint8, 0 neutral, 1 onset, 2 apex, 3 offset.
        flags: those of `takes.FLAGS` that tell what went wrong on purpose.
    """

    times: NDArray[np.float64]
    landmarks: FloatArray
    weights: FloatArray
    pose: FloatArray
    phase: NDArray[np.uint8]
    flags: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write as npz: milliseconds, sixteenths of a pixel, thousandths of a weight, hundredths of a degree.

        Args:
            path: file to write.
        Raises:
            WriteError: the file can't be written.
        """
        content = pack(
            milliseconds=np.round(self.times * 1000).astype(np.int32),
            landmarks=np.round(self.landmarks * 16).astype(np.int16),
            weights=np.round(self.weights * 1000).astype(np.int16),
            pose=np.round(self.pose * 100).astype(np.int16),
            phase=self.phase,
            flags=np.array(",".join(self.flags)),
        )
        with room_for(path):
            write_whole(path, content)


def load_truth(path: Path) -> Truth:
    """Read the ground truth of a clip.

    Args:
        path: file to read.
    Raises:
        ManifestError: there is no such file, or `Truth.save` didn't write it.
    """
    try:
        with open_npz(path) as data:
            flags = str(data["flags"])
            return Truth(
                times=data["milliseconds"] / 1000,
                landmarks=(data["landmarks"] / 16).astype(np.float32),
                weights=(data["weights"] / 1000).astype(np.float32),
                pose=(data["pose"] / 100).astype(np.float32),
                phase=data["phase"],
                flags=tuple(flags.split(",")) if flags else (),
            )
    except (OSError, *DAMAGE) as error:
        raise ManifestError(f"{path} isn't ground truth written by `facemotion synth`.") from error


class Surveyor:
    """Projects the 68 landmarks of one person without drawing anything."""

    def __init__(self, head: HeadModel, person: Person, width: int, height: int) -> None:
        """Prepare for one person.

        Args:
            head: the model.
            person: who is filmed.
            width: width of the frames, pixels.
            height: height of the frames, pixels.
        """
        self._person, self._size = person, (width, height)
        marks = head.landmarks
        self._neutral = np.ascontiguousarray(person.neutral[marks])
        self._expression = np.ascontiguousarray(person.expression[:, marks])

    def survey(self, shot: Shot, session: Session, flags: tuple[str, ...]) -> Truth:
        """Ground truth of a shot.

        Args:
            shot: what each frame shows.
            session: session in which it is filmed.
            flags: those of `takes.FLAGS` that tell what went wrong on purpose.
        """
        rows, pose = [], []
        for k, state in enumerate(shot.states):
            points = blend_shapes(self._neutral, self._expression, state.weights)
            places = on_screen(self._person, points, state, *self._size)[:, :2]
            lag = slant(session, shot.speed[k])
            rows.append(places + (places[:, 1:] / self._size[1] - 0.5) * lag)
            pose.append(angles(state.rotation @ self._person.rotation))
        weights = np.stack([state.weights for state in shot.states])
        return Truth(
            times=shot.times,
            landmarks=np.stack(rows).astype(np.float32),
            weights=weights,
            pose=np.array(pose, np.float32),
            phase=shot.phase,
            flags=flags,
        )


def angles(rotation: FloatArray) -> tuple[float, float, float]:
    """Angles of a rotation; the inverse of `scene.rotation`.

    Args:
        rotation: (3, 3) float32 from the head to the camera.
    Returns:
        Degrees of pitch (up), yaw (to the subject's left) and roll (to the subject's left shoulder).
    """
    yaw = float(np.arctan2(rotation[0, 2], rotation[2, 2]))
    pitch = float(np.arcsin(np.clip(rotation[1, 2], -1, 1)))
    roll = float(-np.arctan2(rotation[1, 0], rotation[1, 1]))
    return float(np.degrees(pitch)), float(np.degrees(yaw)), float(np.degrees(roll))


def digest(paths: list[Path]) -> str:
    """SHA-256, in hex, over the names and the bytes of files.

    Args:
        paths: the files, in this order.
    """
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + b"\0")
        total.update(bytes.fromhex(file_sha256(path)))
    return total.hexdigest()
