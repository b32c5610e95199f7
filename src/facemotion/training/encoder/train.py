"""Training the sequence encoder over cached features: one loop, top to bottom."""

from __future__ import annotations

import copy
import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from facemotion.errors import ModelMismatchError, TrainingError
from facemotion.features.parts import select_parts
from facemotion.nets.blocks import silence
from facemotion.nets.inputs import check_selected
from facemotion.nets.sequence_encoder import EncoderSettings, SequenceEncoder
from facemotion.signals import frames_to_encode, resample
from facemotion.training.encoder.losses import batch_loss, gate_loss
from facemotion.training.encoder.material.dataset import Batch, TrainingSet, draw_batch, pad
from facemotion.training.encoder.pretrain import draw_subclips
from facemotion.training.encoder.settings import OptimiserSettings, TrainingSettings
from facemotion.training.encoder.watch import Looks
from facemotion.training.run_folder import Checkpoint, RunFolder, asks_to_stop
from facemotion.types import FeatureSequence, FloatArray

DRAWS = {"motions": draw_batch, "subclips": draw_subclips}  # by the settings' task
AVERAGE = "average"  # name of the averaged network in a checkpoint, the result unless people are watched
BEST = "best"  # name of the averaged network as it was when the watched people had the best figure
DEVICES = ("auto", "cpu", "cuda")
GROUPS = 8  # of clips of like length in a batch
Progress = Callable[[int, float], None]  # steps done, loss


