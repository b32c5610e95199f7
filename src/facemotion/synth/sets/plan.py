"""Many clips: who performs what how often, planned first, then rendered by several processes, resumable at any moment.

Every clip has a seed of its own, which depends on its place in the set and not on when it is rendered. So a run that
was killed and continued leaves the same manifest and ground truth, byte for byte, as an unbroken run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from facemotion.config import option
from facemotion.data.manifest import COLUMNS, ORDER, near_miss_name
from facemotion.errors import SettingsError
from facemotion.synth.filming.scene import Moments, SceneSettings, Session, make_session, sample
from facemotion.synth.people.cast import VERSION, Recruit, cast, part_random
from facemotion.synth.performance.habits import Habits, make_habits
from facemotion.synth.performance.lips import invent_phrases
from facemotion.synth.performance.motion import Program, invent_program, near_miss, parse_program, reorder
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.performance.takes import Take, make_take
from facemotion.types import ClipKind, ClipRecord


@dataclass(frozen=True)
class DatasetSettings:
    """What a data set holds."""

    subjects: int = option(59, "people", minimum=1, maximum=100000)
    motions: int = option(5, "facial motions per person", minimum=0, maximum=100)
    lips: int = option(5, "lip movements per person", minimum=0, maximum=100)
    takes: int = option(10, "takes per motion", minimum=1, maximum=1000)
    sessions: int = option(2, "recording sessions that the takes are spread over", minimum=1, maximum=20)
    later_takes: int = option(
        0, "further takes per facial motion and lip movement, in one more session", minimum=0, maximum=1000
    )
    near_misses: int = option(2, "motions per person that get a near miss", minimum=0, maximum=100)
    reorders: int = option(
        0, "motions per person that get a near miss of the same steps in another order", minimum=0, maximum=100
    )
    mimics: int = option(2, "motions per person that another person mimics", minimum=0, maximum=100)
    impostor_takes: int = option(5, "takes per near miss and mimic", minimum=1, maximum=1000)
    part: str = option(
        "benchmark",
        "portraits, motions and takes of their own",
        choices=("train", "validation", "benchmark"),
    )
    seed: int = option(0, "seed of everything", minimum=0)
    quality: int = option(23, "constant rate factor of H.264", minimum=0, maximum=51)
    spreads: Spreads = field(default_factory=Spreads)
    scene: SceneSettings = field(default_factory=SceneSettings)


@dataclass(frozen=True)
class PlannedClip:
    """One clip to be made.

    Attributes:
        record: its row of the manifest.
        performed: program or words, as text.
        stream: numbers that seed it.
        of: the subject whose motion it is or imitates.
    """

    record: ClipRecord
    performed: str
    stream: tuple[int, ...]
    of: str

    @property
    def truth(self) -> str:
        """Path of its ground truth, relative to the data set's folder."""
        return truth_path(self.record)

    def program(self) -> Program | str:
        """What is performed."""
        return self.performed if self.record.kind == ClipKind.LIP else parse_program(self.performed)


def truth_path(record: ClipRecord) -> str:
    """Path of a clip's ground truth, relative to the data set's folder."""
    return f"truth/{record.path.removeprefix('clips/').rpartition('.')[0]}.npz"


def make_plan(settings: DatasetSettings) -> list[PlannedClip]:
    """All clips of a data set, in the order of its manifest.

    Args:
        settings: what the data set holds.
    Raises:
        SettingsError: there are neither motions nor lip movements, more near misses or mimics than motions, or mimics
            of a single person.
    """
    if not settings.motions and not settings.lips:
        raise SettingsError("A data set of neither motions nor lips holds no clip; set one of them above 0.")
    if max(settings.near_misses, settings.mimics) > settings.motions:
        raise SettingsError("near_misses and mimics must not exceed motions.")
    if settings.mimics and settings.subjects < 2:
        raise SettingsError("Mimics need at least two subjects; set mimics to 0.")
    plan = []
    for number in range(settings.subjects):
        random = part_random(settings.part, VERSION, settings.seed, 21, number)
        # A stream of its own: asking for reorders changes no other clip.
        shuffler = part_random(settings.part, VERSION, settings.seed, 24, number)
        taken: set[str] = set()
        programs = [invent_program(random, taken) for _ in range(settings.motions)]
        for index, program in enumerate(programs):
            plan += _clips(settings, FACIAL, number, index, program)
        for index, phrase in enumerate(invent_phrases(random, settings.lips) if settings.lips else []):
            plan += _clips(settings, LIP, number, index, phrase)
        near = {index: near_miss(programs[index], random) for index in range(settings.near_misses)}
        for index, program in near.items():
            plan += _clips(settings, NEAR_MISS, number, index, program)
        others = [(index, reorder(program, shuffler)) for index, program in enumerate(programs)]
        # A near miss may be the other order already, and one motion must not have two names.
        others = [(index, order) for index, order in others if order and str(order) != str(near.get(index))]
        for index, order in others[: settings.reorders]:
            plan += _clips(settings, REORDER, number, index, order)
        for index in range(settings.mimics):
            mimic = (number + 1 + index) % settings.subjects
            if mimic != number:
                plan += _clips(settings, MIMIC, number, index, programs[index], mimic)
    return plan


