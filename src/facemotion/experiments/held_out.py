"""What became of one fold of the tables, and the file that keeps it, so that no fold is trained twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import TrainingError
from facemotion.system.files import whole
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.run_folder import RunFolder
from facemotion.types import FloatArray

SCORES = "scores"  # in the file, of a system without vectors
LOOKS = "looks"
SECONDS = "seconds"
KEPT_ABOUT = ("places", "clips", LOOKS, SECONDS)  # in the file; whatever else is there are vectors


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What became of one fold of a run.

    Attributes:
        places: (M,) int64 positions of the held-out clips in the manifest that could be acquired.
        vectors: per system, (M, E) float32 unit vectors; "" is the run's own, others are its controls. Empty for a
            system that makes none.
        scores: of such a system, (M, M) float32, NaN between two people; None for all others.
        looks: steps and average precisions of the people who said when to stop; empty where nobody did.
        seconds: of processor time that the training took; None where that wasn't kept, or nothing was trained.
    """

    places: NDArray[np.int64]
    vectors: Mapping[str, FloatArray]
    scores: FloatArray | None = None
    looks: tuple[tuple[int, float], ...] = ()
    seconds: float | None = None

    @property
    def steps(self) -> int:
        """Batches behind the network, where people were watched: those up to the best look."""
        return max(self.looks, key=lambda look: (look[1], -look[0]))[0] if self.looks else 0


def write_held_out(folder: RunFolder, held_out: HeldOut, clips: str) -> None:
    """Keep what became of a fold, whole or not at all.

    Args:
        folder: of the fold, made if it isn't there.
        held_out: to keep.
        clips: digest of all that it comes from.
    """
    arrays: dict[str, Any] = {name or "encoder": array for name, array in held_out.vectors.items()}
    if held_out.scores is not None:
        arrays[SCORES] = held_out.scores
    if held_out.looks:
        arrays[LOOKS] = np.array(held_out.looks)
    if held_out.seconds is not None:
        arrays[SECONDS] = np.array(held_out.seconds)
    folder.path.mkdir(parents=True, exist_ok=True)
    with whole(folder.path / "vectors.npz") as draft, draft.open("wb") as file:
        np.savez(file, places=held_out.places, clips=np.array(clips), **arrays)


def read_held_out(folder: RunFolder, settings: TrainingSettings | None, clips: str) -> HeldOut | None:
    """What `write_held_out` kept; None where nothing was.

    Args:
        folder: of the fold.
        settings: that it should have been trained with; None for a system without training.
        clips: digest that it should have been kept with.
    Raises:
        TrainingError: it is of other settings or clips, or the file is damaged.
    """
    path = folder.path / "vectors.npz"
    if not path.is_file():
        return None
    if settings is not None:
        folder.check_settings(settings)
    try:
        with open_npz(path) as file:
            if str(file["clips"]) != clips:
                raise TrainingError(
                    f"{folder.path} is of another manifest, other clips, another extractor or other folds; choose "
                    "another folder or remove it."
                )
            if settings is None:
                return HeldOut(file["places"], {}, file[SCORES])
            vectors = {name: file[name] for name in file.files if name not in KEPT_ABOUT}
            looks = file[LOOKS].tolist() if LOOKS in file.files else []
            if any(len(own) != len(file["places"]) or not np.isfinite(own).all() for own in vectors.values()):
                raise ValueError("its vectors aren't those of its clips")
            read = tuple((int(step), float(precision)) for step, precision in looks)
            seconds = float(file[SECONDS]) if SECONDS in file.files else None
            return HeldOut(file["places"], {"": vectors.pop("encoder"), **vectors}, looks=read, seconds=seconds)
    except (OSError, *DAMAGE) as error:
        raise TrainingError(f"{path} is damaged ({error}); remove its folder to train that fold again.") from error
