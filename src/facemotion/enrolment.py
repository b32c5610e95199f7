"""What enrolment asks of the takes: agreement, a motion that is hard to guess, a face that nobody else enrolled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.activity import measure_cues
from facemotion.config import VerifierSettings
from facemotion.errors import EnrolmentError
from facemotion.frontend import Acquisition
from facemotion.store import TemplateStore
from facemotion.thresholds import Points, for_takes, template_score
from facemotion.types import Embedding, Factor, OperatingPoint, QualityReport, Template

DUPLICATE = "This face is enrolled under another name already."


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What an enrolment stored.

    Attributes:
        template: the vectors of the takes, as stored.
        agreement: (K,) float32, mean cosine of each take with the others; 1 for a single take.
        quality: one report a take.
        warnings: why the motion is easy to guess, or that the face is enrolled under another name, a sentence each.
        duplicates: the other names that the face is enrolled under, likest first; looked for where the settings say so.
    """

    template: Template
    agreement: NDArray[np.float32]
    quality: tuple[QualityReport, ...]
    warnings: tuple[str, ...]
    duplicates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Review:
    """How the takes so far would do as a template, before anything is stored.

    Attributes:
        problem: why the last take doesn't go with the ones before, a sentence; "" where it does.
        strength: 0..1, how much the face moves next to what is easy to guess; below a third where there are warnings.
        warnings: as in Enrolment.
    """

    problem: str
    strength: float
    warnings: tuple[str, ...]


def check_agreement(
    templates: Mapping[Factor, Template], point: Callable[[Factor, int], OperatingPoint]
) -> NDArray[np.float32]:
    """Hold every take of every factor against the others, each as a probe of theirs.

    Args:
        templates: by factor. point: the threshold of a factor for a template of so many takes.
    Returns:
        (K,) mean cosine of each take's motion with the others.
    Raises:
        EnrolmentError: a take isn't like the others; its number is named, from 1.
    """
    problems: dict[Factor, str] = {
        "motion": "isn't like the others",
        "appearance": "shows another face than the others",
    }
    for factor, template in templates.items():
        agreement = template.agreement
        worst, least = int(np.argmin(agreement)), point(factor, max(1, len(agreement) - 1)).threshold
        if agreement[worst] < least:
            raise EnrolmentError(
                f"Take {worst + 1} {problems[factor]} (agreement {agreement[worst]:.2f}, at least {least:.2f} is "
                "needed); make the same motion in every take and record it again."
            )
    return templates["motion"].agreement


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
