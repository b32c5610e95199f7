"""Bodies of requests and answers, as OpenAPI shows them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from facemotion.service.answers import UserState
from facemotion.service.guard.sessions import Session as StoredSession
from facemotion.service.problems import Message
from facemotion.service.settings import USER_PATTERN, WITHOUT_ZEROS
from facemotion.types import Decision


class NonceRequest(Message):
    """What a nonce is wanted for."""

    purpose: Literal["verify", "enrol", "enrol-again"] = Field(
        description="What the attempt is for: enrol is for new users alone."
    )
    proof: str = Field(
        "",
        max_length=256,
        description="Needed for enrol-again without a key: the nonce of that user's last attempt, which was accepted.",
    )


class Nonce(Message):
    """Good for one attempt."""

    nonce: str = Field(description="Send it with the attempt.")
    purpose: Literal["verify", "enrol", "enrol-again", "study"] = Field(description="As it was asked for.")
    expires_seconds: float = Field(description="How long it is good for, from now.")


class Factor(Message):
    """The comparison of one factor."""

    factor: Literal["motion", "appearance"] = Field(description="What was compared.")
    score: float = Field(description="Cosine, -1..1.")
    threshold: float = Field(description="Least cosine that passes.")
    accepted: bool = Field(description="Whether the score reaches the threshold.")


class Quality(Message):
    """How well the face could be seen in a clip."""

    frames: int = Field(description="Frames that were looked at, without those skipped because of the highest rate.")
    seconds: float = Field(description="From the first frame to the last.")
    face_share: float = Field(description="Share of frames with a detected face, 0..1.")
    face_px: float = Field(description="Median side of the face box, pixels.")
    brightness: float = Field(description="Median luma of the face, 0..255.")
    sharpness: float = Field(description="Median variance of the Laplacian of the face's luma at 112 px.")
    rate: float = Field(description="Frames a second with the face while it moved.")
    motion_energy: float = Field(description="Size of the motion, percent of the distance of the outer eye corners.")
    damaged_share: float = Field(description="Share of the file's frames that were damaged and left out, 0..1.")
    attack_score: float = Field(
        -1.0,
        description="How far the clip is beyond genuine ones, in their standard deviations: at 0 or more a screen is "
        "suspected. Exactly -1 where nothing was looked for, or too little was seen.",
    )
    suspicion: str = Field("", description="What looks as if a screen was filmed; empty where nothing does.")


class Evidence(Message):
    """What an answer rests on; for administrators only."""

    outcome: str = Field(
        description="accepted, rejected, unknown user, must enrol again, replay, frozen, loop, two faces or "
        "presentation attack."
    )
    factors: list[Factor] = Field(description="The comparison of each factor.")
    quality: list[Quality] = Field(description="Of the clip; empty where nothing could be compared.")
    milliseconds: dict[str, float] = Field(description="Time that each stage took.")

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

    accepted: bool = Field(description="Pass or fail.")
    evidence: Evidence | None = Field(description="Null unless the caller is an administrator.")


class Enrolled(Message):
    """What an enrolment stored."""

    user: str = Field(description="Name of the user.")
    takes: int = Field(description="Takes that were stored.")
    warnings: list[str] = Field(description="Why the motion is easy to guess, or that the face is enrolled already.")


class SessionRequest(Message):
    """What a user is to do on the page, and where they go from there."""

    user: str = Field(pattern=USER_PATTERN, description="Name of the user.")
    purpose: Literal["verify", "enrol", "enrol-again", "study"] = Field(description="The one thing that the page does.")
    return_to: str = Field(
        "",
        max_length=2048,
        description="Address to return to, one of `return_addresses`; empty: the page returns nowhere.",
    )
    frame_origin: str = Field(
        "", max_length=256, description="Origin of the page that frames it, one of `frame_origins`; empty: no frame."
    )
    state: str = Field(
        "",
        max_length=512,
        pattern=WITHOUT_ZEROS,
        description="Text of your own, without zero characters, which comes back with the code.",
    )


class Session(Message):
    """Send the user's browser to the address."""

    session: str = Field(description="Id of the session; ask for the result with it.")
    address: str = Field(description="Address of the page; only the first browser that opens it can use it.")
    expires_seconds: float = Field(description="How long the session is good for, from now.")


