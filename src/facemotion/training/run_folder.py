"""A run folder: the resolved settings, the versions, the curve and one checkpoint that is whole at any moment."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer

from facemotion.config import differences, read_toml, to_toml
from facemotion.errors import TrainingError
from facemotion.system.files import write_whole

T = TypeVar("T")

PACKAGES = ("facemotion", "numpy", "torch", "safetensors", "onnx", "onnxruntime")
MAY_CHANGE = "checkpoint_steps"  # the setting that may differ when a run is continued
COST = "cost.csv"  # steps, and the processor seconds since the row before
OPTIMISER = "optimiser"  # what its tensors are named after in a checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """What a run is continued from.

    Attributes:
        tensors: of the networks and the optimiser, by "network.parameter".
        step: number of steps behind them.
        made_for: what the network belongs to: the front end whose features an encoder takes, or the task and width of
            an extractor. A run is continued only if this is the same.
        dimension: D, features per frame that the network takes or gives.
        clips: digest of what was trained on; empty where that wasn't kept.
        seen: the fingerprint of every clip trained on, see `cache.fingerprint_clip`; empty where they weren't kept.
    """

    tensors: dict[str, Tensor]
    step: int
    made_for: str
    dimension: int
    clips: str = ""
    seen: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        networks: Mapping[str, nn.Module],
        optimiser: Optimizer,
        *,
        step: int,
        made_for: str,
        dimension: int,
        clips: str = "",
        seen: frozenset[str] = frozenset(),
    ) -> Checkpoint:
        """The present state of some networks and of their optimiser.

        Args:
            networks: by the name that their tensors get.
            optimiser: the optimiser of the networks.
            step, made_for, dimension, clips, seen: as in the attributes.
        """
        tensors = {f"{name}.{n}": tensor for name, net in networks.items() for n, tensor in net.state_dict().items()}
        for number, state in optimiser.state_dict()["state"].items():
            tensors |= {f"{OPTIMISER}.{number}.{n}": tensor for n, tensor in state.items()}
        return cls(tensors, step=step, made_for=made_for, dimension=dimension, clips=clips, seen=seen)

    def has(self, name: str) -> bool:
        """Whether tensors are kept under a name."""
        return any(n.startswith(f"{name}.") for n in self.tensors)

    def load_into(self, net: nn.Module, name: str) -> None:
        """Give a network the tensors kept under a name.

        Raises:
            TrainingError: they are of another architecture.
        """
        prefix = f"{name}."
        own = {n.removeprefix(prefix): t for n, t in self.tensors.items() if n.startswith(prefix)}
        try:
            net.load_state_dict(own)
        except RuntimeError as error:
            raise TrainingError(
                "The checkpoint is of another architecture than its settings; start another run."
            ) from error

    def restore(self, networks: Mapping[str, nn.Module], optimiser: Optimizer) -> int:
        """Undo `of`: fill networks and optimiser; the number of steps behind them.

        Raises:
            TrainingError: as in `load_into`.
        """
        for name, net in networks.items():
            self.load_into(net, name)
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            kind, _, rest = name.partition(".")
            if kind == OPTIMISER:
                number, _, key = rest.partition(".")
                states.setdefault(int(number), {})[key] = tensor
        optimiser.load_state_dict({"state": states, "param_groups": optimiser.state_dict()["param_groups"]})
        return self.step


@dataclass(frozen=True)
class RunFolder:
    """The files of one run.

    Attributes:
        path: holds config.toml, versions.json, curve.csv, cost.csv and checkpoint.safetensors.
    """

    path: Path

    def read_settings(self, kind: type[T]) -> T:
        """The resolved settings that a run was started with.

        Args:
            kind: the dataclass of options that this kind of training has, such as `TrainingSettings`.
        Raises:
            SettingsError: no such run, one of another kind, or an altered file.
        """
        return read_toml(kind, self.path / "config.toml")

    def start(self, settings: Any) -> Checkpoint | None:
        """Make the folder, or continue a run of the same settings.

        Returns:
            The checkpoint to continue from; None at the start of a run.
        Raises:
            TrainingError: the folder holds a run of other settings, its checkpoint is damaged, or it can't be written.
        """
        text = to_toml(settings)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            config = self.path / "config.toml"
            # Read, not compared as text: an option that came later has its default in a run from before.
            if config.exists():
                self.check_settings(settings)
            if not config.exists() and (self.path / "checkpoint.safetensors").exists():
                raise TrainingError(
                    f"{self.path} has a checkpoint but no config.toml, so nobody knows of what; choose another folder "
                    "or remove it."
                )
            write_whole(self.path / "config.toml", text)
            write_whole(self.path / "versions.json", json.dumps(_versions(), indent=2))
        except OSError as error:
            raise TrainingError(f"Can't write the run folder {self.path}: {error.strerror}.") from error
        return self.load() if (self.path / "checkpoint.safetensors").exists() else None

    def check_settings(self, settings: Any) -> None:
        """Check that the run has these settings. How often checkpoints are written doesn't count, since it changes no
        result.

        Raises:
            TrainingError: it has other settings; the message names the differences.
            SettingsError: as in `read_settings`.
        """
        other = [
            told for told in differences(self.read_settings(type(settings)), settings) if told.split()[0] != MAY_CHANGE
        ]
        if other:
            more = f" and {len(other) - 3} more" if len(other) > 3 else ""
            raise TrainingError(
                f"{self.path} holds a run of other settings ({'; '.join(other[:3])}{more}); choose another folder or "
                "remove it."
            )

    def is_complete(self, settings: Any, steps: int) -> bool:
        """Whether a run of exactly these settings has ended here.

        Args:
            settings: a dataclass of options.
            steps: batches after which such a run ends.
        Raises:
            SettingsError: as in `read_settings`.
            TrainingError: as in `load`.
        """
        if not (self.path / "checkpoint.safetensors").is_file():
            return False
        return bool(self.read_settings(type(settings)) == settings) and self.load().step == steps

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
                names = file.keys()  # no dict, and not to be iterated over itself
                tensors = {name: file.get_tensor(name) for name in names}
            told = about.pop("whole", None)
            if told is not None:
                right = told == _digest(tensors, about)
            else:  # runs from before: of the tensors alone, or none at all
                right = about.get("digest", own := _digest(tensors)) == own
            if not right:
                raise ValueError("its bytes aren't those that were written")
            made_for = about.get("made_for") or about["frontend_id"]  # its name in runs from before
            seen = frozenset(about.get("seen", "").split())
            return Checkpoint(
                tensors, int(about["step"]), made_for, int(about["dimension"]), about.get("clips", ""), seen
            )
        except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise TrainingError(
                f"{path} is not a checkpoint or is damaged ({error}); remove it to start over."
            ) from error

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a kill at any moment leaves the old one or the new one.

        Raises:
            TrainingError: the disk is full or the folder is gone.
        """
        contiguous: Mapping[str, Tensor] = {name: t.detach().contiguous() for name, t in checkpoint.tensors.items()}
        about = {
            "step": str(checkpoint.step),
            "made_for": checkpoint.made_for,
            "dimension": str(checkpoint.dimension),
            "clips": checkpoint.clips,
            "seen": " ".join(sorted(checkpoint.seen)),
        }
        about["whole"] = _digest(contiguous, about)
        try:
            write_whole(self.path / "checkpoint.safetensors", save(dict(contiguous), about))
        except OSError as error:
            raise TrainingError(
                f"Can't write a checkpoint to {self.path}: {error.strerror}; the last good one is kept."
            ) from error

    def write_curve(self, rows: list[tuple[int, float, float]], step: int) -> None:
        """Append rows of step, loss and learning rate to curve.csv, after dropping those past `step`.

        Rows after the checkpoint were written before the run was cut off; a continued run writes them again.

        Raises:
            TrainingError: it can't be written.
        """
        new = [f"{n},{loss:.6f},{rate:.3e}" for n, loss, rate in rows]
        self._rewrite("curve.csv", "loss,learning_rate", step, new)

    def append(self, name: str, header: str, step: int, row: str) -> None:
        """Append one row, the step before it, to a table of the run, after dropping rows of this step or later.

        Args:
            name: of the file in the run folder.
            header: names of the columns after the step, with commas between them.
            step: that the row is of.
            row: values of these columns, with commas between them.
        Raises:
            TrainingError: it can't be written.
        """
        self._rewrite(name, header, step - 1, [f"{step},{row}"])

    def add_cost(self, step: int, seconds: float) -> None:
        """Keep what the steps since the last such call cost.

        Args:
            step: batches trained on.
            seconds: of processor time, those of all threads together.
        Raises:
            TrainingError: it can't be written.
        """
        self.append(COST, "cpu_seconds", step, f"{seconds:.2f}")

    @property
    def cost(self) -> float | None:
        """Seconds of processor time that the run took so far, over all its pieces; None if they weren't kept.

        Raises:
            TrainingError: the table is damaged.
        """
        path = self.path / COST
        if not path.is_file():
            return None
        try:
            return sum(float(line.split(",")[1]) for line in path.read_text("utf-8").splitlines()[1:])
        except (IndexError, ValueError) as error:
            raise TrainingError(f"{path} isn't as it was written ({error}); remove it to go on.") from error

    def _rewrite(self, name: str, header: str, last: int, new: list[str]) -> None:
        """A table's rows up to the step `last`, then new ones."""
        path = self.path / name
        try:
            kept = path.read_text("utf-8").splitlines()[1:] if path.exists() else []
            kept = [line for line in kept if int(line.split(",")[0]) <= last]
            write_whole(path, "\n".join([f"step,{header}", *kept, *new]) + "\n")
        except OSError as error:
            raise TrainingError(f"Can't write {path}: {error.strerror}; the last checkpoint is kept.") from error
        except ValueError as error:
            raise TrainingError(f"{path} isn't as it was written ({error}); remove it to go on.") from error


def asks_to_stop(progress: Callable[..., None] | None, *told: object) -> bool:
    """Report the progress of a training. True if it must end after this step, because `progress` raised
    KeyboardInterrupt.
    """
    try:
        if progress:
            progress(*told)
    except KeyboardInterrupt:
        return True
    return False


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str] = MappingProxyType({})) -> str:
    """Of names, shapes, types, bytes and what is said about them: a checkpoint with a flipped bit is a network that
    nobody trained."""
    total = hashlib.blake2b(json.dumps(sorted(about.items())).encode() if about else b"", digest_size=32)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
