"""What a release holds, and what it stands on."""

from __future__ import annotations

import io
import json
import re
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools import bill_of_materials, check_package

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FILES = ["src/facemotion/__init__.py", "src/facemotion/samples/one.mp4", "README.md", ".github/ci.yml"]
ABOUT = "facemotion-1.2.3.dist-info"
WHEEL = ["facemotion/__init__.py", "facemotion/samples/one.mp4", f"{ABOUT}/METADATA"]
LICENCES = [f"{ABOUT}/licenses/LICENSE", f"{ABOUT}/licenses/NOTICE"]
ARCHIVE = ["PKG-INFO", "README.md", "src/facemotion/__init__.py", "src/facemotion/samples/one.mp4"]


def packed(folder: Path, wheel: list[str], archive: list[str]) -> Path:
    with zipfile.ZipFile(folder / "facemotion-1.2.3-py3-none-any.whl", "w") as out:
        for name in wheel:
            out.writestr(name, b"x")
    with tarfile.open(folder / "facemotion-1.2.3.tar.gz", "w:gz") as out:
        for name in archive:
            member = tarfile.TarInfo(f"facemotion-1.2.3/{name}")
            member.size = 1
            out.addfile(member, io.BytesIO(b"x"))
    return folder


def test_packages_with_all_files_have_no_fault(tmp_path):
    assert check_package.faults(packed(tmp_path, WHEEL + LICENCES, ARCHIVE), FILES, "1.2.3") == []


def test_what_is_lacking_and_what_is_too_much_is_named(tmp_path, monkeypatch):
    folder = packed(tmp_path, [*WHEEL[1:], "facemotion/cache.pyc"], [*ARCHIVE[1:], ".github/ci.yml"])
    assert check_package.faults(folder, FILES, "1.2.3") == [
        "the wheel lacks facemotion/__init__.py",
        "the wheel holds facemotion/cache.pyc, which git doesn't track",
        f"the wheel lacks {LICENCES[0]}",
        f"the wheel lacks {LICENCES[1]}",
        "the source archive holds .github/ci.yml, which git doesn't track",
    ]
    assert check_package.faults(folder, FILES, "1.2.4") == [
        "facemotion-1.2.4-py3-none-any.whl isn't there",
        "facemotion-1.2.4.tar.gz isn't there",
    ]
    monkeypatch.setattr(check_package, "MOST_BYTES", 200)
    assert "more than 0" in check_package.faults(folder, FILES, "1.2.3")[0]


def test_the_bill_of_materials_names_all_that_is_needed_and_all_models():
    packages = bill_of_materials.closure("facemotion", bill_of_materials.EXTRAS)
    named = {bill_of_materials.normalised(Requirement(text).name) for text in metadata.requires("facemotion")}
    direct = named & set(packages)
    assert {"numpy", "onnxruntime", "av", "fastapi", "scipy", "sqlalchemy"} <= direct
    assert "starlette" in packages  # through fastapi
    assert "torch" not in packages
    assert packages["numpy"].version == metadata.version("numpy")
    assert "BSD" in packages["numpy"].licence
    assert {"starlette", "pydantic"} <= set(packages["fastapi"].needs)

    bill = json.loads(json.dumps(bill_of_materials.bill(packages)))
    references = {item["bom-ref"] for item in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert len(references) == len(bill["components"]) + 1
    assert {ref for item in bill["dependencies"] for ref in (item["ref"], *item["dependsOn"])} <= references
    models = {item["name"] for item in bill["components"] if item["type"] == "machine-learning-model"}
    assert {"blazeface", "face-mesh", "encoder-mesh"} <= models
    listed = bill_of_materials.licence_list(packages)
    assert f"numpy {metadata.version('numpy')}: " in listed
    assert len(listed.splitlines()) == len(packages) + 1


def test_every_package_that_users_install_names_its_licence():
    packages = bill_of_materials.closure("facemotion", bill_of_materials.EXTRAS)
    assert [item.name for item in packages.values() if item.licence == bill_of_materials.UNNAMED] == []


def test_the_citation_has_the_version_of_the_package():
    lines = (ROOT / "CITATION.cff").read_text("utf-8").splitlines()
    assert f"version: {PROJECT['version']}" in lines


def test_the_changelog_tells_each_version_in_lines_of_one_entry():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    names = [part.splitlines()[0].strip() for part in versions]
    assert names[0] == "Unreleased"
    assert names[1].split(" ")[0] == PROJECT["version"]
    assert "0.1.0" in names
    for part in versions[1:]:
        kinds = re.findall(r"^### (.*)$", part, flags=re.MULTILINE)
        assert kinds == [kind for kind in ("Breaking", "Added", "Changed", "Fixed", "Security") if kind in kinds]
        lines = [line for line in part.splitlines()[1:] if line and not line.startswith(("###", "- "))]
        assert len(lines) == 1  # the sentence below the version's name
    assert "must do" in versions[1]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CITATION.cff", "NOTICE"])
def test_what_outsiders_look_for_is_at_the_top(name):
    assert (ROOT / name).stat().st_size > 500
