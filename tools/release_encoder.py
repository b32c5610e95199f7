"""Make the shipped encoder: train two networks, join them, export what they are together, and write its card.

    python tools/release_encoder.py WORK --runs runs/release

WORK is a folder that holds what configs/shipped_first.toml and configs/shipped.toml name, made by the commands of
docs/reference/training.md: recordings of GRID (`grid_s1`, `resting`), points of its speakers (`phrases`, `ends`),
simulated people (`people`) and the features of all of them (`features`). Needs FACEMOTION_ASSETS. A training that was
cut off goes on.

The card has no operating point yet, so the encoder decides nothing. Then measure it and put the figures on the card:

    python benchmarks/operating_points.py WORK/grid_s1/manifest.csv RENDERED/manifest.csv --cache WORK/features \
        --spoken WORK/phrases/manifest.csv --write
    python benchmarks/rest.py WORK/grid_s1/manifest.csv SENTENCES --cache WORK/features --write
    python tools/release_figures.py
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from shipped_cards import replace_card

from facemotion.config import read_toml
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, file_entry
from facemotion.nets.joined_encoder import JoinedEncoder
from facemotion.nets.sequence_encoder import SequenceEncoder
from facemotion.signals import RATE
from facemotion.synth.points.response import fit_response
from facemotion.training.encoder.export import check_parity, export_encoder
from facemotion.training.encoder.join import join_encoders
from facemotion.training.encoder.material.sources import load_recorded, load_training_set
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.train import load_encoder, train_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import FeatureSequence

NAME = "encoder-mesh"
PEOPLE = "people/manifest.csv"  # of the simulated people who were filmed, in the recipe
CONFIGS = Path(__file__).parents[1] / "configs"
FIRST = CONFIGS / "shipped_first.toml"
RECIPE = CONFIGS / "shipped.toml"  # begins with the first one's weights
CHOOSING = 700  # clips of each source, at most, by which the directions of the joined vectors are chosen
SOURCE = (
    "trained by tools/release_encoder.py (configs/shipped_first.toml and configs/shipped.toml, joined) on the GRID "
    "corpus (Cooke, Barker, Cunningham, Shao 2006, CC BY 4.0): 30 filmed phrases of speaker s1, and nine lip points of "
    "15 others, which somebody else had extracted with MediaPipe and which carry no licence of their own; on rendered "
    "clips of 40 simulated people (ICT-FaceKit, MIT, wearing AI-generated CC0 portraits), and on motions of 400 more "
    "without pictures"
)
NOTE = "Real people speak in its training; facial motions are simulated people's alone. Calibrate on clips of your own."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder that holds what the recipe names, and `features`")
    parser.add_argument("--runs", type=Path, default=Path("runs/release"), help="where the run folder goes")
    parser.add_argument(
        "--response",
        type=Path,
        help="how the mesh shows the people (facemotion train response); default: in --runs, made",
    )
    given = parser.parse_args()
    if given.response and not given.response.is_file():
        parser.error(f"{given.response} isn't there; leave --response out to have it made")
    first, settings = (read_toml(TrainingSettings, recipe) for recipe in (FIRST, RECIPE))
    frontend_id = load_extractor(settings.extractor, Models.shipped()).frontend_id
    response = given.response or given.runs / "response.npz"
    if not given.response:
        given.runs.mkdir(parents=True, exist_ok=True)
        fit_response(given.work / PEOPLE, given.work / settings.features, frontend_id)[0].save(response)
    first, settings = (with_places(own, given.work, response, given.runs) for own in (first, settings))
    nets = [
        train(first, frontend_id, RunFolder(Path(settings.begin))),
        train(settings, frontend_id, RunFolder(given.runs / "encoder")),
    ]
    net, kept = join_encoders(nets, choose_clips(settings, frontend_id), settings.encoder.embedding)
    print(f"{net.size} numbers keep {kept:.2%} of what both networks say.")
    parity = release(net, frontend_id, NAME, SHIPPED_CARDS, SHIPPED_FOLDER)
    print(f"{NAME} is released; its file differs from the network by at most {parity:.1e}.")


def choose_clips(settings: TrainingSettings, frontend_id: str) -> list[FeatureSequence]:
    """Recorded clips that were trained on, as many of each source as CHOOSING says, spread evenly.

    Args:
        settings: of the training, on files of this machine.
        frontend_id: the front end of the features in the cache.
    Raises:
        ManifestError, DataError: as in `load_recorded`.
    """
    found: list[FeatureSequence] = []
    for source in load_recorded(settings, frontend_id):
        found += source.sequences[:: -(-len(source.sequences) // CHOOSING)]
    return found


def with_places(settings: TrainingSettings, work: Path, response: Path, runs: Path) -> TrainingSettings:
    """The recipe on this machine's files.

    Args:
        settings: the recipe, which simulates people.
        work: the folder that its manifests and its feature cache are relative to.
        response: the file of the response of its simulated people.
        runs: the folder of the run that it begins with.
    """
    sources = tuple(dataclasses.replace(source, manifest=str(work / source.manifest)) for source in settings.sources)
    simulation = dataclasses.replace(settings.simulation, response=str(response))
    return dataclasses.replace(
        settings,
        features=str(work / settings.features),
        resting=str(work / settings.resting),
        begin=str(runs / settings.begin) if settings.begin else "",
        sources=sources,
        simulation=simulation,
    )


def release(net: JoinedEncoder, frontend_id: str, name: str, cards: Path, folder: Path) -> float:
    """Put an encoder's file and its card where models ship.

    Args:
        net: the encoder.
        frontend_id: the front end of the features that it takes.
        name: the name of the model; its file has underscores in place of hyphens.
        cards: the file of the cards.
        folder: the folder of the model files.
    Returns:
        The largest difference between the file and the network, see `check_parity`.
    Raises:
        TrainingError: as in `export_encoder`.
    """
    file = folder / f"{name.replace('-', '_')}.onnx"
    export_encoder(net, file)
    card = {
        **file_entry(file),
        "role": "encoder",
        "licence": "MIT",
        "source": SOURCE,
        "preprocessing": f"(1, L, D) float32, features of the front end, resampled to {RATE:g} frames/s by time stamps",
        "output": f"(1, {net.size}) float32, norm 1",
        "frontend": frontend_id,
        "spotting": net.spotting,
        "note": NOTE,
    }
    replace_card(cards, name, card)
    return check_parity(net, file)


def train(settings: TrainingSettings, frontend_id: str, run: RunFolder) -> SequenceEncoder:
    """Train a network, or take it from a run that has ended.

    Args:
        settings: the settings of the training.
        frontend_id: the front end of the features in the cache.
        run: the run folder of the training.
    Raises:
        TrainingError, DataError, ManifestError: as in `load_training_set` and `train_encoder`.
    """
    if run.is_complete(settings, settings.optimiser.steps):
        return load_encoder(run)[0]
    return train_encoder(settings, load_training_set(settings, frontend_id), run, show)


def show(step: int, loss: float) -> None:
    """Print how far the training is, now and then."""
    if step % 100 == 0:
        print(f"step {step}, loss {loss:.3f}", flush=True)


if __name__ == "__main__":
    main()
