"""Consent is kept beside the clips: who, when, to which text, and how."""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from facemotion.errors import ConsentError
from facemotion.recorder.consent import ASKED, STATED, Consents, ConsentText, read_text


def test_who_agreed_to_which_text_and_when_is_kept_with_the_text(tmp_path):
    text = ConsentText("You are filmed.\n")
    Consents(tmp_path).add("anna", text, ASKED)
    Consents(tmp_path).add("ben", text, STATED)
    with (tmp_path / "consent.csv").open(encoding="utf-8") as file:
        anna, ben = csv.DictReader(file)
    assert (anna["subject"], anna["given"], ben["subject"], ben["given"]) == ("anna", "asked", "ben", "stated")
    assert anna["text_sha256"] == hashlib.sha256(b"You are filmed.\n").hexdigest()
    assert abs(datetime.fromisoformat(anna["date"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert (tmp_path / f"consent-{anna['text_sha256'][:12]}.txt").read_text("utf-8") == "You are filmed.\n"


def test_consent_to_one_text_is_none_to_another(tmp_path):
    text = ConsentText("You are filmed.")
    Consents(tmp_path).add("anna", text, ASKED)
    assert Consents(tmp_path).given("anna", text)
    assert not Consents(tmp_path).given("anna", ConsentText("You are filmed, and shown."))
    assert not Consents(tmp_path).given("ben", text)


def test_a_text_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConsentError, match="Can't read"):
        read_text(tmp_path / "absent.txt")
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(ConsentError, match="is empty"):
        read_text(tmp_path / "empty.txt")
    (tmp_path / "latin.txt").write_bytes("Einverständnis".encode("latin-1"))
    with pytest.raises(ConsentError, match="isn't UTF-8"):
        read_text(tmp_path / "latin.txt")


def test_a_list_of_consent_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / "consent.csv").write_text("name\nanna\n")
    with pytest.raises(ConsentError, match="isn't what `facemotion record` wrote"):
        Consents(tmp_path)
    assert (tmp_path / "consent.csv").read_text() == "name\nanna\n"
