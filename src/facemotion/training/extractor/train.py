"""Training a spatial feature extractor on stills: one loop, top to bottom."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facemotion.data.still_files import Stills
from facemotion.errors import DataError, TrainingError
from facemotion.features.landmarks68 import MOVING
from facemotion.nets.sfe import SpatialExtractor
from facemotion.training.extractor.losses import UncertaintyWeights, emotion_loss, smooth_l1_loss, wing_loss
from facemotion.training.extractor.photometric import jitter_crop, photograph, to_crop
from facemotion.training.extractor.settings import SfeOptimiserSettings, SfeSettings
from facemotion.training.extractor.validation import Validation, validate
from facemotion.training.extractor.warm_start import adopt, read_exported_sfe
from facemotion.training.run_folder import Checkpoint, RunFolder, asks_to_stop

AVERAGE = "average"  # name of the averaged network, the result, in a checkpoint
SETTLING_FACES = 256  # that the batch norms of an exported file are set on

Progress = Callable[[int, float, Validation | None], None]  # steps done, loss, validation if one was just made


@dataclass(frozen=True, eq=False)
class StillsSet:
    """Stills to learn from: one or more sources, each with its part of every batch, and those to validate on.

    Attributes:
        sources: training splits.
        counts: stills of each source in a batch.
        validation: None where no source has any.
    """

    sources: tuple[Stills, ...]
    counts: tuple[int, ...]
    validation: Stills | None


def load_stills(settings: SfeSettings) -> StillsSet:
    """Open the data sets that the settings name.

    Raises:
        DataError: a set is missing, empty, damaged, or has too few emotions for the task.
    """
    sources = tuple(Stills(Path(source.folder), "train") for source in settings.sources)
    if settings.task == "emotions":
        for stills in sources:
            stills.check_emotions()
    if settings.task == "both":  # sources of real faces have landmarks alone
        max(sources, key=Stills.emotion_count).check_emotions()
    shares = np.array([source.share for source in settings.sources])
    # Rounded so that the batch comes out whole: each boundary between two sources is rounded, not each part.
    edges = np.round(np.append(0.0, np.cumsum(shares) / shares.sum()) * settings.optimiser.batch).astype(int)
    validation = None
    for source in settings.sources:
        try:
            validation = Stills(Path(source.folder), "validation")
            break
        except DataError:
            continue
    return StillsSet(sources, tuple(int(n) for n in np.diff(edges)), validation)


def train_sfe(
    settings: SfeSettings, data: StillsSet, run: RunFolder | None = None, progress: Progress | None = None
) -> SpatialExtractor:
    """Train an extractor, or continue a run that was cut off.

    Every step draws its batch and augmentations from (seed, step), so that a continued run ends where an unbroken
    one does. On a GPU where there is one.

    Args:
        settings: all that the result depends on.
        data: stills.
        run: where to keep checkpoints and curves, if given.
        progress: called after every step; a KeyboardInterrupt that it raises ends the run after a checkpoint.
    Returns:
        The network with averaged weights, on the CPU, in evaluation mode.
    Raises:
        TrainingError: the loss is no longer a number, the GPU's memory is too small, or the run folder doesn't fit.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    begun = run.start(settings) if run else None
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        net, balance = _new_network(settings, data).to(device), UncertaintyWeights().to(device)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        averaged = copy.deepcopy(net)
        optimiser = _adamw(net, balance, settings.optimiser)
        kept = {"net": net, AVERAGE: averaged, "balance": balance}
        step = 0
        if begun:
            _check_kind(begun, settings)
            step = begun.restore(kept, optimiser)
        curve: list[tuple[int, float, float]] = []
        net.train()
        while step < settings.optimiser.steps:
            rng = np.random.default_rng([settings.seed, step])
            rate = sfe_learning_rate(step, settings.optimiser)
            for group in optimiser.param_groups:
                group["lr"] = rate

            batch = draw_stills(data, settings, rng).to(device)
            loss = _descend(net, balance, optimiser, batch, settings)
            if not np.isfinite(loss):
                raise TrainingError(
                    f"The loss is {loss} at step {step}; lower the learning rate and start again from the last "
                    "checkpoint, which is kept."
                )
            _update_average(averaged, net, min(settings.optimiser.average, (1 + step) / (10 + step)))

            step += 1
            curve.append((step, loss, rate))
            last = step == settings.optimiser.steps
            found = None
            if data.validation is not None and (step % settings.validation_steps == 0 or last):
                found = validate(averaged, data.validation, settings.validation_stills)
                if run:
                    run.append("validation.csv", Validation.HEADER, step, found.row())
            stop = asks_to_stop(progress, step, loss, found)
            if run and (stop or step % settings.checkpoint_steps == 0 or last):
                run.write_curve(curve, step - len(curve))
                made_for, dimension = _kind(settings), net.trunk.dimension
                run.save(Checkpoint.of(kept, optimiser, step=step, made_for=made_for, dimension=dimension))
                curve = []
            if stop:
                raise KeyboardInterrupt
    return averaged.cpu().eval()


