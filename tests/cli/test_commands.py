"""The command line as a user meets it: real processes, exit codes, JSON, sentences instead of tracebacks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformations import Film, damage, encode
from typer.testing import CliRunner

import facemotion as fm
from facemotion.cli import app, main
from facemotion.cli.terminal.console import quality_line
from facemotion.errors import EnrolmentError, FacemotionError
from facemotion.service.http import server
from facemotion.types import QualityReport

pytestmark = pytest.mark.long  # clips that are decoded and embedded


def facemotion(*arguments: str | Path, store: Path | None = None) -> tuple[int, str, str]:
    """Run a command as `main` does, in this process: exit code, standard output, standard error."""
    environment = {"FACEMOTION_STORE": str(store)} if store else {}
    result = CliRunner().invoke(app, [str(a) for a in arguments], env=environment)
    if isinstance(result.exception, FacemotionError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.once
def test_verify_accepts_and_rejects(clips):
    code, out, _ = facemotion("verify", clips / "talk1.mp4", clips / "talk2.mp4")
    assert code == 0
    for word in ("ACCEPTED", "score", "threshold", "genuine", "brightness", "milliseconds", "Motion alone"):
        assert word in out
    code, out, _ = facemotion("verify", clips / "talk1.mp4", clips / "brow.mp4", "--json")
    answer = json.loads(out)
    assert code == 1
    assert answer["accepted"] is False
    assert -1 <= answer["factors"][0]["score"] < answer["factors"][0]["threshold"]
    assert answer["factors"][0]["operating_point"]["impostor_trials"] > 0
    assert len(answer["quality"]) == 2
    assert answer["milliseconds"]["extract"] > 0


@pytest.mark.once
def test_the_share_of_damaged_frames_is_told(clips, tmp_path):
    film = Film.load(clips / "talk1.mp4")
    (tmp_path / "spoilt.mp4").write_bytes(damage(encode(film, options={"g": "4"}), 23))  # the last before a key frame
    code, out, _ = facemotion("verify", tmp_path / "spoilt.mp4", clips / "talk2.mp4", "--json")
    assert code == 0
    spoilt, whole = json.loads(out)["quality"]
    assert spoilt["damaged_share"] == pytest.approx(1 / len(film.frames))
    assert whole["damaged_share"] == 0
    assert "3.7% of the frames damaged" in quality_line(QualityReport(**spoilt))
    assert "damaged" not in quality_line(QualityReport(**whole))


@pytest.mark.once
def test_the_demo_says_everything_once():
    code, out, _ = facemotion("demo")
    assert code == 0
    words = " ".join(out.split())
    assert out.index("ACCEPTED") < out.index("REJECTED")
    for once in (
        "genuine and",
        "anna-wink-pout-1 ",
        "anna-wink-pout-2 ",
        "anna-brows-smile-1 ",
        "decode",
        "first pair",
        "Motion alone",
        "The clips show a simulated person.",
    ):
        assert words.count(once) == 1, once
    assert words.count("≥ threshold") == words.count("< threshold") == 1
    assert len(out.splitlines()) < 24


def test_enrol_check_users_forget(clips, tmp_path):
    store = tmp_path / "store.db"
    code, out, _ = facemotion("enrol", "alice", clips / "talk1.mp4", clips / "talk2.mp4", store=store)
    assert code == 0
    assert "ENROLLED" in out
    assert facemotion("check", "alice", clips / "talk1.mp4", store=store)[0] == 0
    assert facemotion("check", "alice", clips / "brow.mp4", "--json", store=store)[0] == 1
    assert "alice" in facemotion("users", store=store)[1]
    listed = json.loads(facemotion("users", "--json", store=store)[1])["users"][0]
    assert listed["takes"] == {"motion": 2}
    again = json.loads(facemotion("enrol", "alice", clips / "talk2.mp4", clips / "talk1.mp4", "--json", store=store)[1])
    assert len(again["agreement"]) == 2
    code, out, _ = facemotion("forget", "alice", "--yes", store=store)
    assert (code, out) == (0, "alice is forgotten.\n")
    code, _, message = facemotion("check", "alice", clips / "talk1.mp4", store=store)
    assert code == 2
    assert message == f"There is no motion template of user 'alice' in {store}; enrol first."
    assert facemotion("users", store=store)[1] == f"Nobody is enrolled in {store}.\n"


@pytest.mark.once
def test_takes_that_disagree_are_named_by_their_files(clips, tmp_path):
    takes = (clips / "talk1.mp4", clips / "talk2.mp4", clips / "brow.mp4")
    code, _, message = facemotion("enrol", "alice", *takes[1:], store=tmp_path / "store.db")
    assert code == 2
    assert message.startswith("Takes 1 and 2 aren't alike")
    assert message.endswith(f" Take 1 is {takes[1]} and take 2 is {takes[2]}.")
    code, _, message = facemotion("enrol", "alice", *takes, store=tmp_path / "store.db")
    assert code == 2
    assert message.endswith(f" Take 3 is {takes[2]}.")


@pytest.mark.once
def test_an_error_that_names_files_keeps_the_numbers_of_their_takes(clips, tmp_path):
    words = ["enrol", "alice", str(clips / "talk1.mp4"), str(clips / "brow.mp4")]
    refused = CliRunner().invoke(app, words, env={"FACEMOTION_STORE": str(tmp_path / "store.db")})
    assert isinstance(refused.exception, EnrolmentError)
    assert refused.exception.takes == (1, 2)


def test_a_user_who_is_not_enrolled_is_told_before_the_clip_is_read(tmp_path):
    """The clip isn't there, and nobody looked."""
    store = tmp_path / "store.db"
    fm.open_store(store).close()
    code, _, message = facemotion("check", "alice", tmp_path / "absent.mp4", store=store)
    assert (code, message) == (2, f"There is no motion template of user 'alice' in {store}; enrol first.")


