"""How an attempt is judged: whether it is live, whether it was seen before, whether it is like the user's templates."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

from sqlalchemy import Connection

from facemotion.errors import ModelMismatchError, PresentationAttackError, StoreError, UnknownUserError
from facemotion.service.answers import Answer, Judged, evidence, outcome_of
from facemotion.service.guard.attempts import Attempts, Ticket
from facemotion.service.guard.auth import Caller
from facemotion.service.guard.deeds import Deeds, of_session
from facemotion.service.guard.history import check_history
from facemotion.service.guard.proofs import Proofs
from facemotion.service.guard.renewals import Renewals
from facemotion.service.guard.sessions import Reason, Sessions
from facemotion.service.replays.memory import Look, RecordingMemory
from facemotion.service.replays.recording import IN_DOUBT, STEP_MISSED, LiveCheck, Recording
from facemotion.store import UserSummary
from facemotion.store.sql import SqlStore, hold_user
from facemotion.types import Decision
from facemotion.verifier import Verifier

log = logging.getLogger(__name__)
T = TypeVar("T")
OUTDATED = "must enrol again"
"""Outcome for a user whose templates are of other models, or lack a factor that is compared by now."""


@dataclass(frozen=True, eq=False)
class Foreseen:
    """What is known of an attempt before anything is settled.

    Attributes:
        recording: what was seen.
        look: at earlier recordings.
        attack: why it counts as none of a living person; "" where it may be one.
        outcome: how it ends, unless the same recording comes meanwhile.
        decision: see Answer.
        enrolled: see Judged.
        missed: name of the step that wasn't shown.
    """

    recording: Recording
    look: Look
    attack: str
    outcome: str
    decision: Decision | None
    enrolled: UserSummary | None
    missed: str


class Verification:
    """Judges attempts to be verified; safe to use from several threads.

    Args:
        verifier: loaded.
        store: open.
        memory: of earlier recordings.
        live: what is held against a recording before it is compared.
        attempts, proofs, sessions, renewals: of the same database.
        deeds: where attempts are settled.
        doubts: whether an attempt in doubt must show a step.
    """

    def __init__(
        self,
        verifier: Verifier,
        store: SqlStore,
        memory: RecordingMemory,
        live: LiveCheck,
        *,
        attempts: Attempts,
        proofs: Proofs,
        sessions: Sessions,
        renewals: Renewals,
        deeds: Deeds,
        doubts: bool,
    ) -> None:
        self._verifier, self._store, self._memory, self._live = verifier, store, memory, live
        self._attempts, self._proofs, self._sessions, self._renewals = attempts, proofs, sessions, renewals
        self._deeds, self._doubts = deeds, doubts

    def judge(
        self, caller: Caller, user: str, ticket: Ticket, acquire: Callable[[], Recording], *, missed: str | None = None
    ) -> Answer:
        """Judge what `acquire` gives, and settle it.

        Args:
            caller: who asks for it.
            user: who they say that is.
            ticket: of the attempt.
            acquire: gives what was seen.
            missed: "" where a step was asked for and shown, its name where it wasn't shown, None where none was asked
                for: an attempt in doubt is rejected then.
        Raises:
            MediaError, AcquisitionError and their kinds: there was nothing to compare; no failure is counted.
            StoreError and its kinds: nothing could be compared; no failure is counted.
        """

        def judged() -> Answer:
            return self._settle(caller, user, ticket, self._look(user, acquire(), missed))

        return self._guarded(caller, user, ticket, judged)

    def judge_unless_in_doubt(
        self,
        caller: Caller,
        user: str,
        ticket: Ticket,
        acquire: Callable[[], Recording],
        foreseen: Foreseen | None = None,
    ) -> Answer | None:
        """The same, but nothing is settled where only a step can say: None then, and `judge` has the last word.

        Only of an attempt that would be accepted otherwise: whoever sends in what isn't like a template learns from a
        step that is asked for neither that somebody of that name is enrolled nor that a recording is remembered.

        Args:
            caller, user, ticket, acquire: see judge.
            foreseen: what `foresee` gave, in place of what `acquire` would give.
        """

        def judged() -> Answer | None:
            looked = foreseen
            if looked is None or self._store.find(user) != looked.enrolled:  # deleted, or enrolled again, meanwhile
                looked = self.foresee(user, acquire())
            return None if looked.outcome == IN_DOUBT else self._settle(caller, user, ticket, looked)

        return self._guarded(caller, user, ticket, judged)

    def _guarded(self, caller: Caller, user: str, ticket: Ticket, judged: Callable[[], T]) -> T:
        try:
            return judged()
        except Exception as error:
            # A fault of our own must neither lock a user out nor leave no row.
            try:
                self.abandon(caller, user, outcome_of(error), ticket)
            except StoreError as another:  # the same reason, most likely; the first is the one to tell
                log.warning("A failure could not be forgiven: %s", type(another).__name__)
            raise

    def foresee(self, user: str, recording: Recording) -> Foreseen:
        """How an attempt would end for which no step was asked, before anything is settled; its time tells as little.

        Raises:
            As judge.
        """
        return self._look(user, recording, None)

    def _look(self, user: str, recording: Recording, missed: str | None) -> Foreseen:
        self._check_history(user)
        look = self._memory.look(user, recording)
        attack = self._live.attack(recording) or (STEP_MISSED if missed else "replay" if look.seen else "")
        enrolled = self._store.find(user)  # asked of every name, so that each costs the same
        decision = None
        try:
            decision = self._verifier.check_acquired(self._store, user, recording.acquisition)
            outcome = attack or ("accepted" if decision.accepted else "rejected")
        except (UnknownUserError, ModelMismatchError):
            outcome = attack or (OUTDATED if enrolled else "unknown user")
        except PresentationAttackError:
            outcome = attack
        if outcome == "accepted" and look.in_doubt and missed is None and self._doubts:
            attack = outcome = IN_DOUBT
        return Foreseen(recording, look, attack, outcome, decision, enrolled, missed or "")

    def _settle(self, caller: Caller, user: str, ticket: Ticket, looked: Foreseen) -> Answer:
        recording, decision, enrolled = looked.recording, looked.decision, looked.enrolled
        self._live.count(recording)
        accepted = looked.outcome == "accepted"
        # Of an accepted attempt alone: the time of a rejected one would tell that somebody of that name is enrolled.
        fresh = self._renewals.probe(enrolled, recording.acquisition) if accepted else None

        def settle(connection: Connection, user: str) -> str:
            hold_user(connection, user)
            seen = not looked.attack and self._memory.look(user, recording, looked.look).seen
            ended = "replay" if seen else looked.outcome
            # Of whoever isn't enrolled, or was deleted meanwhile, nothing stays.
            if self._store.factors(user):
                self._memory.keep(connection, user, "accepted" if ended == "accepted" else "attempt", recording)
            if ended == "accepted":
                self._attempts.accept(connection, user, ticket)
                self._proofs.keep(connection, caller, user, ticket)
                self._renewals.consider(connection, user, fresh)
            elif ended == OUTDATED:
                self._attempts.forgive(connection, user, ticket)
            else:
                self._attempts.fail(connection, user, ticket)
            reason: Reason = "accepted" if ended == "accepted" else "rejected"
            rests_on = evidence(self._verifier, [quality], Judged(reason == "accepted", decision, enrolled))
            self._sessions.note(connection, ticket.session, reason, rests_on, costs_a_try=ended != OUTDATED)
            return ended

        scores = {r.factor: round(r.score, 4) for r in decision.factors} if decision else {}
        quality = asdict(recording.acquisition.quality)
        detail = {"scores": scores, "quality": quality} | ({"missed": looked.missed} if looked.missed else {})
        detail |= of_session(ticket.session)
        ended = self._deeds.settle(caller, "verify", user, looked.outcome, detail, settle)
        return Answer(ended == "accepted", ended, decision)

    def abandon(self, caller: Caller, user: str, outcome: str, ticket: Ticket) -> None:
        """Take back the charge of an attempt without a comparison, and note it."""

        def settle(connection: Connection, user: str) -> None:
            self._attempts.forgive(connection, user, ticket)
            no_point = {"factors": list(self._verifier.model_ids)}  # no point and no encoder decided
            self._sessions.note(connection, ticket.session, "unusable", no_point)

        self._deeds.settle(caller, "verify", user, outcome, of_session(ticket.session), settle)

    def break_off(self, caller: Caller, user: str, step: str, ticket: Ticket) -> None:
        """Keep the charge of an attempt that ended once its step was told: else they could ask until one suits."""

        def settle(connection: Connection, user: str) -> None:
            self._attempts.fail(connection, user, ticket)
            rests_on = evidence(self._verifier, [], Judged(False, None, None))
            self._sessions.note(connection, ticket.session, "rejected", rests_on)

        detail = {"missed": step} | of_session(ticket.session)
        self._deeds.settle(caller, "verify", user, STEP_MISSED, detail, settle)

    def _check_history(self, user: str) -> None:
        with self._store.database.read() as connection:
            check_history(self._store.database, connection, user)
