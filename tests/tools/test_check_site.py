"""A built site is searched for links that lead nowhere and for what other hosts are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.check_site import faults

GOOD = '<link href="style.css"><h1 id="top">A</h1><a href="#top">up</a><a href="https://example.com/">out</a>'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(GOOD, "utf-8")
    (tmp_path / "style.css").write_text("body { background: url(data:image/gif;base64,AAAA) }", "utf-8")
    return tmp_path


def test_a_site_whose_links_lead_somewhere_is_good(site):
    assert faults(site) == []


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<a href="absent.html">a</a>', "index.html leads to absent.html, which isn't there"),
        ('<a href="index.html#absent">a</a>', "index.html leads to index.html#absent, a heading that isn't there"),
        ('<img src="absent.png">', "index.html leads to absent.png, which isn't there"),
        ('<script src="https://cdn.example.com/a.js"></script>', "index.html loads https://cdn.example.com/a.js"),
        ('<link href="//fonts.example.com/a.css">', "index.html loads //fonts.example.com/a.css"),
    ],
)
def test_a_link_that_leads_nowhere_and_a_part_of_another_host_are_found(site, element, fault):
    (site / "index.html").write_text(GOOD + element, "utf-8")
    assert faults(site) == [fault]


@pytest.mark.parametrize("style", ["@import 'https://a.example/b.css';", "p { src: url(https://a.example/b.css) }"])
def test_a_style_that_asks_another_host_is_found(site, style):
    (site / "style.css").write_text(style, "utf-8")
    assert faults(site) == ["style.css loads https://a.example/b.css"]


def test_a_folder_without_pages_is_no_site(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no page"):
        faults(tmp_path)
