"""What the result of a session rests on, and what costs a try, for users of an earlier encoder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from facemotion.service.guard.sessions import Session
from facemotion.service.metrics import Metrics
from facemotion.service.operations import Operations
from facemotion.service.replays.memory import RecordingMemory
from facemotion.service.replays.recording import Recording
from facemotion.service.settings import RenewalSettings, ServiceSettings
from facemotion.service.verification import OUTDATED
from facemotion.verifier import Verifier

from .conftest import RenamedEncoder

pytestmark = pytest.mark.long  # clips that are decoded and embedded


def operations_of(store, verifier: Verifier, settings: ServiceSettings | None = None) -> Operations:
    settings = settings or ServiceSettings()
    memory = RecordingMemory(store.database, store.transform_secret, settings.replay)
    return Operations(verifier, store, memory, settings, Metrics(None))


def attempt(operations: Operations, acquisition, user: str = "alice") -> tuple[str, Session]:
    """One attempt of a new session: its outcome, and how the session stands then."""
    door = operations.keys.authenticate(operations.keys.add("door", "enrol"))
    session, token = operations.sessions.make(door, user, "verify", "", "", "")
    _, own = operations.sessions.open(token)
    nonce, _ = operations.sessions.nonce(own)
    ticket = operations.attempts.begin(user, "verify", None, nonce)
    frames, random = len(acquisition.features.values), np.random.default_rng()
    recording = Recording(
        acquisition,
        tuple(random.bytes(8) for _ in range(frames)),
        np.arange(frames) / 25,
        random.normal(size=(frames, 277, 2)).astype(np.float32),
        (random.normal(size=(40, 32)) + 0.1 * random.normal(size=(frames, 40, 32))).astype(np.float32),
    )
    outcome = operations.verification.judge(door, user, ticket, lambda: recording).outcome
    return outcome, operations.sessions.read(door, session, "")[0]


def evidence(session: Session) -> tuple[str, str]:
    return session.detail["operating_point"], session.detail["encoder"]


def test_a_user_of_an_earlier_encoder_is_let_in_by_that_encoder_and_its_point(served, acquired):
    store, now = served
    points = tuple(dataclasses.replace(point, name="of-then") for point in now.operating_points)
    earlier = [dataclasses.replace(one, operating_points=points) for one in now.earlier]
    verifier = Verifier(now.frontend, now.encoder, now.operating_points, now.settings, earlier=earlier)
    operations = operations_of(store, verifier)
    outcome, session = attempt(operations, acquired("talk1"))
    assert (outcome, session.accepted) == ("accepted", True)
    assert evidence(session) == ("of-then", earlier[0].encoder.model_id)
    # Which encoder a rejected attempt was compared by would tell that the name is enrolled.
    rejected = [attempt(operations, acquired("brow"), user) for user in ("alice", "nobody")]
    assert [outcome for outcome, _ in rejected] == ["rejected", "unknown user"]
    assert [evidence(session) for _, session in rejected] == [("", "")] * 2


def test_where_one_encoder_runs_a_rejected_attempt_names_it_for_known_and_unknown_names(served, then, acquired):
    operations = operations_of(served[0], then)
    for user in ("alice", "nobody"):
        _, session = attempt(operations, acquired("brow"), user)
        assert evidence(session) == (then.point.name, then.encoder.model_id)


def test_a_rejected_attempt_of_whom_a_renewal_waits_for_is_as_much_work_as_a_strangers(served, acquired):
    """Else its time would tell that the name is enrolled."""
    store, now = served
    runs: list[str] = []

    class Counted(RenamedEncoder):
        def __call__(self, features):
            runs.append(user)
            return super().__call__(features)

    encoder = Counted(now.earlier[0].encoder, "encoder@now")
    verifier = Verifier(now.frontend, encoder, now.operating_points, now.settings, earlier=now.earlier)
    operations = operations_of(store, verifier, ServiceSettings(renewal=RenewalSettings(2)))
    for user in ("alice", "nobody"):
        attempt(operations, acquired("brow"), user)
    assert runs.count("alice") == runs.count("nobody")
    user = "accepted"
    assert attempt(operations, acquired("talk1"))[0] == "accepted"
    assert runs.count("accepted") == runs.count("nobody") + 1


def test_a_user_who_must_enrol_again_loses_no_try(served, acquired):
    store, now = served
    without = Verifier(now.frontend, now.encoder, now.operating_points, now.settings)
    operations = operations_of(store, without)
    outcome, session = attempt(operations, acquired("talk1"))
    assert (outcome, session.status, session.reason) == (OUTDATED, "opened", "rejected")
    assert session.tries == ServiceSettings().sessions.tries
    assert attempt(operations, acquired("talk1"), "nobody")[1].tries == session.tries - 1