class SessionOutcome(Message):
    """How a session ended, and what that rests on."""

    accepted: bool = Field(description="Whether the user was verified, or enrolled.")
    reason: Literal["accepted", "rejected", "unusable", "locked", "cancelled", "expired"] = Field(
        description="Class of the reason: unusable where no clip could be compared, or no takes stored."
    )
    factors: list[Literal["motion", "appearance"]] = Field(
        description="What is compared: the motion, and the face where a recogniser is set up."
    )
    quality: list[Quality] = Field(description="Of the last attempt; of each take of an enrolment.")
    operating_point: str = Field(
        description='Name of the operating point that decided; "" where nothing was compared, and for a rejected '
        "attempt while earlier encoders run beside the present one."
    )
    encoder: str = Field(description='Id of the encoder that made the template; "" where operating_point is "".')
    ended_at: datetime | None = Field(description="Null where it expired.")


class SessionResult(Message):
    """How a session stands."""

    session: str = Field(description="Its id.")
    user: str = Field(description="Name of the user.")
    purpose: Literal["verify", "enrol", "enrol-again", "study"] = Field(description="As it was made for.")
    state: str = Field(description="As it was made with.")
    status: Literal["waiting", "opened", "ended", "expired"] = Field(
        description="waiting until a browser opens the page; expired where it didn't end in time."
    )
    result: SessionOutcome | None = Field(
        description="Null until the session ended. If the page returns somewhere, the result needs the code."
    )

    @classmethod
    def of(cls, session: StoredSession, told: bool) -> SessionResult:
        """Of a session.

        Args:
            session: as it stands.
            told: whether its result may be told.
        """
        expired = session.status == "expired"
        result = {
            "accepted": session.accepted,
            "reason": "expired" if expired else session.reason,
            "ended_at": None if expired else datetime.fromtimestamp(session.ended, UTC),
        }
        found = {"factors": [], "quality": [], "operating_point": "", "encoder": ""} | session.detail | result
        return cls(
            session=session.id,
            user=session.user,
            purpose=session.purpose,
            state=session.state,
            status=session.status,
            result=SessionOutcome.model_validate(found) if told else None,
        )


class PageRequest(Message):
    """What the page says of itself."""

    token: str = Field(max_length=256, description="The secret in the address; after openPage, the page's own secret.")


class PageSession(Message):
    """What the page is to do."""

    token: str = Field(description="The page's own secret from now on; that of the address is used up.")
    user: str = Field(description="Name of the user.")
    purpose: Literal["verify", "enrol", "enrol-again", "study"] = Field(description="The one thing to do.")
    site: str = Field(description='Host that the user goes back to; "" for none.')
    tries: int = Field(description="Verifications that may still be rejected.")
    ended: bool = Field(description="Whether all that is left to do is to go back.")
    consent: str = Field("", description='Text that people in a study agree to; "" for another purpose.')
    consent_sha256: str = Field("", description="Of that text, for StudyHello.")


class PageReturn(Message):
    """Where the page goes, and what it hands over."""

    address: str = Field(description='Address to go to, with session, code and state; "" for none.')
    frame_origin: str = Field(description='Origin to tell by `postMessage`; "" for none.')
    session: str = Field(description="Id of the session.")
    code: str = Field(description='Good once, for the result; "" where the page returns nowhere.')
    state: str = Field(description="As the session was made with.")