def train_encoder(
    settings: TrainingSettings,
    data: TrainingSet,
    run: RunFolder | None = None,
    progress: Progress | None = None,
    device: str = "auto",
) -> SequenceEncoder:
    """Train an encoder, or continue a run that was cut off.

    Every step draws its batch, augmentations and dropout from (seed, step), so that a continued run ends where an
    unbroken one does.

    Args:
        settings: all that the result depends on.
        data: clips with features, and the people who are watched.
        run: where to keep checkpoints and the curve; nothing is kept if not given.
        progress: called after every step; a KeyboardInterrupt that it raises ends the run after a checkpoint.
        device: one of DEVICES.
    Returns:
        The trained network, on the CPU, in evaluation mode; where people are watched, the one that they fared best
        with.
    Raises:
        TrainingError: the loss is no longer a number, the watched people can't be measured, the run folder or the run
            to begin with doesn't fit, or there is no such device.
        ModelMismatchError: either of these was trained on features of another front end.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    lap = Laps()
    with torch.random.fork_rng():
        state = TrainingState(settings, data, run, choose_device(device))
        while not state.is_over:
            batch = state.draw()
            embeddings, odds = encode_clips(state.net, batch.clips, state.device)
            loss = state.loss(embeddings, batch)
            if batch.moving is not None:
                wanted = torch.from_numpy(np.concatenate(batch.moving)).to(state.device)
                loss = loss + settings.loss.gate * gate_loss(torch.cat(odds), wanted)
            state.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(state.net.parameters(), settings.optimiser.gradient_norm)
            state.optimiser.step()
            update_average(state.averaged.parameters(), state.net.parameters(), settings.optimiser.average)
            state.seconds += lap()
            if state.advance(loss.item(), progress):
                raise KeyboardInterrupt
    return state.result()


def choose_device(name: str) -> torch.device:
    """Where to train.

    Args:
        name: one of DEVICES; "auto" is a GPU where torch finds one.
    Raises:
        TrainingError: torch finds no GPU, or there is no such device.
    """
    if name not in DEVICES:
        raise TrainingError(f"There is no device {name!r}; choose among {', '.join(DEVICES)}.")
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("This torch finds no GPU; choose the device cpu, or install a build of torch for it.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


class Laps:
    """Processor seconds since the last call, those of all threads together."""

    def __init__(self) -> None:
        self._since = time.process_time()

    def __call__(self) -> float:
        """The seconds of this lap; the next one begins."""
        now = time.process_time()
        spent, self._since = now - self._since, now
        return spent


class TrainingState:
    """All that a training holds between two steps, and the folder that keeps it.

    The caller makes it within `torch.random.fork_rng`, since torch's generator is drawn from. The caller also makes the
    steps: `draw` a batch, change `net` by the gradient of `loss`, and then `advance`.

    Args:
        settings, data, run: as in `train_encoder`.
        device: that the networks are on.
    Raises:
        TrainingError, ModelMismatchError: as in `train_encoder`.
    """

    def __init__(
        self, settings: TrainingSettings, data: TrainingSet, run: RunFolder | None, device: torch.device
    ) -> None:
        self.settings, self.data, self.run, self.device = settings, data, run, device
        checkpoint = run.start(settings) if run else None
        self._clips, self._seen = (data.digest, data.fingerprints) if run else ("", frozenset())
        torch.manual_seed(settings.seed)
        net = _new_network(settings, data)
        if settings.begin:
            self._seen |= _load_start_weights(net, RunFolder(Path(settings.begin)), data)
        self.net = net.to(device)
        self.averaged = copy.deepcopy(self.net)
        self.optimiser = _adamw(self.net, settings.optimiser)
        self._kept = {"net": self.net, AVERAGE: self.averaged}
        if data.watched is not None:
            self._kept[BEST] = copy.deepcopy(self.net)
        self.step = _resume(checkpoint, self._kept, self.optimiser, data, self._clips) if checkpoint else 0
        self._looks = Looks(settings.stopping, data.watched, run, self.step)
        self._curve: list[tuple[int, float, float]] = []
        self.seconds = 0.0  # of processor time since the last checkpoint
        self.net.train()

    @property
    def is_over(self) -> bool:
        """Whether no step is left: all are done, or the watched people gain no more."""
        return self.step >= self.settings.optimiser.steps or self._looks.are_over

    def draw(self) -> Batch:
        """The batch of the next step; also seeds the step's dropout, and sets the optimiser's rate."""
        rng = np.random.default_rng([self.settings.seed, self.step])
        torch.manual_seed(int(rng.integers(2**62)))
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.settings.optimiser)
        return DRAWS[self.settings.task](self.data, self.settings, rng)

    def loss(self, embeddings: Tensor, batch: Batch) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (B, n) unit vectors of its clips.
            batch: of `draw`.
        """
        subjects, motions = batch.subjects.to(self.device), batch.motions.to(self.device)
        return batch_loss(embeddings, subjects, motions, self.settings.loss)

    def advance(self, loss: float, progress: Progress | None = None) -> bool:
        """Count the step that was made, look at the watched people and keep a checkpoint, if they are due.

        Args:
            loss: of the step.
            progress: as in `train_encoder`.
        Returns:
            Whether training must end here, because `progress` said so.
        Raises:
            TrainingError: the loss or weights are no numbers, or the folder can't be written.
        """
        settings, data = self.settings, self.data
        if not math.isfinite(loss):
            raise self._lost(f"The loss is {loss}")
        rate = learning_rate(self.step, settings.optimiser)
        self.step += 1
        self._curve.append((self.step, loss, rate))
        due = self._looks.are_due(self.step)
        if (
            data.watched is not None
            and due
            and self._looks.add(self.step, embed(self.averaged, data.watched.sequences))
        ):
            self._kept[BEST].load_state_dict(self.averaged.state_dict())
        stop = asks_to_stop(progress, self.step, loss)
        at_end = self.step == settings.optimiser.steps
        if self.run and (stop or due or self.step % settings.checkpoint_steps == 0 or at_end):
            self._save(self.run)
        return stop

    def result(self) -> SequenceEncoder:
        """The trained network, see `train_encoder`."""
        return self._kept[BEST if self.data.watched is not None else AVERAGE].cpu().eval()

    def _lost(self, what: str) -> TrainingError:
        """The error of a training that leads nowhere; of several in one loop it says which."""
        place, kept = (f" of {self.run.path}", " The last checkpoint is kept.") if self.run else ("", "")
        return TrainingError(f"{what} at step {self.step}{place}; start another run with a lower learning rate.{kept}")

    def _save(self, run: RunFolder) -> None:
        if not all(bool(torch.isfinite(p).all()) for p in self.net.parameters()):
            raise self._lost("Weights are no numbers")
        run.write_curve(self._curve, self.step - len(self._curve))
        run.add_cost(self.step, self.seconds)
        run.save(
            Checkpoint.of(
                self._kept,
                self.optimiser,
                step=self.step,
                made_for=self.data.frontend_id,
                dimension=self.data.dimension,
                clips=self._clips,
                seen=self._seen,
            )
        )
        self._curve, self.seconds = [], 0.0


