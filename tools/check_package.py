"""Holds a wheel and a source archive to what they should be: `python -m tools.check_package dist`.

Both carry the version of pyproject.toml and stay under MOST_BYTES. The wheel holds every file of the package that git
tracks and nothing else beside its metadata with LICENSE and NOTICE; the source archive holds every tracked file that
building, testing and reading need. Exit code 1 and one line for each fault otherwise.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_BYTES = 25 * 1000**2
SOURCE = "src/facemotion/"
UNPACKED = (".ci/", ".github/", ".gitattributes")  # of the repository, and of no use to who has the archive


def tracked(root: Path) -> list[str]:
    """Paths that git tracks.

    Args:
        root: of the clone.
    """
    return subprocess.check_output(["git", "-C", str(root), "ls-files"], text=True).splitlines()


def faults(folder: Path, files: list[str], version: str) -> list[str]:
    """What is wrong with the packages of a folder.

    Args:
        folder: holds one wheel and one source archive.
        files: paths that git tracks.
        version: that both should have.
    """
    wheel = folder / f"facemotion-{version}-py3-none-any.whl"
    archive = folder / f"facemotion-{version}.tar.gz"
    found = [f"{path.name} isn't there" for path in (wheel, archive) if not path.is_file()]
    if found:
        return found
    found = [
        f"{path.name} has {path.stat().st_size / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}"
        for path in (wheel, archive)
        if path.stat().st_size > MOST_BYTES
    ]
    about = f"facemotion-{version}.dist-info/"
    with zipfile.ZipFile(wheel) as packed:
        inside = set(packed.namelist())
    package = {path.removeprefix("src/") for path in files if path.startswith(SOURCE)}
    found += _differences("the wheel", {name for name in inside if not name.startswith(about)}, package)
    licences = {f"{about}licenses/{name}" for name in ("LICENSE", "NOTICE")}
    found += [f"the wheel lacks {name}" for name in sorted(licences - inside)]
    with tarfile.open(archive) as packed_source:
        members = [member.name.partition("/")[2] for member in packed_source if member.isfile()]
    wanted = {path for path in files if not path.startswith(UNPACKED)}
    return found + _differences("the source archive", set(members) - {"PKG-INFO"}, wanted)


def _differences(what: str, inside: set[str], wanted: set[str]) -> list[str]:
    lacking = [f"{what} lacks {name}" for name in sorted(wanted - inside)]
    return lacking + [f"{what} holds {name}, which git doesn't track" for name in sorted(inside - wanted)]


def main() -> None:
    """Print the faults."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path, help="holds wheel and source archive")
    given = options.parse_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    found = faults(given.folder, tracked(ROOT), version)
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        sys.exit(1)
    sizes = ", ".join(f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(given.folder.glob("*[lz]")))
    print(f"{sizes}: as they should be.")


if __name__ == "__main__":
    main()
