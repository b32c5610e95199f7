"""Users of an earlier encoder get a template of the present one by being let in, where the operator asks for it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from facemotion.service.guard.renewals import Renewals
from facemotion.service.settings import RenewalSettings
from facemotion.service.sql_tables import audit, renewals

pytestmark = pytest.mark.long  # clips that are decoded and embedded


def consider(store, verifier, take, takes=2, user="alice"):
    asked = Renewals(verifier, store, RenewalSettings(takes))
    probe = asked.probe(store.find(user), take)
    with store.database.write() as connection:
        return asked.consider(connection, user, probe)


def waiting(store):
    with store.database.read() as connection:
        return connection.execute(select(renewals.c.takes)).scalars().all()


def test_accepted_attempts_become_a_template_once_there_are_enough(served, acquired):
    store, now = served
    assert not consider(store, now, acquired("talk1"))
    assert (waiting(store), store.find("alice").model_ids) == ([1], {"motion": now.earlier[0].encoder.model_id})
    assert consider(store, now, acquired("talk2"))
    assert (waiting(store), store.find("alice").model_ids) == ([], {"motion": "encoder@now"})
    assert store.find("alice").takes == {"motion": 2}
    assert now.check(store, "alice", acquired("talk1")).accepted
    assert not consider(store, now, acquired("talk1"))  # there is nothing left to renew
    with store.database.read() as connection:
        told = [(row.actor, row.action) for row in connection.execute(select(audit.c.actor, audit.c.action))]
    assert told == [("service", "renew")]


def test_motions_unlike_each_other_are_no_template(served, acquired):
    store, now = served
    for name in ("talk1", "brow", "talk2"):
        assert not consider(store, now, acquired(name))
        assert waiting(store) == [1]


def test_where_nobody_asks_for_it_and_for_strangers_nothing_is_kept(served, acquired):
    store, now = served
    for _ in range(2):
        assert not consider(store, now, acquired("talk1"), takes=0)
        assert not consider(store, now, acquired("talk1"), user="bob")
    assert waiting(store) == []


def test_what_waits_is_forgotten_by_a_rotation_and_by_a_deletion(served, acquired):
    store, now = served
    consider(store, now, acquired("talk1"))
    store.rotate()
    assert not consider(store, now, acquired("talk2"))
    assert waiting(store) == [1]
    store.delete("alice")
    assert waiting(store) == []


def test_one_attempt_is_too_little():
    with pytest.raises(ValueError, match="one attempt says too little"):
        RenewalSettings(1)
