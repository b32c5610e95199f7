"""The pages of options and of settings are what the code says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tools import reference_pages

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", reference_pages.PAGES)
def test_the_page_is_as_the_code_is(name):
    page = reference_pages.PAGES[name]()
    assert (reference_pages.FOLDER / name).read_text("utf-8") == page, "run python -m tools.reference_pages"


def test_every_class_of_settings_is_on_the_page():
    """A class is one if it makes a field by `option`, wherever it lies; cards of models are no settings."""
    shown = {table for _, _, kind in reference_pages.FILES for _, table, _ in reference_pages.tables_of(kind)}
    names = {kind.__name__ for kind in shown}
    assert len(names) > 20
    package = ROOT / "src" / "facemotion"
    for path in set(package.rglob("*.py")) - set((package / "models").iterdir()):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                made = [part for part in node.body if isinstance(part, ast.AnnAssign) and part.value is not None]
                if any(ast.unparse(part.value).startswith("option(") for part in made):
                    assert node.name in names, f"{path.name} has {node.name}"


def test_a_table_of_several_is_shown_as_one():
    text = reference_pages.settings_page()
    assert "**`[[sources]]`**" in text
    assert re.search(r"\| `takes` \| `2` \| 2 to 256 \| K, takes of each motion", text)
