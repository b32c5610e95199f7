"""Counts what makes the sources hard to read, in one checkout or several: crowded folders, names that two files share,
signatures that hand models on, functions that take too many arguments in order.

    python -m tools.house_numbers before=CHECKOUT after=.

prints a table with one column for each checkout; `--write PAGE` puts it between the marks of a page. Nothing of a
checkout is imported, so a checkout of any age can be counted.

    python -m tools.house_numbers --suite before=OLD.json today=NEW.json

makes the table of what the tests cost, of files that `tools/suite_times.py` wrote; a name given twice adds both up.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sections import write_section
from tools.suite_times import SuiteTimes, suite_table

MOST_FILES = 12
MOST_POSITIONAL = 6
SHARED = {"__init__.py", "__main__.py", "base.py", "settings.py"}
"""File names that every folder may have."""
MODEL_NAMES = {"runtime", "models"}
MODEL_TYPE = re.compile(r"(?<![\w.])(RuntimeSettings|Models)\b")
"""The types that say where a deployment's models lie; `messages.Models` of the service is none."""


@dataclass(frozen=True)
class Signature:
    """A function or method, and what it takes.

    Attributes:
        place: file, line and name, such as "encoder.py:12 load".
        positional: arguments that can be given in order, `self` and `cls` left out.
        carries_models: an argument holds or finds a deployment's models.
        may_forget_models: that argument has a default, so that a caller can leave it out.
        is_command: typer fills its arguments by name.
    """

    place: str
    positional: int
    carries_models: bool
    may_forget_models: bool
    is_command: bool


@dataclass(frozen=True)
class HouseNumbers:
    """What was counted in one checkout.

    Attributes:
        folders: Python files of each folder under `src/facemotion`, `__init__.py` left out; "." is the package itself.
        doubled: each file name that several folders have, and in how many.
        signatures: every function and method, in the order of the files.
    """

    folders: Mapping[str, int]
    doubled: Mapping[str, int]
    signatures: tuple[Signature, ...]

    @property
    def fullest(self) -> tuple[str, int]:
        """The folder with most files, and how many it has."""
        return max(self.folders.items(), key=lambda item: item[1])

    @property
    def crowded(self) -> list[str]:
        """Folders with over MOST_FILES files."""
        return sorted(name for name, files in self.folders.items() if files > MOST_FILES)

    @property
    def carriers(self) -> list[Signature]:
        """Functions that are given a deployment's models."""
        return [one for one in self.signatures if one.carries_models]

    @property
    def forgetful(self) -> list[Signature]:
        """Functions that can be called without the models that they need."""
        return [one for one in self.signatures if one.may_forget_models]

    @property
    def overloaded(self) -> list[Signature]:
        """Functions that take over MOST_POSITIONAL arguments in order."""
        return [one for one in self.signatures if one.positional > MOST_POSITIONAL and not one.is_command]


def count_house(checkout: Path) -> HouseNumbers:
    """Count the sources of one checkout.

    Args:
        checkout: folder that holds `src/facemotion`.
    Raises:
        FileNotFoundError: it holds no such sources.
    """
    package = checkout / "src" / "facemotion"
    paths = [path for path in sorted(package.rglob("*.py")) if "__pycache__" not in path.parts]
    if not paths:
        raise FileNotFoundError(f"{package} holds no Python files; name the folder of a clone.")
    counted = [path for path in paths if path.name != "__init__.py"]
    names = Counter(path.name for path in paths if path.name not in SHARED)
    return HouseNumbers(
        folders=Counter(path.parent.relative_to(package).as_posix() for path in counted),
        doubled={name: number for name, number in sorted(names.items()) if number > 1},
        signatures=tuple(
            signature
            for path in paths
            for signature in _signatures(ast.parse(path.read_text("utf-8")), path.relative_to(package).as_posix())
        ),
    )


def _signatures(tree: ast.Module, file: str) -> Iterator[Signature]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield _signature(node, f"{file}:{node.lineno} {node.name}")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, place: str) -> Signature:
    given = node.args
    ordered = [*given.posonlyargs, *given.args]
    with_default = set(ordered[len(ordered) - len(given.defaults) :]) if given.defaults else set()
    with_default |= {own for own, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default}
    carriers = [own for own in (*ordered, *given.kwonlyargs) if _holds_models(own)]
    return Signature(
        place=place,
        positional=sum(own.arg not in ("self", "cls") for own in ordered),
        carries_models=bool(carriers),
        may_forget_models=any(own in with_default for own in carriers),
        is_command="typer.Option" in ast.unparse(given) or "typer.Argument" in ast.unparse(given),
    )


def _holds_models(argument: ast.arg) -> bool:
    annotation = ast.unparse(argument.annotation) if argument.annotation else ""
    return argument.arg in MODEL_NAMES or MODEL_TYPE.search(annotation) is not None


def table(houses: Mapping[str, HouseNumbers]) -> str:
    """The counts as Markdown, one column for each checkout by its name."""
    rows = {
        "Python files in the fullest folder": [f"{one.fullest[1]} (`{one.fullest[0]}`)" for one in houses.values()],
        f"folders with over {MOST_FILES} Python files": [str(len(one.crowded)) for one in houses.values()],
        "file names that several folders have": [str(len(one.doubled)) for one in houses.values()],
        "functions that are given models or their settings": [str(len(one.carriers)) for one in houses.values()],
        "of these, functions whose callers can forget them": [str(len(one.forgetful)) for one in houses.values()],
        f"functions with over {MOST_POSITIONAL} arguments in order": [
            str(len(one.overloaded)) for one in houses.values()
        ],
        "most arguments in order": [
            str(max(own.positional for own in one.signatures if not own.is_command)) for one in houses.values()
        ],
    }
    lines = [f"| what | {' | '.join(houses)} |", f"|---|{'---|' * len(houses)}"]
    return "\n".join([*lines, *(f"| {what} | {' | '.join(counts)} |" for what, counts in rows.items())])


def details(house: HouseNumbers) -> str:
    """What stands behind the counts of one checkout, a line each."""
    lines = [f"crowded folder: {name} ({house.folders[name]} files)" for name in house.crowded]
    lines += [f"doubled name: {name} ({number} folders)" for name, number in house.doubled.items()]
    lines += [f"models can be forgotten: {own.place}" for own in house.forgetful]
    lines += [f"{own.positional} arguments in order: {own.place}" for own in house.overloaded]
    return "\n".join(lines)


def _tell_suite(named: Sequence[str], page: Path | None) -> None:
    files: dict[str, list[Path]] = {}
    for name, _, file in (text.partition("=") for text in named):
        files.setdefault(name, []).append(Path(file))
    told = suite_table({name: SuiteTimes.read(paths) for name, paths in files.items()})
    print(told)
    if page:
        write_section(page, "suite", told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", default=["today=."], metavar="NAME=FOLDER", help="clones to count")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="page whose section `counts` the table becomes")
    parser.add_argument("--suite", nargs="+", metavar="NAME=FILE", help="make the table of these times of the tests")
    parser.add_argument("--details", action="store_true", help="list what stands behind the counts")
    given = parser.parse_args()
    if given.suite:
        _tell_suite(given.suite, given.write)
        return
    pairs = [text.partition("=") for text in given.checkouts]
    houses = {name: count_house(Path(folder)) for name, _, folder in pairs}
    print(table(houses))
    if given.details:
        for name, house in houses.items():
            print(f"\n{name}:\n{details(house)}")
    if given.write:
        write_section(given.write, "counts", table(houses))


if __name__ == "__main__":
    main()
