"""What enrolment asks of the takes: agreement, a motion that is hard to guess, a face that nobody else enrolled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from facemotion.appearance import Recogniser
from facemotion.common_motions import common_motions
from facemotion.config import VerifierSettings
from facemotion.encoder import Encoder
from facemotion.errors import DuplicateFaceError, EnrolmentError, PresentationAttackError
from facemotion.frontend import Acquisition, Frontend
from facemotion.signals import measure_cues
from facemotion.store import TemplateStore, check_user
from facemotion.thresholds import OperatingPoints, for_takes, template_score
from facemotion.types import Embedding, Factor, OperatingPoint, QualityReport, Template

DUPLICATE = "This face is enrolled under another name already."
LARGE_MOTION = 3
"""A motion of so many times `weak_energy` is large."""
ROUNDING = 1e-5
"""By which a score may be off for the rounding of its cosines."""
_UNLIKE: dict[Factor, str] = {
    "motion": "{} was different; make the same motion once more.",
    "appearance": "{} shows another face; only one person can be enrolled.",
}


@dataclass(frozen=True, eq=False)
class Appearance:
    """The second factor: who performs the motion.

    Attributes:
        recogniser: turns portraits into a vector.
        operating_points: the threshold for it, by number of takes.
        duplicate: the threshold above which two names have one face.
    """

    recogniser: Recogniser
    operating_points: OperatingPoints
    duplicate: OperatingPoints


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What an enrolment stores.

    Attributes:
        templates: what is to be stored, by factor; always one of the motion.
        agreement: (K,) float32, mean cosine of each take with the others; 1 for a single take.
        quality: one report a take.
        warnings: sentences: why the motion is easy to guess, that the face is enrolled under another name, or that a
            take looks as if a screen was filmed.
        duplicates: other names that the face is enrolled under, most similar first; empty unless the settings search.
    """

    templates: dict[Factor, Template]
    agreement: NDArray[np.float32]
    quality: tuple[QualityReport, ...]
    warnings: tuple[str, ...]
    duplicates: tuple[str, ...] = ()

    @property
    def template(self) -> Template:
        """The vectors of the motion's takes, as stored."""
        return self.templates["motion"]


@dataclass(frozen=True)
class Review:
    """How the takes so far would do as a template, before anything is stored.

    Attributes:
        problem: a sentence that says which take isn't like the others, and why; "" if all agree.
        odd: number of that take, from 1; 0 if all agree. If there are only two takes, it is the later one.
        size: 0..1, how large the motion is: its energy over three times `weak_energy`. It doesn't say how many other
            people would choose the same motion.
        warnings: as in Enrolment.
    """

    problem: str
    odd: int
    size: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class OddTake:
    """A take that doesn't go with the others.

    Attributes:
        number: of the take, from 1.
        factor: in which it is unlike the others.
        agreement: its mean cosine with them.
        least: the agreement that it must have.
    """

    number: int
    factor: Factor
    agreement: float
    least: float


