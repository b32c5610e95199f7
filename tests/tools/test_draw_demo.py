"""The head that the page draws is the data engine's, and its file is current."""

from __future__ import annotations

from tools.draw_demo import FILE, head_script


def test_the_head_on_the_page_is_the_one_of_clay():
    assert head_script() == FILE.read_text("utf-8"), "run `python -m tools.draw_demo`"