def load_encoder(run: RunFolder) -> tuple[SequenceEncoder, str]:
    """The network of a run, and the id of the front end that it takes features of.

    Raises:
        TrainingError: no checkpoint, or one of another architecture.
        SettingsError: no such run.
    """
    checkpoint = run.load()
    return restore_encoder(checkpoint, run.read_settings(TrainingSettings).encoder), checkpoint.made_for


def restore_encoder(checkpoint: Checkpoint, settings: EncoderSettings) -> SequenceEncoder:
    """The network of a checkpoint, ready to embed.

    Raises:
        TrainingError: it is of another architecture than its settings.
    """
    net = SequenceEncoder(checkpoint.dimension, settings)
    checkpoint.load_into(net, BEST if checkpoint.has(BEST) else AVERAGE)
    return net.eval()


def encode_clips(
    net: SequenceEncoder, clips: Sequence[FloatArray], device: torch.device
) -> tuple[Tensor, list[Tensor]]:
    """Encode clips (L_i, D). Clips of similar length are padded together: otherwise one long clip would make the
    network compute as many empty frames for each of the others.

    Returns:
        (B, n) embeddings, and of each clip the (L_i,) log-odds of the gate, if the network has one, in the order given.
    """
    order = np.argsort([len(clip) for clip in clips], kind="stable")
    # What a GRU costs is the number of its steps, one after the other, and not how many clips take each together.
    most = 1 if net.settings.network == "gru" else GROUPS
    embeddings, odds = [], [torch.empty(0)] * len(clips)
    for group in np.array_split(order, min(most, len(order))):
        encoded, gate = net.encode(*(t.to(device) for t in pad([clips[i] for i in group])))
        embeddings.append(encoded)
        if gate is not None:
            for row, i in enumerate(group):
                odds[i] = gate[row, : len(clips[i])]
    return torch.cat(embeddings)[torch.from_numpy(np.argsort(order, kind="stable")).to(device)], odds


@torch.no_grad()
def embed(net: SequenceEncoder, sequences: Sequence[FeatureSequence], batch: int = 64) -> FloatArray:
    """Encode clips; (N, n) float32, rows of norm 1, in the order given.

    Args:
        net: put in evaluation mode.
        sequences: N clips, as recorded.
        batch: clips that are computed together.
    Raises:
        ModelMismatchError: features of another size than the network takes.
    """
    if any(sequence.values.shape[1] != net.dimension for sequence in sequences):
        raise ModelMismatchError(f"The encoder takes {net.dimension} features a frame; extract the clips anew.")
    net.eval()
    device, spotting = next(net.parameters()).device, net.settings.spotting
    clips = [resample(*frames_to_encode(sequence, spotting=spotting)) for sequence in sequences]
    order = np.argsort([len(clip) for clip in clips], kind="stable")
    vectors = np.empty((len(clips), net.settings.embedding), np.float32)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        vectors[chosen] = net(*(t.to(device) for t in pad([clips[i] for i in chosen]))).cpu().numpy()
    return vectors


def learning_rate(step: int, settings: OptimiserSettings) -> float:
    """Linear rise to the peak, then a cosine to nothing."""
    rise = settings.rise * settings.steps
    if step < rise:
        return settings.learning_rate * (step + 1) / (rise + 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(settings.steps - rise, 1)))