class Enroller:
    """Makes templates of takes, after checking the takes. It knows the thresholds and the motions that everybody makes.
    Load it once; it is safe to use from several threads.

    Attributes:
        frontend: reads the clips of common motions.
        encoder: gives the vectors of motions.
        operating_points: the threshold of a motion, by number of takes.
        limits: the settings of enrolment.
        appearance: the second factor; None where motion alone is compared.
    """

    def __init__(
        self,
        frontend: Frontend,
        encoder: Encoder,
        operating_points: OperatingPoints,
        limits: VerifierSettings,
        appearance: Appearance | None = None,
    ) -> None:
        self.frontend = frontend
        self.encoder = encoder
        self.operating_points = operating_points
        self.limits = limits
        self.appearance = appearance

    def embed(self, acquisition: Acquisition) -> dict[Factor, Embedding]:
        """One unit vector for each factor that is compared."""
        vectors: dict[Factor, Embedding] = {"motion": self.encoder(acquisition.features)}
        if self.appearance is not None:
            vectors["appearance"] = self.appearance.recogniser(acquisition.portraits)
        return vectors

    def point(self, factor: Factor, takes: int) -> OperatingPoint:
        """The threshold of a factor for a template of so many takes."""
        return for_takes(self.points(factor), takes)

    def points(self, factor: Factor) -> OperatingPoints:
        """The thresholds of a factor, by number of takes."""
        judge = self.appearance if factor == "appearance" and self.appearance is not None else self
        return judge.operating_points

    @cached_property
    def common(self) -> dict[str, NDArray[np.float32]]:
        """Vectors (N, E) of the takes of each motion that everybody makes, by its name.

        Raises:
            SettingsError: the folder of common motions can't be used.
        """
        return common_motions(self.limits.common_motions, self.frontend, self.encoder)

    def enrol(self, store: TemplateStore, user: str, acquisitions: Sequence[Acquisition]) -> Enrolment:
        """Store templates of takes; whatever was kept of the user is replaced.

        Raises:
            EnrolmentError, DuplicateFaceError: see prepare.
            StoreError: the store can't take it.
        """
        enrolment = self.prepare(store, user, acquisitions)
        store.put(*enrolment.templates.values(), whole=True)
        return enrolment

    def change_motion(self, store: TemplateStore, user: str, acquisitions: Sequence[Acquisition]) -> Enrolment:
        """Replace the template of the motion alone, by takes that show the face that is enrolled.

        Raises:
            UnknownUserError: nobody of that name is enrolled with a face.
            EnrolmentError: no recogniser compares faces, a take shows another face, or see prepare.
            DuplicateFaceError, StoreError: see enrol.
        """
        recogniser = self.compared_face().recogniser
        for number, acquisition in enumerate(acquisitions, 1):
            cosines = store.compare(user, "appearance", recogniser(acquisition.portraits))
            if not self.point("appearance", len(cosines)).accepts(template_score(cosines)):
                raise EnrolmentError(
                    f"Take {number} shows another face than the one that is enrolled; record it again.",
                    takes=(number,),
                )
        enrolment = self.prepare(store, user, acquisitions)
        store.put(enrolment.template, replace=True)
        return enrolment

    def compared_face(self) -> Appearance:
        """The second factor, without which a motion can't be changed.

        Raises:
            EnrolmentError: motion alone is compared.
        """
        if self.appearance is None:
            raise EnrolmentError("Without a recogniser a motion can't be changed apart from the face; enrol again.")
        return self.appearance

    def prepare(self, store: TemplateStore, user: str, acquisitions: Sequence[Acquisition]) -> Enrolment:
        """What `enrol` would store, without storing it; for a caller that stores more in the same transaction.

        Args:
            store: where faces that are enrolled already are looked for.
            user: a name, 1 to 128 characters.
            acquisitions: `min_takes` to `max_takes` takes of one motion.
        Raises:
            EnrolmentError: too few or many takes, two that are one recording, one that isn't like the others, or a
                weak motion where the settings refuse that.
            DuplicateFaceError: the face is enrolled under another name, and the settings refuse that.
            PresentationAttackError: see refuse_attacks.
        """
        user = check_user(user)
        self.check_count(len(acquisitions))
        self.refuse_attacks(acquisitions)
        refuse_copies(acquisitions)
        templates = self._templates(user, acquisitions)
        agreement = self.check_agreement(templates)
        warnings = self._weaknesses(acquisitions, templates["motion"])
        if warnings and self.limits.weak_motion == "refuse":
            raise EnrolmentError(" ".join(warnings))
        duplicates: tuple[str, ...] = ()
        if self.appearance is not None and self.limits.duplicate_face != "off":
            duplicates = find_duplicates(store, templates["appearance"], self.appearance.duplicate)
        if duplicates:
            if self.limits.duplicate_face == "refuse":
                raise DuplicateFaceError(DUPLICATE, users=duplicates)
            warnings += (DUPLICATE,)
        warnings += _suspicions(acquisitions)
        quality = tuple(acquisition.quality for acquisition in acquisitions)
        return Enrolment(templates, agreement, quality, warnings, duplicates)

    def review(self, acquisitions: Sequence[Acquisition]) -> Review:
        """Look at one or more takes while an enrolment is going on; stores nothing, raises nothing of its own."""
        templates = self._templates("-", acquisitions)
        odd = self._find_odd_take(templates)  # as enrolment will ask
        problem = ""
        if odd is not None:
            problem = _UNLIKE[odd.factor].format(
                "That one" if odd.number == len(acquisitions) else f"Take {odd.number}"
            )
        energy = float(np.median([acquisition.quality.motion_energy for acquisition in acquisitions]))
        large = LARGE_MOTION * self.limits.weak_energy
        size = min(energy / large, 1.0) if large else 1.0
        warnings = self._weaknesses(acquisitions, templates["motion"]) + _suspicions(acquisitions)
        return Review(problem, odd.number if odd else 0, size, warnings)

    def refuse_attacks(self, acquisitions: Sequence[Acquisition]) -> None:
        """See that no clip shows a screen, where the settings ask for that.

        Raises:
            PresentationAttackError: one looks like it; the reason is named.
        """
        if self.limits.presentation != "refuse":
            return
        for reason in _suspicions(acquisitions):
            raise PresentationAttackError(f"{reason} Sit before the camera yourself and record again.")

    def check_count(self, takes: int) -> None:
        """See that an enrolment has as many takes as the settings ask.

        Raises:
            EnrolmentError: too few or many.
        """
        limits = self.limits
        if not limits.min_takes <= takes <= limits.max_takes:
            raise EnrolmentError(
                f"Enrolment takes {limits.min_takes} to {limits.max_takes} clips of the same motion, got {takes}."
            )

    def _templates(self, user: str, acquisitions: Sequence[Acquisition]) -> dict[Factor, Template]:
        takes = [self.embed(acquisition) for acquisition in acquisitions]
        return {
            factor: Template(user, factor, np.stack([take[factor].vector for take in takes]), first.model_id)
            for factor, first in takes[0].items()
        }

    def _find_odd_take(self, templates: Mapping[Factor, Template]) -> OddTake | None:
        """Hold every take of every factor against the others, each as a probe of theirs.

        Args:
            templates: by factor.
        Returns:
            The take that is least like the others, where one is too unlike; of two takes the second.
        """
        for factor, template in templates.items():
            agreement = template.agreement
            worst = int(np.argmin(agreement)) if len(agreement) > 2 else len(agreement) - 1
            least = self.point(factor, max(1, len(agreement) - 1)).threshold
            if agreement[worst] < least:
                return OddTake(worst + 1, factor, float(agreement[worst]), least)
        return None

    def check_agreement(self, templates: Mapping[Factor, Template]) -> NDArray[np.float32]:
        """Hold every take against the others; see _find_odd_take.

        Returns:
            (K,) mean cosine of each take's motion with the others.
        Raises:
            EnrolmentError: a take isn't like the others; its number is named, from 1. Of two takes both are.
        """
        agreement = templates["motion"].agreement
        odd = self._find_odd_take(templates)
        if odd is None:
            return agreement
        figures = f"(agreement {odd.agreement:.2f}, at least {odd.least:.2f} is needed)"
        if len(agreement) > 2:
            unlike = "isn't like the others" if odd.factor == "motion" else "shows another face than the others"
            words = f"Take {odd.number} {unlike} {figures}; make the same motion in every take and record it again."
        else:
            unlike = "aren't alike" if odd.factor == "motion" else "show different faces"
            words = (
                f"Takes 1 and 2 {unlike} {figures}, and of two none can be called the odd one; make the same motion in "
                "both and record them again, or add a third take."
            )
        raise EnrolmentError(words, takes=(odd.number,) if len(agreement) > 2 else (1, 2))

    def _weaknesses(self, acquisitions: Sequence[Acquisition], motion: Template) -> tuple[str, ...]:
        """Why a motion is easy to guess, a sentence each.

        Args:
            acquisitions: its takes.
            motion: their template.
        """
        found: list[str] = []
        if float(np.median([a.quality.motion_energy for a in acquisitions])) < self.limits.weak_energy:
            found.append("The motion is small, so others may hit it by chance; make a larger one.")
        neutral = float(np.median([measure_cues(a.features).neutral_share for a in acquisitions]))
        if neutral > self.limits.weak_neutral_share:
            found.append("The face rests during most of the clip; make a longer motion, or record closer round it.")
        scores = {name: template_score((motion.vectors @ takes.T).ravel()) for name, takes in self.common.items()}
        nearest = max(scores, key=lambda name: scores[name], default="")
        if nearest and self.point("motion", len(motion.vectors)).accepts(scores[nearest]):
            found.append(f"The motion resembles {nearest}, which everybody makes; add something of your own.")
        return tuple(found)


