"""What makes sources hard to read is counted by reading them, and the page shows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.house_numbers import MOST_FILES, count_house, details, table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with one crowded folder, one doubled name and some signatures."""
    package = tmp_path / "src" / "facemotion"
    for folder in ("crowd", "other"):
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").touch()
        (package / folder / "tables.py").touch()
    for number in range(MOST_FILES):
        (package / "crowd" / f"file{number}.py").touch()
    (package / "calls.py").write_text(
        """
class Loader:
    def load(self, name, runtime: RuntimeSettings | None = None): ...
    def six(self, a, b, c, d, e, f, *, g=1): ...

async def seven(a, b, c, d, e, f, g): ...
def command(a, b, c, d, e, f, g: Annotated[str, typer.Option()] = ""): ...
def opened(models: Models): ...
def answer(message: messages.Models) -> None: ...
def simulated(settings: SimulationSettings): ...
""",
        "utf-8",
    )
    return tmp_path


def test_crowded_folders_and_doubled_names_are_counted(clone):
    house = count_house(clone)
    assert house.fullest == ("crowd", MOST_FILES + 1)
    assert house.crowded == ["crowd"]
    assert house.doubled == {"tables.py": 2}


def test_signatures_are_told_apart(clone):
    house = count_house(clone)
    assert [one.place.split()[1] for one in house.carriers] == ["opened", "load"]
    assert [one.place for one in house.forgetful] == ["calls.py:3 load"]
    assert [(one.place.split()[1], one.positional) for one in house.overloaded] == [("seven", 7)]


def test_the_table_has_a_column_for_each_clone(clone):
    text = table({"before": count_house(clone), "after": count_house(clone)})
    assert text.startswith("| what | before | after |\n|---|---|---|\n")
    assert "| functions with over 6 arguments in order | 1 | 1 |" in text
    assert "calls.py:3 load" in details(count_house(clone))


def test_a_folder_without_sources_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="name the folder of a clone"):
        count_house(tmp_path)


WINGS_ALIKE = {"export.py", "losses.py", "train.py"}
"""Names that both wings of training have, since both do the same with another network."""


def test_the_house_stays_easy_to_read():
    house = count_house(ROOT)
    assert house.crowded == [], f"over {MOST_FILES} files in a folder: make a wing"
    assert set(house.doubled) <= WINGS_ALIKE, "give the file a name of its own"
    assert [one.place for one in house.forgetful] == [], "models are handed on, never left out"


def test_the_page_shows_the_rows_that_are_counted():
    page = (ROOT / "docs" / "results" / "house.md").read_text("utf-8")
    for row in table({"now": count_house(ROOT)}).splitlines()[2:]:
        assert row.rpartition(" | ")[0] in page
