"""The simulated people: which portraits serve which part, and which portraits each person is made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from facemotion.errors import AssetError, SettingsError
from facemotion.synth.people.assets import FITS, Assets
from facemotion.synth.people.fit import Fit, PortraitFitter, load_fits, save_fits
from facemotion.synth.people.head import IDENTITIES, FloatArray, HeadModel
from facemotion.synth.people.person import Likeness, Person, make_person, mean_expression
from facemotion.system.files import room_for, user_folder

PARTS = ("train", "validation", "benchmark")
# What a part adds to the numbers of its seeds: another part has other motions, habits and takes, not other faces alone.
# The benchmark adds nothing, since Synth-59 is frozen.
STREAMS: dict[str, tuple[int, ...]] = {"train": (1,), "validation": (2,), "benchmark": ()}
VERSION = 1  # of what a seed means; raised when a change would alter a clip
SHAPE_NOISE = 0.25  # standard deviations; more and the portrait's features stretch


@lru_cache(maxsize=1)
def parents() -> dict[str, tuple[str, ...]]:
    """Portraits of each part; nobody has parents in two. Portraits turned too far to be textured from are in none."""
    text = resources.files("facemotion.synth.people").joinpath("parents.txt").read_text("utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {part: tuple(name for name, of_part in rows if of_part == part) for part in PARTS}


def engine_version(part: str) -> str:
    """What a seed means in a part: clips of two versions don't belong in one set.

    Before parts had streams of their own, all of them had version 1.

    Args:
        part: one of PARTS.
    """
    return ".".join(map(str, (VERSION, *STREAMS[part])))


def part_random(part: str, *numbers: int) -> np.random.Generator:
    """A generator of what the numbers stand for, in one part.

    Args:
        part: one of PARTS.
        *numbers: what is drawn; two different rows of numbers have independent generators.
    Raises:
        SettingsError: no such part.
    """
    if part not in PARTS:
        raise SettingsError(f"The part must be one of {', '.join(PARTS)}, got {part!r}.")
    return np.random.default_rng(np.random.SeedSequence([*numbers, *STREAMS[part]]))


@dataclass(frozen=True, eq=False)
class Recruit:
    """A person to be built.

    Attributes:
        name: s001, s002, ...
        first: portrait of hair, scene and most of the face.
        second: portrait morphed in, or "".
        share: share of the second portrait, 0..1.
        noise: (100,) float32 standard deviations added to the shape.
        seed: seed of details.
    """

    name: str
    first: str
    second: str
    share: float
    noise: FloatArray
    seed: int


def cast(count: int, part: str, seed: int) -> list[Recruit]:
    """Recruit people. Each portrait of the part gives its hair and scene to one person before any gives a second time.

    Args:
        count: number of people.
        part: one of PARTS.
        seed: seed of who they are.
    Raises:
        SettingsError: no such part.
    """
    shuffler = part_random(part, seed, 11)
    names = parents()[part]
    order = shuffler.permutation(len(names))
    recruits = []
    for number in range(count):
        random = part_random(part, seed, 12, number)
        first = names[order[number % len(names)]]
        again = number >= len(names)
        kin = [name for name in names if name != first and name.split("_")[0] == first.split("_")[0]]
        kin = kin or [name for name in names if name != first]
        second = kin[int(random.integers(len(kin)))]
        share = float(random.uniform(0.35, 0.5) if again else random.uniform(0.1, 0.4))
        noise = random.standard_normal(IDENTITIES) * SHAPE_NOISE
        recruits.append(
            Recruit(f"s{number + 1:03d}", first, second, share, noise.astype(np.float32), int(random.integers(2**31)))
        )
    return recruits


class PersonBuilder:
    """Builds recruits from fitted portraits."""

    def __init__(self, assets: Assets, head: HeadModel, fits: dict[str, Fit]) -> None:
        """Prepare for any number of people.

        Args:
            assets: where the portraits are.
            head: the model.
            fits: fits by the name of the portrait.
        """
        self._assets, self._head, self._fits = assets, head, fits
        self._bias = mean_expression(fits)

    def build(self, recruit: Recruit) -> Person:
        """The person that a recruit describes.

        Args:
            recruit: who is built.
        Raises:
            AssetError: one of the two portraits is missing.
        """
        likeness = Likeness(
            name=recruit.name,
            fit=self._fit(recruit.first),
            shape_noise=recruit.noise,
            other=self._fits.get(recruit.second),
            share=recruit.share,
            seed=recruit.seed,
        )
        return make_person(self._head, self._assets, self._bias, likeness)

    def portrait(self, name: str) -> Person:
        """The person that a portrait shows.

        Raises:
            AssetError: the portrait is missing.
        """
        return make_person(self._head, self._assets, self._bias, Likeness(name, self._fit(name)))

    def _fit(self, name: str) -> Fit:
        if name not in self._fits:
            raise AssetError(
                f"{self._assets.folder} has no portrait {name}, from which people are made; build the folder with "
                "`facemotion synth assets`."
            )
        return self._fits[name]


def default_cache(assets: Assets) -> Path:
    """The file of fitted portraits: that of the assets folder if it has one, else one in the user's cache folder.

    Args:
        assets: where the portraits are.
    Raises:
        AssetError: the user has no home.
    """
    if (assets.folder / FITS).exists():
        return assets.folder / FITS
    folder = user_folder("cache")
    if folder is None:
        raise AssetError("There is no home folder to keep the fitted portraits in; name a file with --cache.")
    return folder / "portrait-fits.npz"


def fit_portraits(assets: Assets, cache: Path, progress: Callable[[int, int], None] | None = None) -> dict[str, Fit]:
    """All portraits, fitted; those that the cache file holds already cost nothing.

    Args:
        assets: where the portraits are.
        cache: npz file, made if it isn't there.
        progress: called with the number of portraits fitted now and the number of all that weren't in the cache.
    Returns:
        Fits by the name of the portrait.
    Raises:
        AssetError: an asset is missing or the cache isn't one.
        NoFaceError: a portrait shows no face.
        WriteError: the cache can't be written.
    """
    names = assets.portrait_names()
    known = load_fits(cache) if cache.exists() else {}
    missing = [name for name in names if name not in known]
    if missing:
        fitter = PortraitFitter(assets)
        for number, name in enumerate(missing):
            known[name] = fitter(name)
            if progress is not None:
                progress(number + 1, len(missing))
        with room_for(cache):
            cache.parent.mkdir(parents=True, exist_ok=True)
        save_fits([known[name] for name in names], cache)
    return {name: known[name] for name in names}
