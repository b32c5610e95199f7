"""Contact sheets: what the engine makes, at a glance."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from facemotion.errors import MotionProgramError, SettingsError, WriteError
from facemotion.synth.filming.camera import Frame
from facemotion.synth.filming.scene import SceneSettings, Session, Shot, make_session
from facemotion.synth.people.cast import PersonBuilder, Recruit, cast
from facemotion.synth.people.head import HeadModel
from facemotion.synth.people.person import Person
from facemotion.synth.performance.habits import make_habits
from facemotion.synth.performance.lips import lexicon, spell
from facemotion.synth.performance.motion import Program, parse_program
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets.plan import DatasetSettings, Performer, PlannedClip
from facemotion.synth.sets.produce import SessionRenderer
from facemotion.synth.sets.truth import Truth
from facemotion.types import ClipKind, ClipRecord

PICTURES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}  # formats by suffix
QUIET = Spreads(flash=0, other_ending=0, other_intensity=0, inconsistent=0, unfinished=0)


class Preview:
    """People, motions and cameras for looking at."""

    def __init__(self, head: HeadModel, builder: PersonBuilder, scene: SceneSettings, seed: int) -> None:
        """Prepare a preview.

        Args:
            head: the model.
            builder: builds the people.
            scene: spreads of light and cameras.
            seed: seed of everything.
        """
        self._head, self._builder, self._seed = head, builder, seed
        self.settings = DatasetSettings(spreads=QUIET, scene=scene, seed=seed)

    def recruits(self, count: int, part: str) -> list[Recruit]:
        """The first people of a part.

        Args:
            count: number of people.
            part: one of `cast.PARTS`.
        """
        return cast(count, part, self._seed)

    def person(self, recruit: Recruit) -> Person:
        """A person built."""
        return self._builder.build(recruit)

    def session(self, number: int) -> Session:
        """A scene and camera."""
        return make_session(np.random.default_rng([self._seed, 31, number]), self.settings.scene)

    def clip(
        self, person: Person, recruit: Recruit, motion: str, session: Session, take: int
    ) -> tuple[list[Frame], Shot, Truth]:
        """Film one take.

        Args:
            person: who performs.
            recruit: what the person was built from.
            motion: a motion program or words.
            session: scene and camera.
            take: number of the take.
        Returns:
            Frames, what each of them shows, and the ground truth.
        Raises:
            MotionProgramError: the motion is neither a program nor words.
        """
        kind = ClipKind.FACIAL if isinstance(as_motion(motion), Program) else ClipKind.LIP
        record = ClipRecord("preview.mp4", recruit.name, "preview", kind, take, 1)
        clip = PlannedClip(record, motion, (recruit.seed, take), recruit.name)
        habits = make_habits(np.random.default_rng([self._seed, 32, recruit.seed]), self.settings.spreads)
        performer = Performer(recruit, habits, (session,))
        renderer = SessionRenderer(self._head, person, session, self.settings)
        shot, truth = renderer.shoot(clip, performer)
        return list(renderer.frames(shot, recruit.seed + take)), shot, truth


def as_motion(text: str) -> Program | str:
    """Read a motion.

    Args:
        text: a motion program or words.
    Returns:
        The program, or the words as they are.
    Raises:
        MotionProgramError: the text is neither; the message is the program's, or the dictionary's for plain words.
    """
    words = text.lower().split()
    if words and all(word in lexicon() for word in words):
        return text
    try:
        return parse_program(text)
    except MotionProgramError:
        if len(words) > 1 and all(word.isalpha() for word in words):
            spell(text)
        raise


def strip(frames: list[Frame], count: int) -> Frame:
    """Frames of a clip side by side.

    Args:
        frames: all frames of the clip.
        count: number of frames shown, evenly spread.
    """
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    return np.concatenate([frames[index] for index in chosen], axis=1)


def apex(truth: Truth) -> int:
    """The frame at which most is moved."""
    return int(np.argmax(np.where(truth.phase == 2, truth.weights.sum(1), -1)))


def grid(pictures: list[Frame], columns: int) -> Frame:
    """Pictures of one size in rows.

    Args:
        pictures: the pictures, row by row.
        columns: pictures in a row.
    """
    blank = np.full_like(pictures[0], 255)
    rows = [pictures[k : k + columns] for k in range(0, len(pictures), columns)]
    return np.concatenate([np.concatenate(row + [blank] * (columns - len(row)), axis=1) for row in rows], axis=0)


def save_picture(picture: Frame, path: Path, quality: int = 82) -> None:
    """Write a JPEG or PNG, by the path's suffix.

    Args:
        picture: (H, W, 3) uint8 RGB.
        path: file to write.
        quality: JPEG quality, 1..100.
    Raises:
        SettingsError: the suffix belongs to another kind of picture.
        WriteError: the file can't be written.
    """
    kind = PICTURES.get(path.suffix.lower())
    if kind is None:
        raise SettingsError(f"{path} must end in {', '.join(PICTURES)}: pictures are written as JPEG or PNG.")
    content = io.BytesIO()  # Pillow, writing a file itself, says nothing where the last bytes have no room
    Image.fromarray(picture).save(content, kind, **({"quality": quality} if kind == "JPEG" else {}))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise WriteError(f"Can't write {path}: {error}.") from error


def clean(session: Session) -> Session:
    """The same scene before a faultless camera."""
    return replace(
        session, noise=0.6, sharpness=1.0, quality=0, drift=0.0, shutter=0.001, readout=0.0, shake=0.0, vignette=0.0
    )
