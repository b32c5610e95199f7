"""Which film is which take."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from facemotion.config import MediaSettings
from facemotion.errors import RecordingPlanError
from facemotion.recorder.cameras import Film, films_of
from facemotion.recorder.match_films import MatchedFilms, match_films
from facemotion.recorder.recording_plan import PlannedMotion

PLAN = (PlannedMotion("anna", "wink-pout", 2), PlannedMotion("ben", "wink", 1), PlannedMotion("anna", "wink", 1))


def match(names: str, planned: tuple[PlannedMotion, ...] = PLAN) -> MatchedFilms:
    films = [Film(Path(name.strip()), MediaSettings(), called=name.strip()) for name in names.split(",")]
    return match_films(films, planned)


def names(matched: MatchedFilms) -> list[str]:
    return [film.called for film in matched.films]


@pytest.mark.parametrize(
    "given",
    [
        "anna-wink-1.mp4, anna-wink-pout-10.mp4, anna-wink-pout-9.mp4, ben-wink-1.mp4",
        "anna/wink/1.mp4, anna/wink-pout/10.mp4, anna/wink-pout/9.mov, ben/wink/1.mp4",
        "ANNA Wink take 1.MP4, 2026 anna wink_pout 10.mp4, 2026 anna wink_pout 9.mp4, ben (day 2) wink.mp4",
    ],
)
def test_films_are_matched_by_the_person_and_the_motion_in_their_names(given):
    found = match(given)
    second, tenth, ninth, ben = (name.strip() for name in given.split(","))
    assert names(found) == [ninth, tenth, ben, second]
    assert not found.by_order


def test_letters_with_marks_are_the_same_in_either_form():
    film = f"{unicodedata.normalize('NFD', 'Änne')}-wink.mp4"
    assert names(match(film, (PlannedMotion("Änne", "wink", 1),))) == [film]
    assert names(match(film, (PlannedMotion("a", "wink", 1, films=("Änne-wink.mp4",)),))) == [film]


def test_names_that_say_nothing_are_taken_in_their_order():
    found = match("IMG_4.MOV, IMG_2.MOV, IMG_3.MOV, annabel.mp4")
    assert names(found) == ["IMG_4.MOV", "IMG_2.MOV", "IMG_3.MOV", "annabel.mp4"]
    assert found.by_order


def test_a_plan_that_names_films_is_followed():
    plan = (
        PlannedMotion("anna", "wink", 2, films=("b.mp4", "day 1/a.mp4")),
        PlannedMotion("ben", "wink", 1, films=("anna-wink.mp4",)),
    )
    found = match("day 1/a.mp4, anna-wink.mp4, day 2/b.mp4", plan)
    assert names(found) == ["day 2/b.mp4", "day 1/a.mp4", "anna-wink.mp4"]
    assert not found.by_order


@pytest.mark.parametrize(
    ("given", "planned", "sentence"),
    [
        ("a.mp4", PLAN, "The plan has 4 takes and there are 1 films"),
        ("anna-wink-1.mp4, IMG_1.mp4", PLAN, "IMG_1.mp4 doesn't name a person and one of their motions"),
        ("wink-anna-1.mp4", PLAN, "wink-anna-1.mp4 doesn't name"),
        ("anna-wink-1.mp4, anna-wink-01.mov", PLAN, "are named as the same take of wink by anna"),
        ("anna-wink-1.mp4, ben-wink-1.mp4", PLAN, "2 takes of wink-pout by anna, and 0 films are named so"),
        (
            "anna-wink-smile-1.mp4",
            (PlannedMotion("anna", "wink", 1), PlannedMotion("anna", "smile", 1)),
            "a take of wink by anna as well as of smile by anna",
        ),
        (
            "anna-wink-left-1.mp4",
            (PlannedMotion("anna", "wink-left", 1), PlannedMotion("anna", "wink left", 1)),
            "as well as of wink left by anna",
        ),
        ("a.mp4", (PlannedMotion("anna", "wink", 2, films=("a.mp4",)),), "names 1 films for them"),
        ("a.mp4", (*PLAN, PlannedMotion("anna", "smile", 1, films=("a.mp4",))), "names 0 films for them"),
        ("a.mp4", (PlannedMotion("anna", "wink", 1, films=("b.mp4",)),), "no film that is left is called so"),
        ("a.mp4", (PlannedMotion("anna", "wink", 2, films=("a.mp4", "a.mp4")),), "no film that is left"),
        ("x/a.mp4, y/a.mp4", (PlannedMotion("anna", "wink", 1, films=("a.mp4",)),), "several of the films"),
        ("a.mp4, b.mp4", (PlannedMotion("anna", "wink", 1, films=("a.mp4",)),), "names no take for b.mp4"),
    ],
)
def test_what_names_leave_open_is_refused(given, planned, sentence):
    with pytest.raises(RecordingPlanError) as refused:
        match(given, planned)
    assert sentence in str(refused.value)


def test_films_in_folders_of_people_and_motions_are_called_by_their_place(tmp_path):
    for name in ("ben/wink/1.mp4", "anna/wink/2.mp4", "anna/wink/notes.txt", "anna/.hidden/1.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    films = films_of([tmp_path, tmp_path / "ben" / "wink" / "1.mp4"], MediaSettings())
    assert [film.called for film in films] == ["anna/wink/2.mp4", "ben/wink/1.mp4", "1.mp4"]
    (tmp_path / "top.mp4").write_bytes(b"")
    assert [film.called for film in films_of([tmp_path], MediaSettings())] == ["top.mp4"]
