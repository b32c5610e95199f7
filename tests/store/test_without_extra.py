"""An installation that only compares clips, without the packages of a store."""

from __future__ import annotations

import subprocess
import sys

import pytest

from facemotion.store.base import PACKAGES

HIDDEN = f"import sys; sys.modules.update(dict.fromkeys({PACKAGES!r}))\n"


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", HIDDEN + code], capture_output=True, text=True, check=False)


def command(*words: object) -> subprocess.CompletedProcess[str]:
    listed = [str(word) for word in words]
    return run(f"from facemotion.cli import main; sys.argv = ['facemotion', *{listed!r}]; main()")


def test_clips_are_compared_without_a_store(clips):
    code = "import facemotion as fm\nverifier = fm.Verifier.load()\n"
    done = run(code + f"print(verifier.verify({str(clips / 'talk1.mp4')!r}, {str(clips / 'talk2.mp4')!r}).accepted)")
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert command("verify", clips / "talk1.mp4", clips / "talk2.mp4").returncode == 0


@pytest.mark.parametrize(
    "words", [["users"], ["forget", "anna", "--yes"], ["store", "rotate"], ["check", "anna", "x.mp4"], ["keys", "list"]]
)
def test_commands_about_users_say_what_to_install(words):
    done = command(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install '.[store]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_finds_nothing_wrong_without_a_store():
    done = command("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs: pip install '.[store]'" in done.stdout
