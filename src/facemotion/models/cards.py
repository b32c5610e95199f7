"""Model cards: a model travels with its hash, licence, preprocessing and measured figures.

The cards of the models that ship stand in `cards.toml`; further ones (a deployment's own encoder, a recogniser) are
read from `*.toml` in the folder of pulled models, and may not take a shipped name.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from facemotion.config import RuntimeSettings, from_table, option
from facemotion.errors import MissingModelError, ModelError, ModelHashError, SettingsError, UnknownModelError
from facemotion.files import user_folder
from facemotion.types import OperatingPoint

SHIPPED_FOLDER = Path(__file__).with_name("files")
SHIPPED_CARDS = Path(__file__).with_name("cards.toml")


@dataclass(frozen=True)
class ModelCard:
    """What a model file is.

    Attributes:
        name: how settings and commands call it.
        file: name of the ONNX file.
        sha256: of the file's bytes, 64 hexadecimal digits.
        bytes: size of the file.
        role: detector, extractor, encoder or recogniser.
        licence: SPDX identifier of the weights.
        source: where the weights came from and what they were trained on.
        preprocessing: what the input must be.
        output: what comes out.
        frontend: for an encoder, the `frontend_id` of the features that it takes.
        spotting: for an encoder, whether clips are cut to where the face moves first, as they were in its training.
        sources: where `facemotion models pull` finds a file that doesn't ship.
        note: a caution that every user of the model should read.
        default_point: name of the operating point used where the settings name none.
        figures: measured figures, written by the script that measured them.
        operating_points: thresholds with their evidence.
    """

    name: str
    file: str
    sha256: str
    bytes: int = option(0, "size of the file", minimum=1)
    role: str = option("", "what it does", choices=("detector", "extractor", "encoder", "recogniser"))
    licence: str = ""
    source: str = ""
    preprocessing: str = ""
    output: str = ""
    frontend: str = ""
    spotting: bool = False
    sources: tuple[str, ...] = ()
    note: str = ""
    default_point: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    operating_points: tuple[OperatingPoint, ...] = ()

    @property
    def model_id(self) -> str:
        """Name and first digits of the hash: two files of one name never pass for the same model."""
        return f"{self.name}@{self.sha256[:12]}"


NO_FOLDER = "There is no home folder to keep models in; name one as models_folder under [runtime] in the settings."


def models_folder(settings: RuntimeSettings) -> Path | None:
    """Folder of pulled models and further cards; None where none is named and the user has no home."""
    if settings.models_folder:
        return Path(settings.models_folder)
    data = user_folder("data")
    return data and data / "models"


@lru_cache(maxsize=16)
def _read_cards(path: Path, changed_ns: int) -> dict[str, ModelCard]:
    """Cards of one file; `changed_ns` keys the cache, so that an edited file is read again."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"Can't read the model cards in {path}: {error}.") from error
    if not all(isinstance(entry, dict) for entry in table.values()):
        raise ModelError(f"{path} must hold one table a model, such as [my-encoder].")
    try:
        return {
            name: from_table(ModelCard, {"name": name, **entry}, f"{path}: {name}") for name, entry in table.items()
        }
    except SettingsError as error:
        raise ModelError(str(error)) from error


def load_cards(settings: RuntimeSettings | None = None) -> dict[str, ModelCard]:
    """All cards, shipped ones first, by name.

    Raises:
        ModelError: a card can't be read, or a further card takes a shipped name.
    """
    cards = dict(_read_cards(SHIPPED_CARDS, SHIPPED_CARDS.stat().st_mtime_ns))
    folder = models_folder(settings or RuntimeSettings())
    for path in sorted(folder.glob("*.toml")) if folder is not None else ():
        for name, entry in _read_cards(path, path.stat().st_mtime_ns).items():
            if name in cards:
                raise ModelError(f"{path} redefines the model {name!r}; give it another name.")
            cards[name] = entry
    return cards


def card(name: str, settings: RuntimeSettings | None = None) -> ModelCard:
    """The card of one model.

    Raises:
        UnknownModelError: no such name; the nearest is named.
    """
    cards = load_cards(settings)
    if name not in cards:
        near = difflib.get_close_matches(name, cards, n=1, cutoff=0)
        hint = f"; the nearest known is {near[0]!r}" if near else ""
        looked = ""
        if settings is not None and settings.models_folder:
            folder = Path(settings.models_folder)
            looked = (
                f" Cards were looked for in {folder.absolute()}{'' if folder.is_dir() else ', which is no folder'}."
            )
        raise UnknownModelError(f"There is no model {name!r}{hint}.{looked} See `facemotion models list`.")
    return cards[name]


def model_path(name: str, settings: RuntimeSettings | None = None) -> Path:
    """The file of a model, after its hash was checked.

    Raises:
        UnknownModelError, MissingModelError, ModelHashError.
    """
    entry = card(name, settings)
    folder = models_folder(settings or RuntimeSettings())
    places = [SHIPPED_FOLDER / entry.file, *([folder / entry.file] if folder is not None else [])]
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        if folder is None:
            raise MissingModelError(f"The file {entry.file} of the model {name!r} isn't there. {NO_FOLDER}")
        how = f"run `facemotion models pull {name}`" if entry.sources else f"put it at {places[-1]}"
        raise MissingModelError(f"The file {entry.file} of the model {name!r} isn't there; {how}.")
    if file_sha256(path) != entry.sha256:
        raise ModelHashError(
            f"{path} isn't the file that the card of {name!r} describes (its SHA-256 differs); "
            "reinstall or pull it again."
        )
    return path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_entry(path: Path) -> dict[str, str | int]:
    """What a card says of its file: name, SHA-256 and size in bytes."""
    return {"file": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size}
