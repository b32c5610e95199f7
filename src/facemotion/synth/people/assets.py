"""Where the head model, the portraits and the priors lie. None is part of the package."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from facemotion.errors import AssetError

HEAD = "ict_facekit_light.npz"
CLAY_HEAD = "clay_head.npz"
FITS = "fits.npz"  # of portraits that were drawn from a known head, as those of clay are
CAPTURE = "arkit_range_of_motion.npz"
EXPRESSIONS = "grammatical_facial_expressions.npz"
PORTRAITS = "portraits"
PORTRAIT_LIST = "portraits.csv"


@dataclass(frozen=True)
class Assets:
    """The folder of assets, checked to hold what every command needs.

    Attributes:
        folder: holds the files named by this module's constants (docs/explanation/synth.md: sources and licences).
    """

    folder: Path

    @classmethod
    def find(cls, folder: Path | None = None) -> Assets:
        """The folder given, else the one that FACEMOTION_ASSETS names.

        Raises:
            AssetError: neither is given, or a file is missing.
        """
        if folder is None:
            named = os.environ.get("FACEMOTION_ASSETS")
            if not named:
                raise AssetError(
                    "Give the assets folder by --assets or set FACEMOTION_ASSETS; `facemotion synth assets` builds one."
                )
            folder = Path(named)
        assets = cls(folder)
        _ = assets.head, assets.file(PORTRAIT_LIST)
        return assets

    @property
    def head(self) -> Path:
        """Path of the head: the published one, or the one of clay.

        Raises:
            AssetError: neither is there.
        """
        clay = self.folder / CLAY_HEAD
        return clay if clay.exists() and not (self.folder / HEAD).exists() else self.file(HEAD)

    def file(self, name: str) -> Path:
        """Path of one file of the folder.

        Raises:
            AssetError: it isn't there.
        """
        path = self.folder / name
        if not path.exists():
            remedy = (
                "this capture isn't part of the assets; docs/explanation/synth.md says where it is published"
                if name in (CAPTURE, EXPRESSIONS)
                else "build the folder with `facemotion synth assets`"
            )
            raise AssetError(f"{path} is missing; {remedy}.")
        return path

    def portrait(self, name: str) -> Path:
        """Path of a portrait, `name` without its suffix.

        Raises:
            AssetError: no such portrait.
        """
        return self.file(f"{PORTRAITS}/{name}.jpg")

    def portrait_names(self) -> list[str]:
        """Names of all portraits, without suffix, sorted."""
        with self.file(PORTRAIT_LIST).open(newline="", encoding="utf-8") as file:
            return sorted(Path(row["file"]).stem for row in csv.DictReader(file))