class UserStatus(Message):
    """How a user stands."""

    user: str = Field(description="Name of the user.")
    enrolled: bool = Field(description="Whether somebody of that name is enrolled.")
    takes: dict[str, int] = Field(description="Enrolment takes of each factor.")
    encoder: str = Field(description='Model id of the encoder that made the template; "" where nobody is enrolled.')
    enrolled_at: datetime | None = Field(description="First enrolment.")
    changed_at: datetime | None = Field(description="Last enrolment.")
    must_enrol_again: bool = Field(
        description="The template's model isn't in use any more, or the template lacks a face and faces are compared."
    )
    outdated: bool = Field(
        description="The template is of an earlier model that still verifies it, or must_enrol_again is true."
    )
    failures: int = Field(description="Failures in a row.")
    wait_seconds: float = Field(description="How long until the next attempt is let through; 0 if it is now.")
    locked: bool = Field(description="Only an administrator can unlock.")

    @classmethod
    def of(cls, user: str, state: UserState) -> UserStatus:
        """Of a name."""
        summary, lock = state.summary, state.lock
        return cls(
            user=user,
            enrolled=summary is not None,
            takes={str(factor): takes for factor, takes in summary.takes.items()} if summary else {},
            encoder=summary.model_ids.get("motion", "") if summary else "",
            enrolled_at=summary.enrolled if summary else None,
            changed_at=summary.changed if summary else None,
            must_enrol_again=state.must_enrol_again,
            outdated=state.outdated,
            failures=lock.failures,
            wait_seconds=lock.wait_seconds,
            locked=lock.locked,
        )


class UserList(Message):
    """Some of those who are enrolled."""

    users: list[UserStatus] = Field(description="In the database's order of names, at most `limit`.")
    next: str = Field(description='Send this as `after` to get the next page; "" on the last page.')
    total: int | None = Field(description="Number of enrolled users; null after the first page.")
    outdated: int | None = Field(description="How many of them are `outdated`; null after the first page.")


class ModelEntry(Message):
    """One model in use."""

    name: str = Field(description="Name of the model.")
    model_id: str = Field(description="Its name and the first digits of its file's hash.")
    role: str = Field(description="What it does: detector, extractor, encoder or recogniser.")
    licence: str = Field(description="Licence of its weights.")
    note: str = Field(description="What to know of it.")


class OperatingPointEntry(Message):
    """A threshold in use and the evidence behind it."""

    factor: Literal["motion", "appearance"] = Field(description="What it decides.")
    name: str = Field(description="Name of the operating point.")
    threshold: float = Field(description="Least cosine that passes.")
    fmr: float = Field(description="Share of impostor trials accepted where it was measured.")
    fnmr: float = Field(description="Share of genuine trials rejected where it was measured.")
    genuine_trials: int = Field(description="Trials of a user with their own motion.")
    impostor_trials: int = Field(description="Trials of other people or motions.")
    subjects: int = Field(description="People behind these trials.")
    source: str = Field(description="Clips that it was measured on.")
    takes: int = Field(description="Enrolment takes of the templates that it was measured with.")
    own: bool = Field(description="Calibrated by this deployment, on clips of its own.")


class Models(Message):
    """What decides."""

    version: str = Field(description="Version of facemotion.")
    models: list[ModelEntry] = Field(description="The models in use.")
    operating_point: OperatingPointEntry = Field(description="Operating point of the motion, for a single take.")
    operating_points: list[OperatingPointEntry] = Field(
        description="All operating points in use, by factor and number of takes."
    )
    choices: list[OperatingPointEntry] = Field(description="Operating points of the motion to choose from.")
    calibration_problem: str = Field(
        description='Why the operating points of your own calibration can\'t be read; "" where they can.'
    )
    min_takes: int = Field(description="Fewest takes of an enrolment.")
    max_takes: int = Field(description="Most takes of an enrolment.")
    note: str = Field(description="Which factors are compared.")


class AuditEntry(Message):
    """One event of the audit trail."""

    number: int = Field(description="Numbers have no gaps; they begin at 1, or after the last pruned row.")
    at: float = Field(description="Seconds since 1970, UTC.")
    actor: str = Field(description="Id and name of the API key, or where the request came from.")
    action: str = Field(description="Such as verify, enrol, delete or unlock; see below, what the trail names.")
    user: str = Field(description="Name of the user concerned.")
    outcome: str = Field(description="Such as accepted, rejected, replay, or the name of an error.")
    detail: str = Field(description="JSON object, such as of scores and quality figures.")
    previous: str = Field(description="Digest of the entry before.")
    digest: str = Field(description="SHA-256 of this entry and the one before.")


class AuditPage(Message):
    """Events in their order."""

    entries: list[AuditEntry] = Field(description="Oldest first.")


class Health(Message):
    """Alive, or ready."""

    status: Literal["ok"] = Field(description="Otherwise the answer is a Problem.")
