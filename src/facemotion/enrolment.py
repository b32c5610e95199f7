"""What enrolment asks of the takes: agreement, a motion that is hard to guess, a face that nobody else enrolled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.config import VerifierSettings
from facemotion.errors import EnrolmentError
from facemotion.frontend import Acquisition
from facemotion.signals import measure_cues
from facemotion.store import TemplateStore
from facemotion.thresholds import Points, for_takes, template_score
from facemotion.types import Embedding, Factor, OperatingPoint, QualityReport, Template

DUPLICATE = "This face is enrolled under another name already."


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What an enrolment stores.

    Attributes:
        templates: what is to be stored, by factor; always one of the motion.
        agreement: (K,) float32, mean cosine of each take with the others; 1 for a single take.
        quality: one report a take.
        warnings: why the motion is easy to guess, or that the face is enrolled under another name, a sentence each.
        duplicates: the other names that the face is enrolled under, likest first; looked for where the settings say so.
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
        problem: which take doesn't go with the others, and why, a sentence; "" where all do.
        odd: number of that take, from 1; 0 where all go together. Of two that differ it is the later one.
        size: 0..1, how large the motion is: its energy next to three times `weak_energy`. It says nothing about how
            many others would hit on the same motion.
        warnings: as in Enrolment.
    """

    problem: str
    odd: int
    size: float
    warnings: tuple[str, ...]


Thresholds = Callable[[Factor, int], OperatingPoint]
"""The threshold of a factor for a template of so many takes."""


@dataclass(frozen=True)
class OddTake:
    """A take that doesn't go with the others.

    Attributes:
        number: of the take, from 1. factor: in which it is unlike them. agreement: its mean cosine with them.
        least: what would be needed.
    """

    number: int
    factor: Factor
    agreement: float
    least: float


def find_odd_take(templates: Mapping[Factor, Template], point: Thresholds) -> OddTake | None:
    """Hold every take of every factor against the others, each as a probe of theirs.

    Args:
        templates: by factor.
    Returns:
        The take that is least like the others, where one is too unlike; of two takes the second.
    """
    for factor, template in templates.items():
        agreement = template.agreement
        worst = int(np.argmin(agreement)) if len(agreement) > 2 else len(agreement) - 1
        least = point(factor, max(1, len(agreement) - 1)).threshold
        if agreement[worst] < least:
            return OddTake(worst + 1, factor, float(agreement[worst]), least)
    return None


def check_agreement(templates: Mapping[Factor, Template], point: Thresholds) -> NDArray[np.float32]:
    """Hold every take against the others; see find_odd_take.

    Returns:
        (K,) mean cosine of each take's motion with the others.
    Raises:
        EnrolmentError: a take isn't like the others; its number is named, from 1. Of two takes both are.
    """
    agreement = templates["motion"].agreement
    odd = find_odd_take(templates, point)
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


def weaknesses(
    acquisitions: Sequence[Acquisition],
    motion: Template,
    common: Mapping[str, NDArray[np.float32]],
    least: float,
    limits: VerifierSettings,
) -> Iterator[str]:
    """Why a motion is easy to guess, a sentence each.

    Args:
        acquisitions: its takes. motion: their template. common: (K, E) vectors of each motion that everybody makes.
        least: score from which the motion is like a common one. limits: of what is weak.
    """
    if float(np.median([a.quality.motion_energy for a in acquisitions])) < limits.weak_energy:
        yield "The motion is small, so others may hit it by chance; make a larger one."
    if float(np.median([measure_cues(a.features).neutral_share for a in acquisitions])) > limits.weak_neutral_share:
        yield "The face rests during most of the clip; make a longer motion, or record closer round it."
    scores = {name: template_score((motion.vectors @ takes.T).ravel()) for name, takes in common.items()}
    nearest = max(scores, key=lambda name: scores[name], default="")
    if nearest and scores[nearest] >= least:
        yield f"The motion resembles {nearest}, which everybody makes; add something of your own."


def find_duplicates(store: TemplateStore, face: Template, points: Points) -> tuple[str, ...]:
    """Names of others whose enrolled face passes for this one, likest first.

    Args:
        points: the threshold above which two names have one face, by number of takes.
    """
    mean = face.vectors.mean(axis=0)
    size = float(np.linalg.norm(mean))
    found: list[tuple[float, str]] = []
    for user, cosines in store.search("appearance", Embedding(mean / np.float32(size), face.model_id)):
        # Times the norm of the mean, the cosine with it is the mean of the cosines with each take.
        score, point = size * template_score(cosines), for_takes(points, len(cosines))
        if user != face.user and score >= point.threshold:
            found.append((score, user))
    return tuple(user for _, user in sorted(found, reverse=True))
