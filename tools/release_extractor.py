"""Put a trained extractor among the shipped models: export, file and card.

    python tools/release_extractor.py RUN NAME --note "what every user of it should know"

Then measure it and put the figures on its card:

    python benchmarks/landmarks.py STILLS DATA NAME
    python tools/release_figures.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from shipped_cards import replace_card

from facemotion.models.cards import SHIPPED_CARDS, SHIPPED_FOLDER, file_entry
from facemotion.training.extractor.export import export_sfe
from facemotion.training.extractor.readout import fit_readout
from facemotion.training.extractor.settings import SfeSettings
from facemotion.training.extractor.train import load_sfe, load_stills
from facemotion.training.run_folder import RunFolder

SOURCE = (
    "trained by facemotion train sfe for {steps} steps of {batch} stills: renders of simulated people (ICT-FaceKit "
    "head, MIT, wearing AI-generated CC0 portraits; facemotion synth stills --shards){weak}"
)
WEAK = (
    ", and frames of one speaker of the GRID corpus, s1 (Cooke, Barker, Cunningham, Shao 2006, CC BY 4.0) with weak "
    "labels of the face mesh (tools/mesh_stills.py)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--note", default="")
    parser.add_argument("--earlier-steps", type=int, default=0, help="steps of the run that this one began with")
    arguments = parser.parse_args()
    print(
        release(
            RunFolder(arguments.run),
            arguments.name,
            SHIPPED_CARDS,
            SHIPPED_FOLDER,
            note=arguments.note,
            earlier_steps=arguments.earlier_steps,
        )
    )


def release(run: RunFolder, name: str, cards: Path, folder: Path, *, note: str = "", earlier_steps: int = 0) -> str:
    """Put the extractor of a run and its card where models ship.

    Args:
        run: the run folder of `facemotion train sfe`.
        name: the name of the model; its file has underscores in place of hyphens.
        cards: the file of the cards.
        folder: the folder of the model files.
        note: what every user of the model should know.
        earlier_steps: the steps of the run that this one began with.
    Returns:
        A sentence that says what half precision costs.
    Raises:
        TrainingError: as in `load_sfe` and `export_sfe`.
    """
    settings, net = run.read_settings(SfeSettings), load_sfe(run)
    path = folder / f"{name.replace('-', '_')}.onnx"
    readout = None if net.has_landmarks else fit_readout(net, load_stills(settings).sources[0])
    moved = export_sfe(net, path, readout)
    outputs = [f"features (1, {net.trunk.dimension})"]
    outputs += ["landmarks (1, 136), x and y of 68 points in crop sides"] if net.has_landmarks else []
    outputs += ["landmarks by a linear read-out of the features alone"] if readout else []
    outputs += ["emotions (1, 7) logits"] if net.has_emotions else []
    card = {
        **file_entry(path),
        "role": "extractor",
        "licence": "MIT",
        "source": SOURCE.format(
            steps=run.load().step + earlier_steps,
            batch=settings.optimiser.batch,
            weak=WEAK if len(settings.sources) > 1 else "",
        ),
        "preprocessing": "(1, 3, 112, 112) float32 RGB in [0, 1], a square of 1.1 x the detector's box moved up by 5%",
        "output": "; ".join(outputs),
        "note": note,
    }
    replace_card(cards, name, card)
    return f"Half precision moves {'landmarks' if net.has_landmarks else 'features'} by at most {moved:.1e}."


if __name__ == "__main__":
    main()
