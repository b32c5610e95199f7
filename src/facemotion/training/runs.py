"""A run folder: the resolved settings, the versions, the curve and one checkpoint that is whole at any moment."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facemotion.config import read_toml, to_toml
from facemotion.errors import TrainingError
from facemotion.training.settings import TrainingSettings

T = TypeVar("T")

PACKAGES = ("facemotion", "numpy", "torch", "safetensors", "onnx", "onnxruntime")


@dataclass(frozen=True)
class Checkpoint:
    """What a run goes on from: its tensors by name, and the number of steps behind them."""

    tensors: dict[str, Tensor]
    step: int
    frontend_id: str
    dimension: int


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: holds config.toml, versions.json, curve.csv and checkpoint.safetensors.
    """

    path: Path

    @property
    def settings(self) -> TrainingSettings:
        """The resolved settings that a run of the sequence encoder was started with.

        Raises:
            SettingsError: no such run, or an altered file.
        """
        return self.read_settings(TrainingSettings)

    def read_settings(self, kind: type[T]) -> T:
        """The resolved settings of a run of any kind, a dataclass of options.

        Raises:
            SettingsError: no such run, one of another kind, or an altered file.
        """
        return read_toml(kind, self.path / "config.toml")

    def start(self, settings: Any) -> Checkpoint | None:
        """Make the folder, or go on with a run of the same settings.

        Returns:
            The checkpoint to go on from; None at the start of a run.
        Raises:
            TrainingError: the folder holds a run of other settings, its checkpoint is damaged, or it can't be written.
        """
        text = to_toml(settings)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            config = self.path / "config.toml"
            # Read, not compared as text: an option that came later has its default in a run from before.
            if config.exists() and self.settings != settings:
                raise TrainingError(f"{self.path} holds a run of other settings; choose another folder or remove it.")
            config.write_text(text, "utf-8")
            self._write_atomic("versions.json", json.dumps(_versions(), indent=2).encode())
        except OSError as error:
            raise TrainingError(f"Can't write the run folder {self.path}: {error.strerror}.") from error
        return self.load() if (self.path / "checkpoint.safetensors").exists() else None

    def is_complete(self, settings: TrainingSettings) -> bool:
        """Whether a run of these very settings has ended here."""
        if not (self.path / "checkpoint.safetensors").is_file():
            return False
        return self.settings == settings and self.load().step == settings.optimiser.steps

    def load(self) -> Checkpoint:
        """Read the checkpoint.

        Raises:
            TrainingError: there is none, or it is damaged.
        """
        path = self.path / "checkpoint.safetensors"
        if not path.is_file():
            raise TrainingError(f"{self.path} has no checkpoint; train it first with `facemotion train`.")
        try:
            with safe_open(path, framework="pt") as file:
                about = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return Checkpoint(tensors, int(about["step"]), about["frontend_id"], int(about["dimension"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{path} is not a checkpoint or is damaged ({error}); remove it to start over."
            ) from error

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a kill at any moment leaves the old one or the new one.

        Raises:
            TrainingError: the disk is full or the folder is gone.
        """
        about = {
            "step": str(checkpoint.step),
            "frontend_id": checkpoint.frontend_id,
            "dimension": str(checkpoint.dimension),
        }
        contiguous: Mapping[str, Tensor] = {name: t.detach().contiguous() for name, t in checkpoint.tensors.items()}
        try:
            self._write_atomic("checkpoint.safetensors", save(dict(contiguous), about))
        except OSError as error:
            raise TrainingError(
                f"Can't write a checkpoint to {self.path}: {error.strerror}; the last good one is kept."
            ) from error

    def write_curve(self, rows: list[tuple[int, float, float]], step: int) -> None:
        """Append rows of step, loss and learning rate to curve.csv, after dropping those past `step`.

        Rows past the checkpoint that a run goes on from were written before it was cut off, and come again.
        """
        path = self.path / "curve.csv"
        kept = path.read_text("utf-8").splitlines()[1:] if path.exists() else []
        kept = [line for line in kept if int(line.split(",")[0]) <= step]
        lines = ["step,loss,learning_rate", *kept, *(f"{n},{loss:.6f},{rate:.3e}" for n, loss, rate in rows)]
        self._write_atomic("curve.csv", ("\n".join(lines) + "\n").encode())

    def append(self, name: str, header: str, step: int, row: str) -> None:
        """Append one row, the step before it, to a table of the run, after dropping rows of this step or later.

        Raises:
            TrainingError: it can't be written.
        """
        path = self.path / name
        kept = path.read_text("utf-8").splitlines()[1:] if path.exists() else []
        kept = [line for line in kept if int(line.split(",")[0]) < step]
        try:
            self._write_atomic(name, ("\n".join([f"step,{header}", *kept, f"{step},{row}"]) + "\n").encode())
        except OSError as error:
            raise TrainingError(f"Can't write {path}: {error.strerror}; the last checkpoint is kept.") from error

    def _write_atomic(self, name: str, content: bytes) -> None:
        part = self.path / f"{name}.part"
        part.write_bytes(content)
        os.replace(part, self.path / name)


def _versions() -> dict[str, str]:
    installed = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return {"python": platform.python_version()} | {name: installed[name] for name in PACKAGES if name in installed}
