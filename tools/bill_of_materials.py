"""Writes what facemotion is made of: a bill of materials (CycloneDX, JSON) and a list of licences.

    python -m tools.bill_of_materials dist

Both come from the packages that are installed beside it, so run it where the extras that it lists are installed. The
bill names every package that the extras `store`, `serve` and `synth` bring, directly or through others, with version,
licence and what it needs. It names the model files that ship, too, with their SHA-256.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from facemotion.models.cards import SHIPPED_CARDS, read_cards

EXTRAS = ("store", "serve", "synth")
UNNAMED = "not named"
LONGEST_LICENCE = 60  # characters; longer is the licence itself, not its name


@dataclass(frozen=True)
class Package:
    """One installed package.

    Attributes:
        name: as its metadata spells it.
        version: as installed.
        licence: SPDX expression where the package gives one, else what it calls its licence.
        needs: names of packages that it needs itself, normalised, sorted.
    """

    name: str
    version: str
    licence: str
    needs: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{normalised(self.name)}@{self.version}"


def normalised(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(data: metadata.PackageMetadata) -> str:
    """The licence that a package names.

    Args:
        data: its metadata.
    """
    expression = data.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [text.split("::")[-1].strip() for text in data.get_all("Classifier") or () if "License ::" in text]
    named = [text for text in classifiers if text != "OSI Approved"]
    if named:
        return " and ".join(named)
    free = (data.get("License") or "").strip()
    return free if free and len(free) <= LONGEST_LICENCE and "\n" not in free else UNNAMED


def closure(root: str, extras: tuple[str, ...]) -> dict[str, Package]:
    """All packages that a package needs here, itself first, by normalised name.

    Args:
        root: name of an installed package.
        extras: of its extras.
    """
    found: dict[str, Package] = {}
    asked: set[tuple[str, str]] = set()
    waiting = [(root, extra) for extra in ("", *extras)]
    edges: dict[str, set[str]] = {}
    while waiting:
        name, extra = waiting.pop(0)
        key = normalised(name)
        if (key, extra) in asked:
            continue
        asked.add((key, extra))
        try:
            of = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        for text in of.requires or ():
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
                continue
            waiting += [(requirement.name, inner) for inner in ("", *sorted(requirement.extras))]
            edges.setdefault(key, set()).add(normalised(requirement.name))
        found.setdefault(key, Package(of.metadata["Name"], of.version, licence_of(of.metadata), ()))
    return {
        key: Package(item.name, item.version, item.licence, tuple(sorted(edges.get(key, set()) & set(found) - {key})))
        for key, item in found.items()
    }


def bill(packages: dict[str, Package], root: str = "facemotion") -> dict[str, object]:
    """The bill of materials in CycloneDX 1.5.

    Args:
        packages: made by `closure`.
        root: normalised name of what the bill is of.
    """
    components: list[dict[str, object]] = [
        {
            "type": "library",
            "bom-ref": item.reference,
            "name": item.name,
            "version": item.version,
            "purl": item.reference,
            "licenses": [{"license": {"name": item.licence}}],
        }
        for key, item in sorted(packages.items())
        if key != root
    ]
    models = [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model:{card.name}",
            "name": card.name,
            "version": card.sha256[:12],
            "hashes": [{"alg": "SHA-256", "content": card.sha256}],
            "licenses": [{"license": {"name": card.licence}}],
        }
        for card in read_cards(SHIPPED_CARDS).values()
        if not card.sources  # those with sources are pulled by the user
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": packages[root].reference,
                "name": packages[root].name,
                "version": packages[root].version,
                "purl": packages[root].reference,
                "licenses": [{"license": {"name": packages[root].licence}}],
            }
        },
        "components": components + models,
        "dependencies": [
            {"ref": item.reference, "dependsOn": [packages[name].reference for name in item.needs]}
            for _, item in sorted(packages.items())
        ],
    }


def licence_list(packages: dict[str, Package], root: str = "facemotion") -> str:
    """The list of licences, one package a line."""
    rows = [f"{item.name} {item.version}: {item.licence}" for key, item in sorted(packages.items()) if key != root]
    title = f"What facemotion {packages[root].version} stands on, with the extras {', '.join(EXTRAS)}:"
    return "\n".join([title, "", *rows, ""])


def main() -> None:
    """Write both files."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("out", type=Path, help="folder to write into")
    out = options.parse_args().out
    packages = closure("facemotion", EXTRAS)
    version = packages["facemotion"].version
    out.mkdir(parents=True, exist_ok=True)
    (out / f"facemotion-{version}.cdx.json").write_text(json.dumps(bill(packages), indent=1) + "\n", "utf-8")
    (out / f"facemotion-{version}-licences.txt").write_text(licence_list(packages), "utf-8")
    unnamed = [item.name for item in packages.values() if item.licence == UNNAMED]
    print(
        f"{len(packages) - 1} packages are in {out}." + (f" No licence named: {', '.join(unnamed)}." if unnamed else "")
    )


if __name__ == "__main__":
    main()
