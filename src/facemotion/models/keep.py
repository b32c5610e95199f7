"""Keeping a model under a name of its own, so that those who enrolled with it are verified after an upgrade."""

from __future__ import annotations

import dataclasses
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from facemotion.errors import MissingModelError, ModelError, ModelHashError
from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, ModelCard, read_cards
from facemotion.models.deployment import NO_FOLDER, Models
from facemotion.system.files import file_sha256, room_for, write_whole

PACKAGE = "facemotion"
DAMAGED = (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error)
"""What Python raises on a package that is damaged, encrypted or packed by a method that it doesn't know."""
_LARGEST = 2**30  # bytes of a file in a package; a card says how many there are


def keep(name: str, new_name: str, models: Models, package: Path | None = None, *, point: str = "") -> ModelCard:
    """Copy a model and its card into the deployment's folder, under another name that its id doesn't change with.

    Templates say by which model they were made, so those of the kept one go on to fit it.

    Args:
        name: of the card to copy.
        new_name: how the kept model is called.
        models: the models of the deployment, whose folder gets the copy.
        package: an earlier facemotion that the model is taken from: its wheel, or the folder of its sources. None: this
            one.
        point: name of the operating point in use, which becomes the default of the copy where the model has it, as its
            card or the deployment's calibration says.
    Returns:
        The new card.
    Raises:
        UnknownModelError, MissingModelError, ModelHashError: see `Models.path`.
        ModelError: the name is taken, or no file name; the package can't be read; no folder to keep the model in.
        WriteError: the folder can't be written.
    """
    if models.folder is None:
        raise ModelError(NO_FOLDER)
    if new_name in models.cards():
        raise ModelError(f"There is a model {new_name!r} already; choose another name.")
    with tempfile.TemporaryDirectory() as scratch:
        if package is None:
            card, file = models.card(name), models.path(name)
        else:
            card, file = _card_of(package, name, Path(scratch))
        points = models.points_of(card)
        try:
            kept = dataclasses.replace(
                card,
                name=new_name,
                file=f"{new_name}{Path(card.file).suffix}",
                keeps_name_of=card.keeps_name_of or card.name,
                default_point=point if any(each.name == point for each in points) else card.default_point,
                operating_points=points,
            )
        except ValueError as error:
            raise ModelError(f"{new_name!r} can't be kept: {error}.") from error
        with room_for(models.folder):
            models.folder.mkdir(parents=True, exist_ok=True)
            write_whole(models.folder / kept.file, file.read_bytes())
            write_whole(models.folder / f"{new_name}.toml", _to_toml(kept))
    return kept


def _card_of(package: Path, name: str, scratch: Path) -> tuple[ModelCard, Path]:
    """The card and the file of a model of another facemotion.

    Raises:
        ModelError, MissingModelError, ModelHashError: see `keep`.
    """
    known = read_cards(_member(package, SHIPPED_CARDS.name, scratch))
    found = known.get(name)
    if found is None:
        raise ModelError(f"{package} has no model {name!r}; it has {', '.join(known)}.")
    file = _member(package, f"{SHIPPED_FOLDER.name}/{found.file}", scratch)
    if file_sha256(file) != found.sha256:
        raise ModelHashError(f"{found.file} in {package} isn't the file of its card (its SHA-256 differs).")
    return found, file


def _member(package: Path, inner: str, scratch: Path) -> Path:
    """A file below `facemotion/models` of a wheel, or of a folder of sources."""
    if package.is_dir():
        places = [package / part / "models" / inner for part in ("", PACKAGE, f"src/{PACKAGE}")]
        for place in places:
            if place.is_file():
                return place
        raise MissingModelError(f"{package} holds no {PACKAGE}/models/{inner}; give the folder of the sources.")
    place = scratch / Path(inner).name
    try:
        with zipfile.ZipFile(package) as wheel:
            member = wheel.getinfo(f"{PACKAGE}/models/{inner}")
            if member.file_size > _LARGEST:
                raise ModelError(f"{inner} in {package} has {member.file_size} bytes; that is no model of facemotion.")
            place.write_bytes(wheel.read(member))
    except (OSError, KeyError, *DAMAGED) as error:
        raise ModelError(f"Can't take {inner} from {package} ({error}); give a wheel of facemotion.") from error
    return place


def _to_toml(card: ModelCard) -> str:
    import tomlkit  # late: `doctor` looks at models where a package is broken

    table: dict[str, Any] = {key: value for key, value in dataclasses.asdict(card).items() if value and key != "name"}
    return tomlkit.dumps({card.name: table})