@dataclass(frozen=True)
class Excerpt:
    """Which clips of a data set are made now. They are the same as in the whole set, byte for byte.

    Attributes:
        takes: most takes of a motion, spread evenly over those planned and so over its sessions; None for all.
        people: number of performers, from the first; None for all.
        kinds: kinds of clips; all if empty.
        sessions: numbers of sessions; all if empty.
    """

    takes: int | None = None
    people: int | None = None
    kinds: tuple[str, ...] = ()
    sessions: tuple[int, ...] = ()

    def of(self, plan: list[PlannedClip]) -> list[PlannedClip]:
        """The chosen clips of a plan, in its order.

        Raises:
            SettingsError: none of its clips is chosen.
        """
        makers = Counter((clip.record.subject, clip.record.motion) for clip in plan)
        wanted = {
            number: {i * number // self.takes for i in range(self.takes)} if self.takes else set(range(number))
            for number in set(makers.values())
        }
        performers = {_name(number) for number in range(self.people)} if self.people else None
        chosen = [
            clip
            for clip in plan
            if clip.record.repetition in wanted[makers[clip.record.subject, clip.record.motion]]
            and (performers is None or clip.record.subject in performers)
            and (not self.kinds or clip.record.kind in self.kinds)
            and (not self.sessions or clip.record.session in self.sessions)
        ]
        if not chosen:
            raise SettingsError(f"No clip of the set is of {self}.")
        return chosen


def _name(number: int) -> str:
    return f"s{number + 1:03d}"


@dataclass(frozen=True)
class _Sort:
    """A sort of clips.

    Attributes:
        kind: kind in the manifest.
        letters: letters in the name of a motion.
        number: number of the sort in the seeds of its clips.
        variant: which near miss it is; "" for clips of other kinds.
    """

    kind: ClipKind
    letters: str
    number: int
    variant: str = ""


FACIAL = _Sort(ClipKind.FACIAL, "fm", 1)
LIP = _Sort(ClipKind.LIP, "lm", 2)
NEAR_MISS = _Sort(ClipKind.NEAR_MISS, "fm", 3, "near")
MIMIC = _Sort(ClipKind.MIMIC, "fm", 4)
REORDER = _Sort(ClipKind.NEAR_MISS, "fm", 5, ORDER)


def _clips(
    settings: DatasetSettings, sort: _Sort, owner: int, index: int, performed: object, performer: int | None = None
) -> list[PlannedClip]:
    """All takes of the owner's motion `index`, or of its near miss. They are made by `performer` if given, else by the
    owner."""
    performer = owner if performer is None else performer
    subject, original = _name(performer), f"{_name(owner)}-{sort.letters}{index + 1}"
    motion = near_miss_name(original, sort.variant) if sort.variant else original
    file = f"{original}-{sort.variant}" if sort.variant else original
    takes = settings.impostor_takes if sort.kind.is_attack else settings.takes
    later = 0 if sort.kind.is_attack else settings.later_takes
    clips = []
    for take in range(takes + later):
        record = ClipRecord(
            path=f"clips/{subject}/{file}-{take:02d}.mp4",
            subject=subject,
            motion=motion,
            kind=sort.kind,
            repetition=take,
            session=take * settings.sessions // takes + 1 if take < takes else settings.sessions + 1,
            near_miss_of=original if sort.variant else "",
            reordered=sort.variant == ORDER,
        )
        stream = (owner, performer, sort.number, index, take)
        clips.append(PlannedClip(record, str(performed), stream, _name(owner)))
    return clips


@dataclass(frozen=True, eq=False)
class Performer:
    """What a subject brings to every clip: habits, and one scene per session."""

    recruit: Recruit
    habits: Habits
    sessions: tuple[Session, ...]


def make_performers(settings: DatasetSettings) -> dict[str, Performer]:
    """Performers by subject."""
    performers = {}
    for number, recruit in enumerate(cast(settings.subjects, settings.part, settings.seed)):
        random = part_random(settings.part, VERSION, settings.seed, 22, number)
        habits = make_habits(random, settings.spreads)
        count = settings.sessions + (settings.later_takes > 0)
        sessions = tuple(make_session(random, settings.scene) for _ in range(count))
        performers[recruit.name] = Performer(recruit, habits, sessions)
    return performers


def clip_random(settings: DatasetSettings, clip: PlannedClip, purpose: int) -> np.random.Generator:
    """A generator of the clip's own.

    Args:
        settings: part and seed of the data set.
        clip: the clip.
        purpose: 0 for the performance, 1 for its frames, 2 for the scene, 3 for the sensor.
    """
    return part_random(settings.part, VERSION, settings.seed, 23, *clip.stream, purpose)


def perform(settings: DatasetSettings, clip: PlannedClip, performer: Performer) -> tuple[Take, Moments]:
    """The performance of a clip and its frames; needs no assets and draws nothing.

    Args:
        settings: settings of the data set.
        clip: the clip.
        performer: who performs it.
    """
    spreads = settings.spreads
    if clip.record.kind != ClipKind.LIP and _is_flash(settings, clip):
        spreads = replace(spreads, flash=1.0)
    take = make_take(clip.program(), performer.habits, spreads, clip_random(settings, clip, 0))
    session = performer.sessions[clip.record.session - 1]
    return take, sample(take, session, settings.scene, clip_random(settings, clip, 1))


def _is_flash(settings: DatasetSettings, clip: PlannedClip) -> bool:
    """Whether all takes of a facial motion are flashes; then those of its near misses and mimics are, too."""
    if not settings.spreads.flash_motions:
        return False
    owner, _, _, index, _ = clip.stream
    random = part_random(settings.part, VERSION, settings.seed, 25, owner, index)
    return bool(random.random() < settings.spreads.flash_motions)


def plan_digest(settings: DatasetSettings, subjects: int | None = None) -> str:
    """SHA-256 over the manifest, the motions and all that is performed, frame by frame: times, weights, head poses,
    phases and flags. Pixels and landmarks follow from it and from the assets.

    Args:
        settings: settings of the data set.
        subjects: number of performers, from the first, whose clips count; all by default.
    """
    performers = make_performers(settings)
    chosen = set(list(performers)[:subjects])
    total = hashlib.sha256()
    for clip in make_plan(settings):
        if clip.record.subject in chosen:
            total.update(clip_digest_line(settings, clip, performers[clip.record.subject]).encode())
    return total.hexdigest()


def clip_digest_line(settings: DatasetSettings, clip: PlannedClip, performer: Performer) -> str:
    """One line that changes whenever the clip's row, motion or performance does."""
    take, moments = perform(settings, clip, performer)
    inner = hashlib.sha256()
    # Rounded, so that the last bit of another processor's logarithm changes nothing.
    for values, unit in ((moments.times, 1000), (moments.weights, 1000), (moments.turn, 100), (moments.phase, 1)):
        inner.update(np.round(np.asarray(values, np.float64) * unit).astype("<i4").tobytes())
    placed = "" if moments.nearer == moments.brighter == 1 else f"|{moments.nearer:.4f}|{moments.brighter:.4f}"
    return f"{_row_text(clip.record)}|{clip.performed}|{','.join(take.flags)}|{inner.hexdigest()}{placed}\n"


def scene_digest(settings: DatasetSettings) -> str:
    """SHA-256 over the size of the frames, their compression and every session's pose, light and camera.

    Args:
        settings: settings of the data set.
    """
    total = hashlib.sha256()
    scene = settings.scene
    total.update(f"{scene.width}x{scene.height}|{settings.quality}|{scene.sway:g}\n".encode())
    for name, performer in make_performers(settings).items():
        for session in performer.sessions:
            values = np.concatenate([np.ravel(value) for value in vars(session).values()])
            rounded = np.round(np.asarray(values, np.float64) * 1000).astype("<i4")
            total.update(name.encode() + rounded.tobytes())
    return total.hexdigest()


def _row_text(record: ClipRecord) -> str:
    """The row of a clip, in the words that the digest of Synth-59 was recorded over."""
    row = ", ".join(f"{name}={_plain(getattr(record, name))!r}" for name in COLUMNS)
    return f"ClipRecord({row})"


def _plain(value: object) -> object:
    return value.value if isinstance(value, ClipKind) else value


def by_subject(plan: list[PlannedClip]) -> Iterator[list[PlannedClip]]:
    """The clips of each performer together, so that each person is built once."""
    groups: dict[str, list[PlannedClip]] = {}
    for clip in plan:
        groups.setdefault(clip.record.subject, []).append(clip)
    yield from groups.values()
