"""Where facemotion is installed: users without a home or a name, and homes that can't be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long  # a process a test
ROOT = Path(__file__).parents[1]
NAMELESS = [shutil.which("unshare") or "unshare", "--user", "--map-user=12345"]
"""Run with a user id that has no name, and without an administrator's right to write anywhere."""


@pytest.fixture(scope="module", autouse=True)
def nameless_users() -> None:
    if (
        shutil.which("unshare") is None
        or subprocess.run([*NAMELESS, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs unshare and user namespaces")


def run(
    *arguments: str | Path, at: Path, program: tuple[str, ...] = ("-m", "facemotion.cli"), **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command of that user, with nothing in its environment but what is given, in the folder `at`."""
    paths = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "LD_LIBRARY_PATH": ""}
    return subprocess.run(
        [*NAMELESS, sys.executable, *program, *arguments],
        cwd=at,
        env=paths | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_home_everything_runs_that_keeps_nothing_there(clips, tmp_path):
    verdict = run("verify", clips / "talk1.mp4", clips / "talk2.mp4", at=tmp_path)
    assert (verdict.returncode, verdict.stderr) == (0, "")
    assert run("models", "list", at=tmp_path).returncode == 0
    given = {"FACEMOTION_STORE": "users.db", "FACEMOTION_STORE_KEY": "q" * 43 + "="}
    enrolled = run("enrol", "alice", clips / "talk1.mp4", clips / "talk2.mp4", at=tmp_path, **given)
    assert enrolled.returncode == 0, enrolled.stderr
    assert "alice" in run("users", at=tmp_path, **given).stdout
    assert {path.name for path in tmp_path.iterdir()} == {"users.db"}  # no folder called "~"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("users", "no home folder to keep the store in; name a file with --store or FACEMOTION_STORE"),
        ("users --store users.db", "There is no store users.db"),
        ("models pull sface", "no home folder to keep models in; name one as models_folder"),
    ],
)
@pytest.mark.parametrize("environment", [{}, {"HOME": ""}], ids=["no HOME", "empty HOME"])
def test_without_a_home_what_needs_one_says_what_to_name_instead(tmp_path, command, words, environment):
    told = run(*command.split(), at=tmp_path, **environment)
    assert told.returncode == 2
    assert words in told.stderr


def test_without_a_home_the_data_engine_asks_where_to_keep_its_fits(tmp_path):
    imports = "from pathlib import Path; from facemotion.synth.people.assets import Assets; "
    imports += "from facemotion.synth.people.cast import default_cache; "
    told = run("-c", imports + "default_cache(Assets(Path()))", at=tmp_path, program=())
    assert (
        "AssetError: There is no home folder to keep the fitted portraits in; name a file with --cache" in told.stderr
    )


def test_a_home_that_can_not_be_written_is_named_with_the_way_round_it(clips, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    verdict = run("verify", clips / "talk1.mp4", clips / "talk2.mp4", at=home, HOME=str(home))
    assert (verdict.returncode, verdict.stderr) == (0, "")
    for place in (home, home / "absent"):
        told = run("users", at=tmp_path, HOME=str(place))
        assert told.returncode == 2
        assert "name a file elsewhere with --store or FACEMOTION_STORE" in told.stderr


def test_a_home_in_a_folder_of_everybody_is_taken(tmp_path):
    """As /tmp is, which containers are often given."""
    tmp_path.chmod(0o777)
    listed = run("users", at=tmp_path, HOME=str(tmp_path))
    assert listed.returncode == 2
    assert f"There is no store {tmp_path / '.local/share/facemotion/facemotion.db'}" in listed.stderr
    assert (tmp_path / ".local/share/facemotion").stat().st_mode & 0o777 == 0o700


def test_settings_that_may_not_be_looked_at_are_not_passed_over(clips, tmp_path):
    """They may ask for a stricter threshold than the default."""
    (tmp_path / ".config").mkdir(mode=0o000)
    try:
        told = run("verify", clips / "talk1.mp4", clips / "talk2.mp4", at=tmp_path, HOME=str(tmp_path))
    finally:
        (tmp_path / ".config").chmod(0o700)
    assert told.returncode == 2
    assert "Can't look for the settings file" in told.stderr
    assert "FACEMOTION_CONFIG" in told.stderr
