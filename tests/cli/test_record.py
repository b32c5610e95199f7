"""`facemotion record` at a terminal: what it asks and says, and its exit codes; films stand in for the camera."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.full_disks import fill_disk
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.cli.people import recording_terminal
from facemotion.cli.people.recording_terminal import TerminalAttendant
from facemotion.data.manifest import find_problems, read_manifest
from facemotion.errors import ConsentError, NoCameraError, RecordingPlanError, UsageError, WriteError
from facemotion.recorder.film_take import View
from facemotion.types import ClipKind


def record(*arguments: object, answers: str = ""):
    return CliRunner().invoke(app, ["record", *map(str, arguments)], input=answers)


@pytest.fixture
def talk(short_films) -> Path:
    """A film that can be used, quick to look at."""
    return short_films / "talk.mp4"


@pytest.fixture
def plan(tmp_path) -> Path:
    path = tmp_path / "plan.csv"
    path.write_text("subject,motion,takes,kind\nanna,hello,1,lip\nanna,hi,1,lip\n")
    path.with_name("named.csv").write_text("subject,motion,films\nanna,hi,b.mp4\n")
    return path


@pytest.mark.long
def test_films_and_a_plan_become_a_manifest_without_a_question(plan, talk, tmp_path):
    done = record(
        tmp_path / "set", "--plan", plan, "--from", talk, "--from", tmp_path / "absent.mp4", "--yes", "--json"
    )
    answer = json.loads(done.stdout)
    assert done.exit_code == 3  # a film can't be used
    assert (answer["session"], answer["kept"]) == (1, ["anna/hello/session-1-take-0.mp4"])
    assert "There is no file" in answer["refused"][0]
    (kept,) = read_manifest(Path(answer["manifest"])).records
    assert (kept.path, kept.kind) == (answer["kept"][0], ClipKind.LIP)
    assert "stated" in (tmp_path / "set" / "consent.csv").read_text()


@pytest.mark.long
def test_on_a_disk_that_fills_the_takes_before_stay_and_the_next_run_goes_on(talk, tmp_path, small_disk):
    plan, films = tmp_path / "plan.csv", ("--from", talk, "--from", talk, "--from", talk)
    plan.write_text("subject,motion,takes\nanna,hello,3\n")
    other = fill_disk(small_disk, 32_000)  # for one take, the list and who agreed
    done = record(small_disk / "two", "--plan", plan, *films, "--yes")
    assert isinstance(done.exception, WriteError)
    assert "No space left on device; make room and run the same command again" in str(done.exception)
    manifest = read_manifest(small_disk / "two" / "manifest.csv")
    assert "1 take kept" in done.stderr
    assert len(manifest) == 1
    assert list(find_problems(manifest, labelled=False)) == []
    clips = [path for path in (small_disk / "two").rglob("*.mp4*") if path.is_file()]
    assert len(clips) == 1  # and no half of another one
    other.unlink()
    plan.write_text("subject,motion,takes\nanna,hello,1\n")
    assert record(small_disk / "two", "--plan", plan, "--from", talk, "--yes").exit_code == 0
    assert len(read_manifest(small_disk / "two" / "manifest.csv")) == 2


@pytest.mark.long
def test_without_a_plan_names_and_takes_are_asked_for(talk, tmp_path):
    answers = "an/na\nanna\nhello\nmany\nhello\n1\nyes\nwhat\n\n"
    done = record(tmp_path, "--from", talk, answers=answers)
    assert done.exit_code == 0, done.output
    for said in (
        "subject 'an/na' can't be the name of a folder",
        "takes must be a whole number, got 'many'",
        "You are filmed while you make facial motions.",
        "anna, do you agree? [y/N]",
        "Enter keeps it, n leaves it out, s stops: Enter keeps",  # asked again after "what"
    ):
        assert said in done.stderr
    assert "can be used; 15 frames" in done.stdout
    assert done.stdout.endswith(f"1 take kept; the clips are listed in {tmp_path / 'manifest.csv'}.\n")
    assert "asked" in (tmp_path / "consent.csv").read_text()


@pytest.mark.long
def test_ctrl_c_at_a_question_keeps_the_takes_before(plan, talk, tmp_path, monkeypatch):
    answers = iter(["y", "", None])

    def ask(question: str) -> str:
        if (answer := next(answers)) is None:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(recording_terminal, "ask", ask)
    done = record(tmp_path / "set", "--plan", plan, "--from", talk, "--from", talk)
    assert done.exit_code == 130
    assert "No film names a person or a motion of the plan: they are taken in their order." in done.stderr
    assert "1 take kept" in done.stderr
    assert len(read_manifest(tmp_path / "set" / "manifest.csv")) == 1


def test_whoever_does_not_agree_is_not_filmed(plan, talk, tmp_path):
    done = record(tmp_path / "set", "--plan", plan, "--from", talk, "--from", talk, answers="no\n")
    assert isinstance(done.exception, ConsentError)
    assert not (tmp_path / "set" / "manifest.csv").exists()
    assert not (tmp_path / "set" / "consent.csv").exists()


def test_where_nobody_answers_nothing_is_recorded(plan, talk, tmp_path):
    done = record(tmp_path / "set", "--plan", plan, "--from", talk, "--from", talk)
    assert isinstance(done.exception, ConsentError)
    assert [path.name for path in (tmp_path / "set").iterdir()] == [".recording"]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((), UsageError, "Name the folder"),
        (("set", "--json"), UsageError, "give --yes, too"),
        (("set", "--yes"), UsageError, "with --plan"),
        (("set", "--plan", "plan.csv", "--yes", "--size", "wide"), UsageError, "--size is WIDTHxHEIGHT"),
        (("set", "--plan", "plan.csv", "--yes", "--seconds", "60"), UsageError, "at most (max_seconds"),
        (
            ("set", "--plan", "plan.csv", "--yes", "--from", "a.mp4"),
            RecordingPlanError,
            "2 takes and there are",
        ),
        (
            ("set", "--plan", "named.csv", "--yes"),
            UsageError,
            "named.csv names films; say where they lie: --from FOLDER",
        ),
        (
            ("set", "--plan", "named.csv", "--yes", "--from", "a.mp4"),
            RecordingPlanError,
            "names 'b.mp4' as a take of hi",
        ),
        (("set", "--plan", "plan.csv", "--yes", "--consent", "absent.txt"), ConsentError, "Can't read the text"),
        (("set", "--plan", "plan.csv", "--yes", "--camera", "absent"), NoCameraError, "absent can't be opened"),
    ],
)
def test_what_cannot_be_done_is_named_and_nothing_is_recorded(plan, monkeypatch, arguments, error, sentence):
    monkeypatch.chdir(plan.parent)
    done = record(*arguments)
    assert type(done.exception) is error
    assert sentence in str(done.exception)
    assert not (plan.parent / "set" / "manifest.csv").exists()


def test_a_machine_without_a_camera_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("facemotion.recorder.cameras._LINUX_LIST", tmp_path)
    assert isinstance(record("--list").exception, NoCameraError)
    assert json.loads(record("--list", "--json").stdout) == {"cameras": []}


def test_guidance_is_one_live_line_on_a_terminal_and_a_bell_at_go(monkeypatch):
    screen = io.StringIO()
    attendant = TerminalAttendant(asks=True, films=False, quiet=False)
    monkeypatch.setattr(attendant, "_live", Console(file=screen, force_terminal=True, width=100))
    with attendant:
        attendant.show(View("Come closer.", False, False, 29.6))
        attendant.show(View("Go: make your motion.", True, True, 29.6))
        attendant.show(View("Go: make your motion.", True, True, 29.6))
    assert "Go: make your motion.  (face seen, 30 frames/s)" in screen.getvalue()
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\a") == 1


def test_guidance_in_a_log_is_a_line_for_each_new_sentence(capsys):
    attendant = TerminalAttendant(asks=True, films=False, quiet=False)
    for sentence in ("Come closer.", "Come closer.", "Hold your head still."):
        attendant.show(View(sentence, False, True, 30))
    assert capsys.readouterr().err == "Come closer.\nHold your head still.\n"