def load_sfe(run: RunFolder) -> SpatialExtractor:
    """The network of a run, averaged weights, in evaluation mode.

    Raises:
        TrainingError: no checkpoint, or one of another architecture.
        SettingsError: no such run.
    """
    settings, checkpoint = run.read_settings(SfeSettings), run.load()
    _check_kind(checkpoint, settings)
    net = SpatialExtractor(settings.task, settings.width, settings.network)
    checkpoint.load_into(net, AVERAGE)
    return net.eval()


@dataclass(frozen=True, eq=False)
class StillsBatch:
    """Stills of one step, all float32.

    Attributes:
        faces: (B, 3, 112, 112) in [0, 1], channels last.
        landmarks: (B, 68, 2) in crop sides.
        known: (B, 68), 1 where a landmark teaches.
        tolerance: (B, 68) crop sides, an error below which costs nothing.
        emotions: (B, 7) shares, zeros where the expression has no name.
    """

    faces: Tensor
    landmarks: Tensor
    known: Tensor
    tolerance: Tensor
    emotions: Tensor

    def to(self, device: torch.device) -> StillsBatch:
        """The batch in the memory of a device."""
        return StillsBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def draw_stills(data: StillsSet, settings: SfeSettings, rng: np.random.Generator) -> StillsBatch:
    """One batch of photographed stills."""
    faces, landmarks, known, tolerance, emotions = [], [], [], [], []
    for stills, count, source in zip(data.sources, data.counts, settings.sources, strict=True):
        allowed = np.full(68, source.tolerance, np.float32)
        allowed[list(MOVING["lips"])] = source.lip_tolerance
        for index in rng.integers(len(stills), size=count):
            face, matrix = photograph(stills.image(index), stills.boxes[index], settings.augmentation, rng)
            faces.append(face)
            landmarks.append(to_crop(stills.landmarks[index], matrix))
            known.append(stills.known[index])
            tolerance.append(allowed)
            emotions.append(stills.emotions[index])
    return StillsBatch(
        to_tensor(faces),
        torch.from_numpy(np.stack(landmarks)),
        torch.from_numpy(np.stack(known).astype(np.float32)),
        torch.from_numpy(np.stack(tolerance)),
        torch.from_numpy(np.stack(emotions)),
    )


def to_tensor(faces: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]) -> Tensor:
    """Faces (112, 112, 3) uint8 -> (B, 3, 112, 112) float32 in [0, 1]; its memory is channels last as it stands."""
    return torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 255


def sfe_learning_rate(step: int, settings: SfeOptimiserSettings) -> float:
    """A linear rise, a plateau, a linear fall to nothing."""
    falling = settings.fall * settings.steps
    share = min((step + 1) / (settings.rise + 1), (settings.steps - step) / max(falling, 1e-9), 1.0)
    return settings.learning_rate * share


