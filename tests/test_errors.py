"""Errors carry their facts from the moment that they are made, also from one process to another."""

from __future__ import annotations

import pickle

import pytest

from facemotion import errors


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (errors.LockedError("Wait.", retry_seconds=30.0), {"retry_seconds": 30.0}),
        (errors.NonceError("Ask again."), {"retry_seconds": None}),
        (errors.EnrolmentError("Record it again.", takes=(1, 2)), {"takes": (1, 2)}),
        (errors.DuplicateFaceError("Known.", users=("anna",)), {"users": ("anna",), "takes": ()}),
        (errors.ManifestError("Line 2.", problems=("Line 2.", "Line 3.")), {"problems": ("Line 2.", "Line 3.")}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_keeps_its_facts_between_processes(error, facts):
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == facts
