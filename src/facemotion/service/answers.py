"""What callers of the service learn: how an attempt ended, the state of a name, the evidence of a session's result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from facemotion.errors import FacemotionError, ServerFaultError
from facemotion.service.guard.attempts import LockState
from facemotion.store import UserSummary
from facemotion.types import Decision
from facemotion.verifier import Verifier


@dataclass(frozen=True)
class Answer:
    """How an attempt ended.

    Attributes:
        accepted: pass or fail, all that an end user learns.
        outcome: why, for administrators and the audit trail.
        decision: the comparison; None where there was nothing to compare with.
    """

    accepted: bool
    outcome: str
    decision: Decision | None


@dataclass(frozen=True)
class UserState:
    """What is known of a name.

    Attributes:
        summary: None where nobody of that name is enrolled.
        lock: whether attempts are let in.
        must_enrol_again: a template's network isn't in use any more, or the template of a factor is missing.
        outdated: a template isn't of the network that users are enrolled with now, or it is missing.
    """

    summary: UserSummary | None
    lock: LockState
    must_enrol_again: bool
    outdated: bool


@dataclass(frozen=True)
class UserStates:
    """Some of those who are enrolled.

    Attributes:
        states: of each by name, in the database's own order.
        next: last name of this page, to continue after it; "" on the last page.
    """

    states: dict[str, UserState]
    next: str


@dataclass(frozen=True)
class Judged:
    """The comparison that decided an attempt of a session.

    Attributes:
        accepted: how the attempt ended; a replay is rejected, whatever the comparison says.
        decision: None where there was nothing to compare with.
        enrolled: what was stored of the user; None where nobody of that name is enrolled.
    """

    accepted: bool
    decision: Decision | None
    enrolled: UserSummary | None


def evidence(verifier: Verifier, quality: Sequence[dict[str, Any]], judged: Judged | None = None) -> dict[str, Any]:
    """The evidence of a session's result: the encoder that made the template, and the operating point that decided.

    While earlier encoders run beside the present one, an attempt that wasn't accepted names neither: the encoder's name
    would reveal that somebody of that name is enrolled.

    Args:
        verifier: that compared, or enrolled.
        quality: of each clip.
        judged: what came of a verification; None for an enrolment.
    """
    encoder, point = verifier.model_ids["motion"], verifier.point.name
    if judged is not None and judged.accepted and judged.decision is not None and judged.enrolled is not None:
        encoder = judged.enrolled.model_ids["motion"]
        point = next(one.operating_point.name for one in judged.decision.factors if one.factor == "motion")
    elif judged is not None and verifier.earlier:
        encoder = point = ""
    factors = list(verifier.model_ids)
    return {"factors": factors, "quality": list(quality), "operating_point": point, "encoder": encoder}


def outcome_of(error: BaseException) -> str:
    """The outcome of an attempt that an error ended, as the trail names it; all faults of our own have one name."""
    return (type(error) if isinstance(error, FacemotionError) else ServerFaultError).__name__
