"""The rules of the house: layers, sizes, lazy imports, nothing undocumented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import typer.main

from facemotion.cli import app
from facemotion.config import Settings, to_toml

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PACKAGE = ROOT / "src" / "facemotion"
MOST_FILES = 12  # of a room
COMMON_NAMES = {"__init__", "base", "settings"}  # of modules; each room may have its own
TWINS = ("training/encoder", "training/extractor")
NAMES_OF_TWINS = {"train", "losses", "export"}


def test_layers_hold():
    answer = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-3000:] + answer.stderr[-1000:]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_no_room_is_crowded(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_no_file_beside_the_package_is_longer_than_one_of_it():
    paths = [path for folder in ("tests", "benchmarks", "tools", "examples") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in paths}
    assert len(lengths) > 200
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_no_room_has_more_than_a_dozen_files():
    """The package's own folder is the list of rooms, some of them of one file; it has its own limit."""
    files = Counter(path.parent for path in SOURCES if path.stem != "__init__")
    assert files.pop(PACKAGE) <= 15
    assert {str(room.relative_to(PACKAGE)): count for room, count in files.items() if count > MOST_FILES} == {}


def test_a_module_name_tells_which_module_is_meant():
    rooms: dict[str, list[str]] = {}
    for path in SOURCES:
        rooms.setdefault(path.stem, []).append(path.parent.relative_to(PACKAGE).as_posix())
    doubled = {name: own for name, own in rooms.items() if len(own) > 1 and name not in COMMON_NAMES}
    assert doubled == {name: list(TWINS) for name in NAMES_OF_TWINS}


def modules_after(statement: str) -> list[str]:
    """Names of the modules that a new process has loaded after a statement."""
    code = f"import sys\n{statement}\nprint('modules:', *sys.modules)"
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    return said.rpartition("modules:")[2].split()


def loaded_after(statement: str) -> set[str]:
    return {name.partition(".")[0] for name in modules_after(statement)}


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "onnxruntime", "av", "cv2", "sqlalchemy", "PIL", "numpy", "typer", "fastapi"}
    assert not loaded_after("import facemotion") & heavy


def test_the_command_line_starts_without_the_heavy_parts():
    heavy = {"torch", "onnxruntime", "av", "cv2", "sqlalchemy", "numpy", "fastapi"}
    assert not loaded_after("import facemotion.cli") & heavy


def test_inference_never_loads_torch():
    everything = (
        "import facemotion\nfor name in facemotion.__all__: getattr(facemotion, name)\nfacemotion.Frontend.load()"
    )
    assert "torch" not in loaded_after(everything)


def test_help_loads_few_modules_so_that_it_answers_at_once():
    """228 on Python 3.11; how long they take is the machine's affair."""
    statement = """
from facemotion.cli import main
sys.argv = ["facemotion", "--help"]
try:
    main()
except SystemExit:
    pass
"""
    loaded = modules_after(statement)
    assert len(loaded) < 450
    assert not {"torch", "onnxruntime", "av", "sqlalchemy", "numpy", "fastapi"} & set(loaded)


def commands(group=None, path=()) -> dict[str, object]:
    group = group or typer.main.get_command(app)
    found = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= commands(command, (*path, name)) if inner else {" ".join((*path, name)): command}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_is_documented(name):
    command = commands()[name]
    assert command.help
    text = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    section = re.search(rf"^## `facemotion {re.escape(name)}.*?(?=^## |\Z)", text, re.M | re.S)
    assert section, f"docs/reference/commands.md has no section on facemotion {name}"
    for option in command.params:
        assert option.help, f"{name} {option.name} has no help"
        if option.opts[0].startswith("--"):
            assert f"`{option.opts[0]}" in section[0] or option.opts[0] in COMMON, f"{option.opts[0]} isn't documented"