@pytest.mark.parametrize(
    ("clip", "code"),
    [
        *(pytest.param(name, 3, marks=pytest.mark.once) for name in ("still", "slow", "nobody")),
        ("crowd", 3),
        ("absent", 2),
    ],
)
def test_exit_codes_of_clips_that_can_not_be_used(clips, clip, code):
    got, _, message = facemotion("verify", clips / "talk1.mp4", clips / f"{clip}.mp4")
    assert got == code
    assert message.endswith(".")


def test_a_motion_cannot_be_changed_apart_from_a_face_that_nobody_compares(clips, tmp_path):
    code, _, error = facemotion(
        "enrol", "alice", clips / "talk1.mp4", clips / "talk2.mp4", "--keep-face", store=tmp_path / "s.db"
    )
    assert code == 2
    assert "recogniser" in error


def test_models_lists_and_shows_cards():
    code, out, _ = facemotion("models", "list")
    assert code == 0
    assert "blazeface" in out
    assert "ready" in out
    assert "Apache-2.0" in facemotion("models", "show", "face-mesh")[1]
    assert json.loads(facemotion("models", "show", "encoder-mesh", "--json")[1])["operating_points"]
    assert json.loads(facemotion("models", "list", "--json")[1])["models"][0]["state"] == "ready"
    assert facemotion("models", "show", "nothing")[0] == 2


def test_a_card_is_shown_whole_however_narrow_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    card = json.loads(facemotion("models", "show", "encoder-mesh", "--json")[1])
    out = facemotion("models", "show", "encoder-mesh")[1]
    assert card["sha256"] in out
    assert "{" not in out
    for source in {point["source"] for point in card["operating_points"]}:
        assert out.count(source) == 1


@pytest.mark.once
def test_a_clip_against_itself_is_told_to_be_no_second_take(clips, tmp_path):
    (tmp_path / "copy.mp4").write_bytes((clips / "talk1.mp4").read_bytes())
    code, _, told = facemotion("verify", clips / "talk1.mp4", tmp_path / "copy.mp4")
    assert (code, told) == (
        0,
        "facemotion: both clips are the same file; a second take is never quite like the first.\n",
    )


def test_models_says_which_file_is_missing(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text(
        f'[mine]\nfile = "m.onnx"\nbytes = 1\nrole = "encoder"\nsha256 = "{"0" * 64}"\n'
    )
    config = tmp_path / "config.toml"
    config.write_text(f'[runtime]\nmodels_folder = "{tmp_path / "models"}"\n')
    listed = json.loads(facemotion("models", "list", "--config", config, "--json")[1])["models"]
    assert "isn't there" in next(entry["state"] for entry in listed if entry["name"] == "mine")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facemotion.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_real_process_prints_one_sentence_and_no_traceback(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    result = run("verify", text, text)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"facemotion: {text}: This isn't a video")
    assert len(result.stderr.strip().splitlines()) == 1
    result = run("verify", text, text, "--json")
    assert json.loads(result.stdout)["error"] == "UnreadableMediaError"
    assert result.returncode == 2


@pytest.mark.once
def test_the_version_and_a_replaced_template_are_told(clips, tmp_path):
    assert facemotion("--version")[:2] == (0, f"facemotion {fm.__version__}\n")
    takes = (clips / "talk1.mp4", clips / "talk2.mp4")
    first = facemotion("enrol", "alice", *takes, store=tmp_path / "store.db")[1]
    again = facemotion("enrol", "alice", *takes, store=tmp_path / "store.db")[1]
    assert "replaced" not in first
    assert "The template that was stored before is replaced." in again
    assert "Motion alone is enrolled" in again


def test_wrong_usage_is_two():
    assert run("verify", "one.mp4").returncode == 2
    assert run("no-such-command").returncode == 2


def test_main_in_this_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["facemotion", "verify", "absent-a.mp4", "absent-b.mp4"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "absent-a.mp4" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--port", "-5"), ("--port", "70000"), ("--workers", "0"), ("--workers", "-1")])
def test_a_port_or_a_number_of_workers_that_can_not_be_is_refused(tmp_path, monkeypatch, words):
    """Some were taken for none given: the service ran on the port of the settings."""
    monkeypatch.setattr(server, "serve", lambda *_: pytest.fail("it serves"))
    code, _, message = facemotion("serve", *words, store=tmp_path / "store.db")
    assert code == 2
    assert message.startswith(f"options and [server]: {words[0].removeprefix('--')} ")
