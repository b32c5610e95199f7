"""Train the network that knows a recording again by how the face looks (`facemotion.service.replays.surface`).

    python -m tools.train_look DATA --simulated FOLDER --cache CACHE --minutes 40

DATA is the folder that `benchmarks/replays.py` takes; FOLDER is Synth-59 with films of one sitting (`facemotion synth
dataset FOLDER --synth-59 2 --only-session 1 --only-kind facial`). Phrases and people that the benchmark reports or
chooses on are left out. The network learns to give a take and a disguise of it one course, and another one to all other
takes, those of the same motion above all (Oord, Li, Vinyals, Representation Learning with Contrastive Predictive Coding
(2018)). The file and its card are put where models ship. Run it again when the front end changes, after
`tools/replay_directions.py`, and `benchmarks/replays.py` after it: recordings that services remember are known by their
frames alone from then on, since a row is encrypted for the network it was read by.

It needs the extra `train`. The first run looks at all clips, which takes an hour of one core, and then trains for so
many minutes. It goes on with the weights of --run if that file is there. A run gives another network each time; the one
that ships came of several (docs/results/security.md).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from replay_clips import ReplayClips, Seen
from replay_simulated import simulated_motions
from tools.look_disguises import disguised, filmed, on_another, wobbled
from tools.look_net import LookNet, agreement
from tools.shipped_cards import replace_card

from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, file_entry
from facemotion.service.replays.surface import CHANGES, LOOK_MODEL, SHAPE
from facemotion.signals import RATE, resample
from facemotion.training.onnx_export import OPSET, TOLERANCE, quiet_exporter, strip

LENGTH, SHIFTS = 19, range(-4, 5)
"""Frames of a piece that is learned from, and by how many another take may begin later or earlier."""
REAL, SIMULATED, REAL_TAKES, SIMULATED_TAKES = 4, 4, 5, 4
"""Motions in a step, and takes of each."""
HELD_BACK, MOTIONS, TAKES = 20, 3, 4
"""People of FOLDER that are left out, the first ones, and motions of the others and takes of each that are used."""
WOBBLED, MIRRORED, ON_ANOTHER = 0.4, 0.5, 0.5
"""Shares of takes whose clock wobbles, that are mirrored, and whose changes are laid on another face."""
TEMPERATURE, LEAST, MOST, WEIGHT = 0.07, 0.9, 0.55, 4.0
"""Of the contrast; and agreements that a disguise should reach and another take shouldn't, with the weight of both."""
VARIANCE = 1000.0
"""Of both parts of a course, the median of takes, all values together: likenesses even out what exceeds
`likeness.RIDGE`."""
RATE_OF_LEARNING, RISE, DECAY, STEEPEST = 1.5e-3, 60, 1e-3, 1.0