def _descend(
    net: SpatialExtractor,
    balance: UncertaintyWeights,
    optimiser: torch.optim.AdamW,
    batch: StillsBatch,
    settings: SfeSettings,
) -> float:
    """One step of the optimiser, unless the loss is no number; the loss."""
    device = batch.faces.device
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=_in_bfloat16(settings, device)):
            _, points, logits = net(batch.faces)
        zero = torch.zeros((), device=device)
        of_points = of_emotions = zero
        if net.has_landmarks:
            measure = wing_loss if settings.loss == "wing" else smooth_l1_loss
            of_points = measure(points.reshape(-1, 68, 2), batch.landmarks, batch.known, batch.tolerance)
        if net.has_emotions:
            of_emotions = emotion_loss(logits, batch.emotions)
        loss = balance(of_points, of_emotions) if settings.task == "both" else of_points + of_emotions
        value = float(loss.item())
        if np.isfinite(value):
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), settings.optimiser.gradient_norm)
            optimiser.step()
    except torch.cuda.OutOfMemoryError as error:
        raise TrainingError(
            f"The GPU's memory is too small for batches of {len(batch.faces)}; lower optimiser.batch. The last "
            "checkpoint is kept."
        ) from error
    return value


def _in_bfloat16(settings: SfeSettings, device: torch.device) -> bool:
    """Whether to compute in bfloat16; a CPU without instructions for it takes ten times as long as in float32."""
    if settings.precision != "auto":
        return settings.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported())


def _new_network(settings: SfeSettings, data: StillsSet) -> SpatialExtractor:
    net = SpatialExtractor(settings.task, settings.width, settings.network)
    rng = np.random.default_rng(settings.seed)
    if net.has_landmarks:
        stills = data.sources[0]
        chosen = rng.integers(len(stills), size=min(2000, 4 * len(stills)))
        crops = [jitter_crop(stills.boxes[i], settings.augmentation, rng) for i in chosen]
        points = [to_crop(stills.landmarks[i], crop).ravel() for i, crop in zip(chosen, crops, strict=True)]
        net.standardise(torch.from_numpy(np.stack(points)))
    if settings.begin:
        adopt(net, _beginning(settings, data))
    return net


def _beginning(settings: SfeSettings, data: StillsSet) -> SpatialExtractor:
    """What the run begins with: the network of a run folder or of an exported file."""
    path = Path(settings.begin)
    if path.suffix != ".onnx":
        return load_sfe(RunFolder(path))
    rng = np.random.default_rng(settings.seed)
    drawn = [draw_stills(data, settings, rng).faces for _ in range(-(-SETTLING_FACES // settings.optimiser.batch))]
    return read_exported_sfe(path, settings.width, torch.cat(drawn))


def _adamw(net: nn.Module, balance: nn.Module, settings: SfeOptimiserSettings) -> torch.optim.AdamW:
    matrices = [p for p in net.parameters() if p.ndim in (2, 4)]
    others = [p for p in net.parameters() if p.ndim not in (2, 4)] + list(balance.parameters())
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


@torch.no_grad()
def _update_average(averaged: nn.Module, net: nn.Module, decay: float) -> None:
    for mean, now in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():  # the statistics of batch norm too: they belong to the averaged weights
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)


def _kind(settings: SfeSettings) -> str:
    network = "" if settings.network == "mobilefacenet" else f"/{settings.network}"
    return f"sfe/{settings.task}/{settings.width:g}{network}"


def _check_kind(checkpoint: Checkpoint, settings: SfeSettings) -> None:
    if checkpoint.made_for != _kind(settings):
        raise TrainingError(
            f"The checkpoint is of another architecture ({checkpoint.made_for}) than its settings "
            f"({_kind(settings)}); start another run."
        )