def _suspicions(acquisitions: Sequence[Acquisition]) -> tuple[str, ...]:
    """Why clips may show a screen, a sentence each. A reason that several clips share is given once."""
    return tuple(dict.fromkeys(one.quality.suspicion for one in acquisitions if one.quality.suspicion))


def refuse_copies(acquisitions: Sequence[Acquisition]) -> None:
    """See that no recording was given twice: its agreement with itself would say nothing.

    Args:
        acquisitions: of the takes, in order.
    Raises:
        EnrolmentError: two takes are the same to the last bit; both numbers are named.
    """
    seen: dict[bytes, int] = {}
    for number, acquisition in enumerate(acquisitions, 1):
        first = seen.setdefault(acquisition.features.values.tobytes(), number)
        if first != number:
            raise EnrolmentError(
                f"Takes {first} and {number} are the same recording; make the motion once more.", takes=(first, number)
            )


def find_duplicates(store: TemplateStore, face: Template, points: OperatingPoints) -> tuple[str, ...]:
    """Names of others whose enrolled face passes for this one, likest first.

    Args:
        store: where they are enrolled.
        face: template of the new face.
        points: the threshold above which two names have one face, by number of takes.
    """
    mean = face.vectors.mean(axis=0)
    size = float(np.linalg.norm(mean))
    found: list[tuple[float, str]] = []
    # Times the norm of the mean, the cosine with it is the mean of the cosines with each take.
    least = min(point.threshold for point in points) / size - ROUNDING
    for user, cosines in store.search("appearance", Embedding(mean / np.float32(size), face.model_id), least):
        score, point = size * template_score(cosines), for_takes(points, len(cosines))
        if user != face.user and point.accepts(score):
            found.append((score, user))
    return tuple(user for _, user in sorted(found, reverse=True))
