"""The pages that show a newcomer round: what they name is there, and words have one meaning."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("how-to/extending.md", "explanation/architecture.md", "reference/glossary.md")


def names_of(path: Path) -> set[str]:
    """Functions, classes, methods and assigned names at any level of a Python file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("page", PAGES[:2])
def test_every_file_and_name_on_the_page_is_there(page):
    text = (ROOT / "docs" / page).read_text("utf-8")
    paths = re.findall(r"`((?:src|tests|docs|tools|configs|benchmarks)/[\w./-]+)`", text)
    assert len(set(paths)) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
    named = re.findall(r"`(\w+)` in\s+`(src/[\w/]+\.py)`", text)
    assert len(named) > 5
    for name, module in named:
        assert name in names_of(ROOT / module), f"{module} defines no {name}"


def test_every_room_stands_in_a_table_of_the_architecture():
    """Files and folders of the package; of folders with wings, every wing."""
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
    rooms = {
        room for row in re.findall(r"^\| ((?:`[^`]+` ?)+) \|", text, re.M) for room in re.findall(r"`([^`]+)`", row)
    }
    package = ROOT / "src" / "facemotion"
    for path in package.iterdir():
        if path.suffix == ".py" and path.name != "__init__.py":
            assert path.name in rooms, f"docs/explanation/architecture.md doesn't say what belongs in {path.name}"
        elif path.is_dir() and any(path.glob("*.py")):
            inside = [room for room in rooms if room.startswith(f"{path.name}/")]
            assert inside, f"docs/explanation/architecture.md doesn't say what belongs in {path.name}/"
    for room in rooms:
        if room.endswith(("/", ".py")):
            assert (package / room).exists(), f"docs/explanation/architecture.md has a room {room} that isn't there"


@pytest.mark.parametrize("page", PAGES)
def test_the_page_can_be_found_from_the_readme(page):
    assert f"(docs/{page})" in (ROOT / "README.md").read_text("utf-8")


def anchors(text: str) -> set[str]:
    """What the headings of a page can be linked to as, on the code host and on the site."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", plain, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_of_a_page_leads_to_a_file_and_a_heading():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    texts = {path.resolve(): path.read_text("utf-8") for path in pages}
    followed = 0
    for path, text in texts.items():
        broken = re.findall(r"\]\([^()\s\"]+\n[^()]*\)", text)
        assert broken == [], f"{path.name} breaks a link between two lines, which leads nowhere then"
        for target, heading in re.findall(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)", text):
            there = (path.parent / target).resolve() if target else path
            assert there.exists(), f"{path.name} links to {target}"
            if heading and there in texts:
                assert heading in anchors(texts[there]), f"{path.name} links to {target}#{heading}"
            followed += 1
    assert followed > 200


def test_every_page_is_in_the_contents_of_the_site():
    folder = ROOT / "docs"
    listed = set(re.findall(r"^([\w/-]+)$", (folder / "index.md").read_text("utf-8"), re.M))
    pages = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md")} - {"index"}
    assert pages <= listed


def test_what_was_learned_names_experiments_whose_rows_are_kept():
    folder = ROOT / "docs" / "results"
    experiments = {own["name"]: own for own in json.loads((folder / "ablations.json").read_text("utf-8"))}
    tables = [part for own in experiments.values() for part in own["parts"] if isinstance(part, dict)]
    assert sum(len(table["rows"]) for table in tables) > 100
    named = set()
    for page in ("ablations.md", "ablations_people.md"):
        for names in re.findall(r"\[([a-zS][\w ,.-]+)\](?!\()", (folder / page).read_text("utf-8")):
            named.update(names.split(", "))
    assert named == set(experiments) - {"about"}


UNUSED = re.compile(
    r"\b(FAR|FRR|[Ff]alse (?:acceptance|rejection) rate|[Ii]mposters?|[Ee]nroll(?:ment|s)?|[Ss]core pairs?"
    r"|(?:[Ii]mpostor|[Gg]enuine) pairs?|[Gg]estures?)\b"
)
"""Words for which the glossary has another one."""


def test_nothing_is_called_by_a_word_that_the_glossary_replaces():
    files = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    files += (ROOT / "src" / "facemotion" / "service" / "static").glob("*.js")
    for path in files:
        if path.name != "glossary.md":
            found = UNUSED.search(path.read_text("utf-8"))
            assert found is None, f"{path.relative_to(ROOT)}: {found[0]!r}; see docs/reference/glossary.md"
