"""Several trainings of one recipe as one: their networks are computed together, each on its own batches.

A step costs about what the steps of all of them cost on a CPU. On a GPU, which one small network leaves idle, it costs
little more than the step of one.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from facemotion.errors import TrainingError
from facemotion.nets.blocks import stack
from facemotion.nets.sequence_encoder import SequenceEncoder
from facemotion.training.encoder.material.dataset import Batch, TrainingSet, pad
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import GROUPS, Laps, TrainingState, choose_device, update_average
from facemotion.training.run_folder import RunFolder
from facemotion.types import FloatArray

FULL = ("out of memory", "can't allocate memory", "not enough memory")  # in torch's errors, on a GPU and on a CPU


@dataclass(frozen=True, eq=False)
class Training:
    """One of several trainings.

    Attributes:
        settings: as in `train_encoder`; but for the seed the same in all.
        data, run: as there.
    """

    settings: TrainingSettings
    data: TrainingSet
    run: RunFolder | None = None


def train_together(
    trainings: Sequence[Training],
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    fewer: Callable[[int], None] | None = None,
) -> list[SequenceEncoder]:
    """Train several encoders in one loop, or continue those that were cut off.

    Each has the weights, batches, augmentations, rates, looks and checkpoints that it has alone (`train_encoder`), so a
    run may be continued either way. Without dropout the networks are the same but for rounding. Dropout draws other
    numbers.

    Args:
        trainings: of one recipe.
        device: as in `train_encoder`.
        progress: called after every step with the number of the training and its step.
        fewer: called with the new number of trainings at a time where memory is missing for as many.
    Returns:
        The trained networks, in order, as `train_encoder` gives them.
    Raises:
        TrainingError: as in `train_encoder`; the recipes differ or can't be stacked; memory is missing for one alone.
    """
    first = trainings[0].settings
    if any(dataclasses.replace(own.settings, seed=first.seed) != first for own in trainings):
        raise TrainingError("Only trainings of one recipe can be stacked; train the others one after the other.")
    if not can_be_stacked(first):
        raise TrainingError("This network can't be stacked (a GRU or a gate); train one after the other.")
    if first.threads:
        torch.set_num_threads(first.threads)
    place, lap = choose_device(device), Laps()
    with torch.random.fork_rng():
        states = [TrainingState(own.settings, own.data, own.run, place) for own in trainings]
        _share(states, lap())
        numbers = {id(state): number for number, state in enumerate(states)}
        size, waiting = len(states), states
        while waiting := [state for state in waiting if not state.is_over]:
            group = waiting[:size]
            try:
                _run(group, lap, lambda state: progress and progress(numbers[id(state)], state.step))
            except _FullError as error:
                if len(group) == 1:
                    raise TrainingError(
                        "Memory is missing for one training alone; take smaller batches, or another device."
                    ) from error
                size = (len(group) + 1) // 2
                if fewer:
                    fewer(size)
    return [state.result() for state in states]


def can_be_stacked(settings: TrainingSettings) -> bool:
    """Whether trainings of a recipe can be computed together: `vmap` knows no recurrent layer, and a gate's answers
    have the lengths of the clips."""
    return settings.encoder.network != "gru" and not settings.encoder.gate


def _run(group: Sequence[TrainingState], lap: Laps, told: Callable[[TrainingState], object]) -> None:
    """Train a group to its end. Those that are behind, since a kill came between two checkpoints, catch up first."""
    while active := [state for state in group if not state.is_over]:
        step = min(state.step for state in active)
        members = [state for state in active if state.step == step]
        ahead = {state.step for state in active} - {step}
        stacked = _Stack(members)
        while not any(state.is_over or state.step in ahead for state in members):
            losses = stacked.step()
            _share(members, lap())
            for state, loss in zip(members, losses, strict=True):
                state.advance(loss)
                state.seconds += lap()
                told(state)


def _share(states: Sequence[TrainingState], seconds: float) -> None:
    for state in states:
        state.seconds += seconds / len(states)


class _Stack:
    """Trainings at the same step, whose tensors lie in stacks of (F, ...). Those of each training are made views of its
    part, so whatever it looks at or keeps is up to date.

    Args:
        states: F trainings of one recipe, changed in place.
    """

    def __init__(self, states: Sequence[TrainingState]) -> None:
        self._states = states
        self._names = [name for name, _ in states[0].net.named_parameters()]
        nets = [list(state.net.parameters()) for state in states]
        self._weights = [nn.Parameter(own) for own in _stacked(nets)]
        self._averages = _stacked([list(state.averaged.parameters()) for state in states])
        self._buffers = {
            name: torch.stack([dict(state.net.named_buffers())[name] for state in states])
            for name, _ in states[0].net.named_buffers()
        }
        self._net = copy.deepcopy(states[0].net).to("meta")
        stack(self._net)
        decayed = states[0].optimiser.param_groups
        place = {id(own): number for number, own in enumerate(nets[0])}
        self._optimiser = torch.optim.AdamW(
            [group | {"params": [self._weights[place[id(own)]] for own in group["params"]]} for group in decayed]
        )
        for number, own in enumerate(self._weights):
            self._join_moments(own, [net[number] for net in nets])

    def step(self) -> list[float]:
        """One step of each training; their losses.

        Raises:
            _FullError: memory is missing, and no weight was changed.
        """
        batches = [state.draw() for state in self._states]
        for mine, group in zip(self._optimiser.param_groups, self._states[0].optimiser.param_groups, strict=True):
            mine["lr"] = group["lr"]
        with _no_step_yet():
            losses = [
                state.loss(own[: len(batch.clips)], batch)
                for state, own, batch in zip(self._states, self._encode(batches), batches, strict=True)
            ]
            self._optimiser.zero_grad()
            torch.autograd.backward(torch.stack(losses).sum())
        optimiser = self._states[0].settings.optimiser
        self._clip_gradients(optimiser.gradient_norm)
        self._optimiser.step()
        update_average(self._averages, self._weights, optimiser.average)
        return [loss.item() for loss in losses]

    def _encode(self, batches: Sequence[Batch]) -> Tensor:
        """(F, B, n) unit vectors, B that of the largest batch; clips of like length are padded together."""
        most, dimension = max(len(batch.clips) for batch in batches), batches[0].clips[0].shape[1]
        nothing = np.zeros((1, dimension), np.float32)  # in place of clips that a batch lacks; no loss looks at them
        clips = [[*batch.clips, *[nothing] * (most - len(batch.clips))] for batch in batches]
        orders = np.stack([np.argsort([len(clip) for clip in own], kind="stable") for own in clips])
        weights: dict[str, Tensor] = dict(zip(self._names, self._weights, strict=True))

        def encode(weights: dict[str, Tensor], buffers: dict[str, Tensor], values: Tensor, mask: Tensor) -> Tensor:
            encoded: Tensor = functional_call(self._net, (weights, buffers), (values, mask))
            return encoded

        encoded = []
        for columns in np.array_split(np.arange(most), min(GROUPS, most)):
            chosen: list[FloatArray] = [
                own[i] for own, order in zip(clips, orders, strict=True) for i in order[columns]
            ]
            values, mask = (t.to(self._states[0].device).view(len(clips), -1, *t.shape[1:]) for t in pad(chosen))
            encoded.append(vmap(encode, randomness="different")(weights, self._buffers, values, mask))
        back = torch.from_numpy(np.argsort(orders, axis=1, kind="stable")).to(encoded[0].device)
        return torch.cat(encoded, dim=1).gather(1, back[..., None].expand(-1, -1, encoded[0].shape[2]))

    @torch.no_grad()
    def _clip_gradients(self, largest: float) -> None:
        """As `clip_grad_norm_`, for each training alone."""
        gradients = [own.grad for own in self._weights if own.grad is not None]
        norms = torch.stack([own.flatten(1).norm(dim=1) for own in gradients]).norm(dim=0)
        factors = (largest / (norms + 1e-6)).clamp(max=1.0)
        for own in gradients:
            own.mul_(factors.view(-1, *[1] * (own.ndim - 1)))

    def _join_moments(self, stacked: nn.Parameter, weights: Sequence[Tensor]) -> None:
        """Stack what AdamW knows of one weight of each training; one that has made no step knows nothing."""
        known = [state.optimiser.state[own] for state, own in zip(self._states, weights, strict=True)]
        moments = {}
        for name in ("exp_avg", "exp_avg_sq"):
            moments[name] = torch.stack(
                [own.get(name, torch.zeros_like(w)) for own, w in zip(known, weights, strict=True)]
            )
        count = torch.tensor(float(self._states[0].step))
        self._optimiser.state[stacked] = {"step": count, **moments}
        for number, own in enumerate(known):
            own.update(step=count, **{name: moment[number] for name, moment in moments.items()})


class _FullError(Exception):
    """Memory is missing for a step that may be made anew by fewer."""


@contextmanager
def _no_step_yet() -> Iterator[None]:
    """Tell missing memory from other errors. Where it is missing later on, some weights were changed already: the error
    ends the trainings, which continue from their checkpoints.
    """
    try:
        yield
    except RuntimeError as error:
        if any(words in str(error).lower() for words in FULL):
            raise _FullError from error
        raise


def _stacked(networks: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The tensors of F networks, each stacked to (F, ...), of which those of the networks become views."""
    stacks = []
    for same in zip(*networks, strict=True):
        joined = torch.stack([own.detach() for own in same])
        for number, own in enumerate(same):
            own.data = joined[number]
        stacks.append(joined)
    return stacks