Films = list[list[NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pieces of N takes.

    Attributes:
        plain, other: (N, L, H, W) as they were filmed, and disguised.
        clock: (N, L, L) which frames of the first those of the second are.
    """

    plain: torch.Tensor
    other: torch.Tensor
    clock: torch.Tensor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--simulated", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--run", type=Path, default=Path("look.pt"), help="weights so far; a run that ended goes on")
    given = parser.parse_args()
    real, simulated = films(given.data, given.simulated, given.cache)
    net = rescaled(train(real, simulated, given.minutes, given.run), real)
    path = SHIPPED_FOLDER / f"{LOOK_MODEL.replace('-', '_')}.onnx"
    export(net, path)
    replace_card(SHIPPED_CARDS, LOOK_MODEL, card(path, len(real), len(simulated)))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def films(data: Path, simulated: Path, cache: Path) -> tuple[Films, Films]:
    """Pictures of faces at RATE, motion by motion: of real people, and of simulated ones."""
    clips = ReplayClips(data, cache)
    people = simulated_motions(simulated)[HELD_BACK:]
    others = [[take] for take in clips.fit_people]
    groups = clips.learn + others, [takes[:TAKES] for motions in people for takes in motions[:MOTIONS]]
    real, made = ([[_pictures(seen) for seen in clips.all_seen(takes)] for takes in group] for group in groups)
    return _long_enough(real), _long_enough(made)


def _long_enough(films: Films) -> Films:
    """Motions without takes that are too short."""
    kept = [[one for one in takes if len(one) > LENGTH + 2] for takes in films]
    return [takes for takes in kept if takes]


def _pictures(seen: Seen) -> NDArray[np.float32]:
    flat = seen.surface.reshape(len(seen.surface), -1)
    return resample(flat, seen.features.times).reshape(-1, *SHAPE)


def train(real: Films, simulated: Films, minutes: float, run: Path) -> LookNet:
    """Train for some minutes, and keep the weights in a file now and then."""
    torch.manual_seed(0)
    net = LookNet()
    if run.exists():
        net.load_state_dict(torch.load(run, weights_only=True))
    optimiser = torch.optim.AdamW(net.parameters(), RATE_OF_LEARNING, weight_decay=DECAY)
    begin, seen = time.monotonic(), []
    for step, batch in enumerate(_batches(real, simulated, np.random.default_rng())):
        if (spent := time.monotonic() - begin) >= 60 * minutes:
            break
        falling = 0.51 + 0.5 * np.cos(np.pi * spent / minutes / 60)
        for group in optimiser.param_groups:
            group["lr"] = RATE_OF_LEARNING * min(1, step / RISE + 0.02) * falling
        plain, other = net(batch.plain), net(batch.other)
        steady = batch.clock.diagonal(dim1=1, dim2=2).amin(dim=1) == 1
        loss, own, others = losses(plain[steady, :, :CHANGES], other[steady, :, :CHANGES], batch.clock[steady])
        looks, known, _ = losses(plain[..., CHANGES:], other[..., CHANGES:], batch.clock)
        loss = loss + looks
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), STEEPEST)
        optimiser.step()
        seen.append([loss.item(), own.mean().item(), others.mean().item(), known.mean().item()])
        if step % 50 == 49:
            told = ", ".join(f"{value:.3f}" for value in np.mean(seen[-50:], axis=0))
            print(f"step {step + 1}: loss; disguises, nearest others; disguises by single frames: {told}", flush=True)
            torch.save(net.state_dict(), run)
    torch.save(net.state_dict(), run)
    return net.eval()


def rescaled(net: LookNet, films: Films) -> LookNet:
    """The same network, with courses whose frames lie so far from their mean that little of them is evened out."""
    with torch.no_grad():
        courses = [net(torch.from_numpy(one)[None])[0] for takes in films for one in takes]
        for layer, values in ((net.changes, slice(0, CHANGES)), (net.looks, slice(CHANGES, None))):
            spread = torch.stack([course[:, values].var(dim=0).sum() for course in courses])
            factor = (VARIANCE / spread.median()).sqrt()
            layer.weight *= factor
            layer.bias *= factor
    return net


def losses(
    plain: torch.Tensor, other: torch.Tensor, clock: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is made small, of courses of takes and of their disguises.

    Args:
        plain, other: (N, L, D).
        clock: see Batch.
    Returns:
        The loss, (N,) the agreement of each disguise with its take, and (N,) the largest of each take with another.
    """
    count, length = plain.shape[:2]
    both = [(course - course.mean(dim=1, keepdim=True)).flatten(1) for course in (clock @ plain, other)]
    own = functional.cosine_similarity(*both)
    shifted = [
        agreement(plain[:, max(0, by) : length + min(0, by)], other[:, max(0, -by) : length - max(0, by)])
        for by in SHIFTS
    ]
    same = torch.eye(count, dtype=torch.bool)
    others = torch.stack(shifted).amax(dim=0)
    logits, wanted = torch.where(same, own[:, None], others) / TEMPERATURE, torch.arange(count)
    nearest = torch.where(same, -1.0, others).amax(dim=1)
    loss = functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)
    loss = loss + WEIGHT * (functional.relu(LEAST - own).mean() + functional.relu(nearest - MOST).mean())
    return loss, own, nearest


def _batches(real: Films, simulated: Films, random: np.random.Generator) -> Iterator[Batch]:
    times = np.arange(LENGTH) / RATE
    faces = [one.mean(axis=0) for motions in (real, simulated) for takes in motions for one in takes]
    while True:
        plain, other, clocks = [], [], []
        for motions, count, most in ((real, REAL, REAL_TAKES), (simulated, SIMULATED, SIMULATED_TAKES)):
            for number in random.choice(len(motions), min(count, len(motions)), replace=False):
                takes = motions[number]
                for one in random.choice(len(takes), min(most, len(takes)), replace=False):
                    piece = _piece(takes[one], random)
                    if random.random() < ON_ANOTHER:
                        piece = on_another(piece, faces[random.integers(len(faces))])
                    clock = np.eye(LENGTH, dtype=np.float32)
                    if random.random() < WOBBLED:
                        clock = wobbled(LENGTH, times, random)
                    mirror = -1 if random.random() < MIRRORED else 1
                    moved = np.tensordot(clock, piece, 1).astype(np.float32)
                    plain.append(filmed(piece, times, random)[:, :, ::mirror].copy())
                    other.append(disguised(moved, times, random)[:, :, ::mirror].copy())
                    clocks.append(clock)
        yield Batch(*(torch.from_numpy(np.stack(parts)) for parts in (plain, other, clocks)))


def _piece(pictures: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """(LENGTH, H, W) of a take, from where the face moves most: nobody is known by a face at rest."""
    moving = np.square(pictures[2:] - pictures[:-2]).mean(axis=(1, 2))
    shares = np.square(np.convolve(moving, np.ones(LENGTH - 2), "valid"))
    first = random.choice(len(shares), p=shares / shares.sum())
    return pictures[first : first + LENGTH]


def export(net: LookNet, path: Path) -> None:
    """Write the network as ONNX, and hold the file against it."""
    example = torch.zeros(2, 50, *SHAPE)
    with quiet_exporter():
        shapes = ({0: torch.export.Dim("recordings", min=1, max=64), 1: torch.export.Dim("frames", min=3, max=4096)},)
        program = torch.onnx.export(
            net,
            (example,),
            input_names=["pictures"],
            output_names=["course"],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    strip(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count, length in ((1, 3), (2, 40), (3, 300)):
        pictures = np.random.default_rng(0).normal(size=(count, length, *SHAPE)).astype(np.float32)
        (found,) = session.run(["course"], {"pictures": pictures})
        with torch.no_grad():
            wanted = net(torch.from_numpy(pictures)).numpy()
        if np.abs(found - wanted).max() > TOLERANCE * max(1.0, float(np.abs(wanted).max())):
            raise SystemExit(f"{path} differs from the network; don't ship it.")


def card(path: Path, real: int, simulated: int) -> dict[str, object]:
    """The card of the file."""
    return {
        **file_entry(path),
        "role": "copy detector",
        "licence": "MIT",
        "source": (
            f"ours, trained by tools/train_look.py on {real} phrases by five real people, nearly all by one (s1 of "
            f"GRID: Cooke, Barker, Cunningham, Shao 2006, CC BY 4.0), and {simulated} motions of simulated people "
            "(Synth-59 version 2)"
        ),
        "preprocessing": f"(N, L, {SHAPE[0]}, {SHAPE[1]}) float32 at 25 frames/s, faces as "
        "facemotion.service.replays.surface.SurfaceTaker gives them",
        "output": "(N, L, D) course of each recording, about its mean",
        "note": "It tells one recording from another take of the same person. It knows nobody, and judges no motion.",
    }


if __name__ == "__main__":
    main()
