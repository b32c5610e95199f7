"""Bodies of requests and answers, as OpenAPI shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic import Field

from facemotion.service.problems import Message
from facemotion.types import Decision


class NonceRequest(Message):
    """What a nonce is wanted for."""

    purpose: Literal["verify", "enrol"]


class Nonce(Message):
    """Good for one attempt."""

    nonce: str
    purpose: Literal["verify", "enrol"]
    expires_seconds: float = Field(description="From now.")


class Factor(Message):
    """The comparison of one factor."""

    factor: Literal["motion", "appearance"]
    score: float = Field(description="Cosine, -1..1.")
    threshold: float
    accepted: bool


class Quality(Message):
    """How well the face could be seen in a clip."""

    frames: int = Field(description="Looked at; those skipped for the sake of the highest rate aren't among them.")
    seconds: float = Field(description="From the first frame to the last.")
    face_share: float = Field(description="Share of frames with a detected face, 0..1.")
    face_px: float = Field(description="Median side of the face box, pixels.")
    brightness: float = Field(description="Median luma of the face, 0..255.")
    sharpness: float = Field(description="Median variance of the Laplacian of the face's luma at 112 px.")
    motion_energy: float = Field(description="Size of the motion, percent of the distance of the outer eye corners.")
    damaged_share: float = Field(description="Share of the file's frames that were damaged and left out, 0..1.")


class Evidence(Message):
    """What an answer rests on; for administrators only."""

    outcome: str = Field(description="accepted, rejected, unknown user, must enrol again, or a kind of replay.")
    factors: list[Factor]
    quality: list[Quality] = Field(description="Of the clip; empty where nothing could be compared.")
    milliseconds: dict[str, float]

    @classmethod
    def of(cls, outcome: str, decision: Decision | None) -> Evidence:
        """Of a decision; None where nothing could be compared."""
        factors = [
            Factor(factor=r.factor, score=round(r.score, 6), threshold=r.threshold, accepted=r.accepted)
            for r in (decision.factors if decision else ())
        ]
        spent = {stage: round(value, 2) for stage, value in (decision.milliseconds if decision else {}).items()}
        quality = [Quality(**asdict(report)) for report in (decision.quality if decision else ())]
        return cls(outcome=outcome, factors=factors, quality=quality, milliseconds=spent)


class Verdict(Message):
    """Pass or fail."""

    accepted: bool
    evidence: Evidence | None = Field(description="Null unless the caller is an administrator.")


class Enrolled(Message):
    """What an enrolment stored."""

    user: str
    takes: int
    warnings: list[str] = Field(description="Why the motion is easy to guess, or that the face is enrolled already.")


class UserStatus(Message):
    """How a user stands."""

    user: str
    enrolled: bool
    takes: dict[str, int] = Field(description="Enrolment takes of each factor.")
    enrolled_at: datetime | None
    changed_at: datetime | None
    must_enrol_again: bool = Field(description="Enrolled with other models than those that run, or without a face.")
    failures: int = Field(description="In a row.")
    wait_seconds: float = Field(description="Until the next attempt is let through.")
    locked: bool = Field(description="Only an administrator can unlock.")


class UserList(Message):
    """Everyone enrolled."""

    users: list[str]


class ModelEntry(Message):
    """One model in use."""

    name: str
    model_id: str
    role: str
    licence: str
    note: str


class OperatingPointEntry(Message):
    """A threshold in use and the evidence behind it."""

    factor: Literal["motion", "appearance"]
    name: str
    threshold: float
    fmr: float
    fnmr: float
    genuine_trials: int
    impostor_trials: int
    subjects: int
    source: str
    takes: int = Field(description="Enrolment takes of the templates that it was measured with.")
    own: bool = Field(description="Calibrated by this deployment, on clips of its own.")


class Models(Message):
    """What decides."""

    version: str
    models: list[ModelEntry]
    operating_point: OperatingPointEntry = Field(description="Of the motion, for a single take.")
    operating_points: list[OperatingPointEntry] = Field(description="All in use: by factor and number of takes.")
    choices: list[OperatingPointEntry] = Field(description="Of the motion: those to choose from.")
    calibration_problem: str = Field(description='Why own points can\'t be read; "" where they can.')
    min_takes: int = Field(description="Fewest takes of an enrolment.")
    max_takes: int = Field(description="Most takes of an enrolment.")
    note: str


class AuditEntry(Message):
    """One event of the audit trail."""

    number: int
    at: float
    actor: str
    action: str
    user: str
    outcome: str
    detail: str
    previous: str
    digest: str


class AuditPage(Message):
    """Events in their order."""

    entries: list[AuditEntry]


class Health(Message):
    """Alive, or ready."""

    status: Literal["ok"]