def test_no_document_names_an_option_that_is_not_there():
    """In a section on a command, and wherever a command is quoted with its options."""
    known = {
        name: {"--help", *(text for one in command.params for text in (*one.opts, *one.secondary_opts))}
        for name, command in commands().items()
    }
    option = re.compile(r"(?<![\w-])--[a-z][\w-]*")
    quoted = 0
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        text = path.read_text("utf-8")
        for words, rest in re.findall(r"\bfacemotion ([a-z]+(?: [a-z]+)?)\b([^`\n]*)", text):
            name = words if words in known else words.split()[0]
            for named in option.findall(rest) if name in known else ():
                quoted += 1
                assert named in known[name], f"{path.name}: facemotion {name} has no {named}"
    assert quoted > 10
    sections = re.split(r"^## ", (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8"), flags=re.M)[1:]
    for section in sections:
        name = max((one for one in known if section.startswith(f"`facemotion {one}")), key=len)
        assert set(option.findall(section)) <= known[name], name


COMMON = {"--json", "--config", "--store", "--help"}


def test_every_setting_is_documented():
    text = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    assert to_toml(Settings()).strip() in text


MOST_POSITIONAL = 6
MOST_IN_A_TUPLE = 4


def crowded_calls(tree: ast.AST, path: str, owner: str = "", *, method: bool = False) -> set[str]:
    """Faults of every function of a file: too many positional arguments, wide tuples, mutable defaults."""
    found = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            found |= crowded_calls(node, path, f"{node.name}.", method=True)
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{path}: {owner}{node.name}"
            static = "staticmethod" in map(ast.unparse, node.decorator_list)
            taken = len(node.args.posonlyargs) + len(node.args.args) - (method and not static)
            if taken > MOST_POSITIONAL:
                found.add(f"{name} takes {taken} positional arguments")
            defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            if any(isinstance(default, ast.Dict | ast.List | ast.Set) for default in defaults):
                found.add(f"{name} has a default that it can change")
            for width in map(len, wide_tuples(node)):
                found.add(f"{name} hides {width} values in a tuple")
        found |= crowded_calls(node, path, owner, method=method and not isinstance(node, ast.FunctionDef))
    return found


def wide_tuples(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[list[ast.expr]]:
    """The parts of tuples with many values, each of a meaning of its own, that a function names or returns."""
    found = []
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "tuple" and isinstance(node.slice, ast.Tuple):
            found.append(node.slice.elts)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            found.append(node.value.elts)
    return [parts for parts in found if len(parts) > MOST_IN_A_TUPLE]


def test_no_call_needs_more_arguments_than_a_reader_can_hold():
    """Names at the call instead: keywords, or a dataclass. Tuples of five values are arguments in disguise."""
    found = set()
    for path in SOURCES:
        place = str(path.relative_to(ROOT / "src" / "facemotion"))
        found |= crowded_calls(ast.parse(path.read_text("utf-8")), place)
    assert not found, "take keywords or a dataclass"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("def f(a, b, c, d, e, f, g): ...", "f takes 7 positional arguments"),
        ("class C:\n    def f(self, a, b, c, d, e, f, g): ...", "C.f takes 7 positional arguments"),
        ("def f():\n    def g(a={}): ...", "g has a default that it can change"),
        ("def f():\n    return 1, 2, 3, 4, 5", "f hides 5 values in a tuple"),
        ("def f(a: list[tuple[int, int, int, int, int]]): ...", "f hides 5 values in a tuple"),
    ],
)
def test_crowded_calls_are_found(code, fault):
    assert f"file.py: {fault}" in crowded_calls(ast.parse(code), "file.py")


@pytest.mark.parametrize(
    "code",
    ["class C:\n    def f(self, a, b, c, d, e, f): ...", "def f(*, a, b, c, d, e, f, g): ...", "def f(a=()): ..."],
)
def test_calls_that_a_reader_can_hold_are_left_alone(code):
    assert crowded_calls(ast.parse(code), "file.py") == set()


def joined_entries(tree: ast.AST) -> list[str]:
    """Arguments whose line in a docstring also tells of another one, where no reader looks for it."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = "|".join(arg.arg for arg in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
        text = ast.get_docstring(node) or ""
        found += [f"{node.name}: {name}" for name in re.findall(rf"\. ({given}): ", text)] if given else []
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_docstrings_give_each_argument_a_line(path):
    assert joined_entries(ast.parse(path.read_text("utf-8"))) == []


def test_an_argument_behind_another_is_seen():
    code = 'def f(a, b):\n    """F.\n\n    Args:\n        a: one. b: two.\n    """'
    assert joined_entries(ast.parse(code)) == ["f: b"]


def traces(text: str, clone: Path) -> list[str]:
    """Paths in a text that lead into a home or beside a clone.

    Args:
        text: of a file.
        clone: folder of the working copy. What lies beside one in the root folder is no path of anybody: `/src` and
            `/app` are common words.
    """
    places = [r"/(?:home|Users)/[\w.-]+/"]
    if len(clone.parent.parts) > 1:
        places.append(re.escape(f"{clone.parent}/"))
    return [found for place in places for found in re.findall(rf"(?<![\w.{{}}/-]){place}", text)]


def test_no_trace_of_a_machine():
    """Nothing under version control names a path of whoever wrote it."""
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    checked = [
        ROOT / name for name in files if Path(name).suffix in {".py", ".md", ".toml", ".txt", ".json", ".js", ""}
    ]
    others = [path for path in checked if path.is_file() and path != Path(__file__)]
    texts = {path: path.read_text("utf-8", errors="replace") for path in others}  # seeds of the fuzzing are bytes
    assert len(texts) > 100
    for clone in (ROOT, Path("/"), Path("/src"), Path("/src/facemotion"), Path("/usr/src/app")):
        assert {str(path): found for path, text in texts.items() if (found := traces(text, clone))} == {}


@pytest.mark.parametrize(
    ("text", "clone"),
    [
        ("see /home/ann/notes.txt", "/src"),
        ('"/Users/ann.b/data/set"', "/"),
        ("runs at /data/projects/facemotion/runs", "/data/projects/facemotion"),
        ("or /data/projects/shared", "/data/projects/facemotion"),
    ],
)
def test_a_path_of_a_machine_is_seen_wherever_the_clone_lies(text: str, clone: str):
    assert traces(text, Path(clone))


def test_few_tests_need_what_a_clone_lacks(request):
    """Of the tests that were chosen; so `make test` in a bare clone skips few."""
    lacking = [test.nodeid for test in request.session.items if test.get_closest_marker("shared")]
    assert len(lacking) <= 4, lacking
