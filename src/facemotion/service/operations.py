"""What the service does for a caller, apart from HTTP: enrol, verify, status, delete, unlock. Called from threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from facemotion.enrolment import Enrolment
from facemotion.errors import (
    ChallengeError,
    DuplicateFaceError,
    FacemotionError,
    UnknownUserError,
    UserExistsError,
)
from facemotion.presentation.steps import check_extractor
from facemotion.service.answers import Answer, UserState, UserStates, evidence, outcome_of
from facemotion.service.guard.attempts import Attempts, LockState, Purpose, Ticket
from facemotion.service.guard.auth import ApiKeys, Caller, role_for
from facemotion.service.guard.deeds import Deeds, of_session
from facemotion.service.guard.proofs import Proofs
from facemotion.service.guard.renewals import Renewals
from facemotion.service.guard.sessions import Sessions
from facemotion.service.metrics import Metrics
from facemotion.service.replays.memory import RecordingMemory
from facemotion.service.replays.recording import (
    ATTACKS,
    IN_DOUBT,
    STEP_MISSED,
    AttackDetector,
    LiveCheck,
    Recorder,
    Recording,
    record,
    record_takes,
    refuse_seen,
)
from facemotion.service.settings import ServiceSettings
from facemotion.service.verification import OUTDATED, Verification
from facemotion.store import UserSummary
from facemotion.store.listing import count_outdated, count_users, user_page
from facemotion.store.sql import SqlStore, hold_user
from facemotion.verifier import Verifier

AGAIN = 'to replace their motion use "purpose": "enrol-again", and PUT for takes (replace=True in Python).'
ANEW = 'to enrol them use "purpose": "enrol", and POST for takes (replace=False in Python).'


class Operations:
    """What the service does for its callers; safe to use from several threads.

    Args:
        verifier: loaded.
        store: open, migrated. Its changes, ours and the audit row are one transaction. The caller closes it.
        memory: of earlier recordings.
        settings: of the service.
        metrics: where attempts are counted.
        detector: of presentation attacks, if there is one.
    Raises:
        SettingsError: steps are asked for, and the extractor isn't one that tells them.
    """

    def __init__(
        self,
        verifier: Verifier,
        store: SqlStore,
        memory: RecordingMemory,
        settings: ServiceSettings,
        metrics: Metrics,
        detector: AttackDetector | None = None,
    ) -> None:
        self.verifier = verifier
        self.store = store
        self.database = store.database
        self.keys = ApiKeys(store.database)
        self.attempts = Attempts(store.database, settings.attempts)
        self.proofs = Proofs(store.database, settings.attempts, self.attempts)
        self.sessions = Sessions(store.database, settings.sessions, self.attempts)
        self.memory = memory
        self.metrics = metrics
        self.always_asks = settings.challenge.when == "after"
        if self.always_asks:
            check_extractor(verifier.settings.verifier.extractor)
        self._analysis_seconds = settings.limits.analysis_seconds
        refuse = verifier.settings.verifier.presentation == "refuse"
        self._live = LiveCheck(settings.replay, refuse, detector, metrics)
        self._deeds = Deeds(store.database, metrics)
        self.verification = Verification(
            verifier, store, memory, self._live, attempts=self.attempts, proofs=self.proofs, sessions=self.sessions,
            renewals=Renewals(verifier, store, settings.renewal), deeds=self._deeds,
            doubts=settings.challenge.when == "doubt",
        )  # fmt: skip
        # Counted from 0, so that the first one shows as an increase.
        for outcome in ("accepted", "rejected", "unknown user", OUTDATED, STEP_MISSED, IN_DOUBT, *ATTACKS):
            metrics.count("facemotion_attempts_total", 0, action="verify", outcome=outcome)

    def recorder(self, motion: Recorder | None = None) -> Recorder:
        """A recorder for a live session, or for the step after what `motion` recorded; `verification` takes what it
        gives."""
        return Recorder(self.verifier.frontend, self.memory.secret.digest_key, self._live.keeps_pictures, motion)

    def enter(self, user: str, purpose: Purpose, nonce: str) -> tuple[Caller, Ticket]:
        """Begin a live session by its nonce: who asked for it, and the ticket for `verification`.

        Raises:
            NonceError, LockedError: see Attempts.begin.
            AuthenticationError, RightsError: the nonce's key was revoked since, or its role doesn't allow this.
        """
        ticket = self.attempts.begin(user, purpose, None, nonce)
        try:
            caller = self.keys.caller_of(ticket.key_id)
            caller.require(role_for(purpose))
        except FacemotionError as error:
            if purpose == "verify":
                self.verification.abandon(
                    Caller(ticket.key_id, "revoked", "verify"), user, type(error).__name__, ticket
                )
            raise
        return caller, ticket

    def verify(self, caller: Caller, user: str, nonce: str, clip: bytes) -> Answer:
        """Use up a nonce and judge a clip.

        Raises:
            ChallengeError: a step is asked for, which a clip can't hold, or the clip is in doubt.
            NonceError, LockedError: see Attempts.begin.
            MediaError, AcquisitionError and their kinds: there was nothing to compare; no failure is counted.
            StoreError and its kinds: nothing could be compared; no failure is counted.
        """
        if self.always_asks:
            raise ChallengeError("A step is asked for after the motion here: verify on the page, or by a live session.")
        ticket = self.attempts.begin(user, "verify", caller.key_id, nonce)
        answer = self.verification.judge(caller, user, ticket, lambda: self._record(clip))
        if answer.outcome == IN_DOUBT:
            raise ChallengeError(
                "This take is much like an earlier one: record a new one, or verify on the page or by a live session, "
                "where a step can be asked for."
            )
        return answer

    def recordings(self, takes: Sequence[bytes]) -> Callable[[], list[Recording]]:
        """A call that reads these clips, for `enrol`."""

        return lambda: record_takes(takes, self._record)

    def enrol(
        self, caller: Caller, user: str, acquire: Callable[[], list[Recording]], replace: bool, ticket: Ticket
    ) -> Enrolment:
        """Store templates of several takes; the nonce was used up before.

        Args:
            caller: who asks for it.
            user: who is enrolled.
            acquire: gives the takes.
            replace: whether the user must be enrolled already, or must not.
            ticket: of the nonce.
        Raises:
            UserExistsError, UnknownUserError: `replace` says otherwise.
            EnrolmentError: the takes aren't fit to be a template, or aren't new recordings of their own.
            DuplicateFaceError: the face is enrolled under another name.
            MediaError, AcquisitionError and their kinds: see Verifier.enrol.
        """
        action = "enrol again" if replace else "enrol"
        try:
            self.check_presence(user, replace)
            recordings = acquire()
            self._live.check_takes(recordings, self.memory.same)
            looks = [self.memory.look(user, take) for take in recordings] if replace else []
            refuse_seen(look.seen for look in looks)
            takes = [recording.acquisition for recording in recordings]
            enrolment = self.verifier.prepare(self.store, user, takes)
            rests_on = evidence(self.verifier, [asdict(take.quality) for take in takes])

            def settle(connection: Connection, user: str) -> None:
                # Asked again here: somebody else may have enrolled or deleted that name while takes were looked at.
                # The store joins this thread's transaction.
                hold_user(connection, user)
                again = zip(recordings, looks, strict=False)  # of a new user nothing was seen
                refuse_seen(self.memory.look(user, take, look).seen for take, look in again)
                self.store.put(*enrolment.templates.values(), whole=True, replace=replace)
                self.attempts.forget_failures(connection, user)
                for recording in recordings:
                    self.memory.keep(connection, user, "take", recording)
                self.sessions.note(connection, ticket.session, "accepted", rests_on)
                self.proofs.keep(connection, caller, user, ticket)

            detail: dict[str, Any] = {"takes": len(recordings)} | of_session(ticket.session)
            if enrolment.warnings:
                detail["warnings"] = list(enrolment.warnings)
            if enrolment.duplicates:
                detail["duplicates"] = list(enrolment.duplicates)
            self._deeds.settle(caller, action, user, "done", detail, settle)
        except Exception as error:
            duplicates = list(error.users) if isinstance(error, DuplicateFaceError) else []
            detail = ({"duplicates": duplicates} if duplicates else {}) | of_session(ticket.session)
            no_point = {"factors": list(self.verifier.model_ids)}  # no point and no encoder decided
            self._deeds.settle(
                caller, action, user, outcome_of(error), detail,
                lambda connection, _: self.sessions.note(connection, ticket.session, "unusable", no_point),
            )  # fmt: skip
            raise
        return enrolment

    def state(self, user: str) -> UserState:
        """What is known of a name now."""
        return self._state(self.store.find(user), self.attempts.state(user))

    def users(self, after: str, limit: int, find: str = "", *, outdated: bool = False) -> UserStates:
        """Users whose names come after a given one.

        Args:
            after: `next` of the page before; "" for the first page.
            limit: most users.
            find: letters that a name must have in it, large or small.
            outdated: only those of whom `UserState.outdated` is true.
        """
        lacking = self.verifier.model_ids if outdated else None
        page = user_page(self.database, after=after, limit=limit, find=find, lacking=lacking)
        locks = self.attempts.states([summary.user for summary in page.users])
        return UserStates({one.user: self._state(one, locks[one.user]) for one in page.users}, page.next)

    def _state(self, summary: UserSummary | None, lock: LockState) -> UserState:
        again = outdated = False
        if summary is not None:
            stored = {factor: summary.model_ids.get(factor, "") for factor in self.verifier.model_ids}
            outdated = stored != self.verifier.model_ids
            again = not all(self.verifier.fits(factor, model) for factor, model in stored.items())
        return UserState(summary, lock, again, outdated)

    def count_users(self) -> int:
        """Users who are enrolled."""
        return count_users(self.database)

    def count_outdated(self) -> int:
        """Users whose templates aren't of the networks that users are enrolled with now."""
        return count_outdated(self.database, self.verifier.model_ids)

    def delete(self, caller: Caller, user: str, proof: str = "") -> None:
        """Remove everything kept of a user but the rows of the audit trail.

        Args:
            caller: who asks for it.
            user: name.
            proof: needed by a caller without a key, see Proofs.
        Raises:
            ProofError: see Proofs.require.
            UnknownUserError: nobody of that name is enrolled.
        """
        self.proofs.require(caller, user, proof, "delete")

        def settle(connection: Connection, user: str) -> None:
            lock = None if caller.may("admin") else self.attempts.final_lock(connection, user)
            self.store.delete(user)  # joins this thread's transaction; takes our own tables along
            if lock is not None:  # deleting is no way round it
                self.attempts.lock_again(connection, lock)

        self._deeds.settle(caller, "delete", user, "done", {}, settle)

    def unlock(self, caller: Caller, user: str) -> None:
        """Forget the failures of a name."""
        self._deeds.settle(caller, "unlock", user, "done", {}, self.attempts.unlock)

    def tidy(self) -> None:
        """Forget what is out of date, and finish deletions; called when a server starts."""
        self.database.scrub()
        self.attempts.tidy()
        self.sessions.tidy()
        self.memory.tidy({summary.user for summary in self.store.users()})

    def _record(self, clip: bytes) -> Recording:
        keep_pictures, seconds = self._live.keeps_pictures, self._analysis_seconds
        return record(self.verifier.frontend, clip, self.memory.secret.digest_key, keep_pictures, seconds)

    def check_presence(self, user: str, replace: bool) -> None:
        """
        Raises:
            UserExistsError, UnknownUserError: the user is enrolled and is to be a new one, or the reverse.
        """
        enrolled = bool(self.store.factors(user))
        if enrolled and not replace:
            raise UserExistsError(f"User {user!r} is enrolled already; {AGAIN}")
        if replace and not enrolled:
            raise UnknownUserError(f"There is no user {user!r}; {ANEW}")
