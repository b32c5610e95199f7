"""The README is short, and what it says can be typed is what a tutorial types."""

from __future__ import annotations

import re
from pathlib import Path

from tools import tutorials

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)


def test_it_can_be_read_in_one_go():
    assert len(README.splitlines()) <= 100
    assert [kind for kind, _ in BLOCKS] == ["console", "sh", "python"]


def test_its_commands_and_its_python_are_those_of_a_tutorial_which_tests_run():
    pages = [(tutorials.FOLDER / name).read_text("utf-8") for name in tutorials.QUICK]
    commands = {command for page in pages for command, _ in tutorials.shown(page)}
    scripts = {text for page in pages for _, text in tutorials.files(page)}
    texts = dict(BLOCKS)
    assert {line.removeprefix("$ ") for line in texts["console"].splitlines()} <= commands
    assert texts["python"] in scripts


def test_what_it_has_installed_is_an_extra_and_the_samples_are_there():
    text = dict(BLOCKS)["sh"]
    assert ".[store]" in text
    (folder,) = re.findall(r"^cp -r (\S+) \.", text, re.M)
    assert (ROOT / folder / "anna-wink-pout-1.mp4").is_file()