def check_encoder(settings: TrainingSettings, dimension: int) -> None:
    """Check before training that the settings' encoder can be made for features of a size.

    Raises:
        TrainingError: heads don't divide the width, or there are fewer features than components.
        SettingsError: the extractor knows no such part.
    """
    _shape(settings, dimension)


def _shape(settings: TrainingSettings, dimension: int) -> tuple[SequenceEncoder, Tensor | None]:
    """A network that has seen nothing, and the features that its components are made of (None: all)."""
    chosen, selected = settings.encoder, None
    if chosen.parts or not chosen.depth:
        selected = torch.from_numpy(select_parts(settings.extractor, chosen.parts, chosen.depth))
    try:
        if selected is not None:
            check_selected(selected, chosen.components)
        return SequenceEncoder(dimension, chosen), selected
    except ValueError as error:
        raise TrainingError(f"No such encoder: {error}; change the settings under [encoder].") from error


def _new_network(settings: TrainingSettings, data: TrainingSet) -> SequenceEncoder:
    net, selected = _shape(settings, data.dimension)
    spotting = settings.encoder.spotting
    clips = [torch.from_numpy(resample(*frames_to_encode(s, spotting=spotting))) for s in data.sequences]
    net.streams.fit(clips, selected)
    if net.gate is not None:
        net.gate.fit(clips)
    if net.face is not None:
        net.face.fit(clips)
    return net


def _load_start_weights(net: SequenceEncoder, run: RunFolder, data: TrainingSet) -> frozenset[str]:
    """Give the network the weights of a run; the fingerprints of what that one has seen.

    Layers that the run's network hasn't got begin with adding nothing.
    """
    checkpoint = run.load()
    if checkpoint.made_for != data.frontend_id:
        raise ModelMismatchError(
            f"{run.path} was trained on features of {checkpoint.made_for}, these are of {data.frontend_id}; begin "
            "with another run."
        )
    settings = run.read_settings(TrainingSettings).encoder
    as_many = dataclasses.replace(settings, layers=net.settings.layers)
    if as_many != net.settings or settings.layers > net.settings.layers or checkpoint.dimension != net.dimension:
        raise TrainingError(
            f"The encoder of {run.path} has other settings under [encoder]; begin with one of the same, or of fewer "
            "layers."
        )
    start = restore_encoder(checkpoint, settings)
    net.load_state_dict(start.state_dict(), strict=False)
    for layer in net.layers[settings.layers :]:
        silence(layer)
    return checkpoint.seen


def _adamw(net: SequenceEncoder, settings: OptimiserSettings) -> torch.optim.AdamW:
    matrices = [p for p in net.parameters() if p.ndim >= 2]
    vectors = [p for p in net.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


@torch.no_grad()
def update_average(averaged: Iterable[Tensor], now: Iterable[Tensor], decay: float) -> None:
    """Move averaged weights towards the present ones, in place."""
    for mean, weight in zip(averaged, now, strict=True):
        mean.lerp_(weight, 1 - decay)


def _resume(
    checkpoint: Checkpoint,
    networks: Mapping[str, nn.Module],
    optimiser: torch.optim.AdamW,
    data: TrainingSet,
    clips_digest: str,
) -> int:
    """Fill networks and optimiser from a checkpoint of this run; the number of steps behind them."""
    if checkpoint.made_for != data.frontend_id:
        raise ModelMismatchError(
            f"The run was begun on features of {checkpoint.made_for}, these are of {data.frontend_id}; start another "
            "run."
        )
    if checkpoint.clips not in ("", clips_digest):
        raise TrainingError(
            "The run was begun on other clips: some came, went, changed (features, time stamps or label) or fell to "
            "another fold, or an earlier version began it; start another run, or its figures would be of clips that it "
            "has seen."
        )
    return checkpoint.restore(networks, optimiser)
