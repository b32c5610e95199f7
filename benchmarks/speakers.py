"""Does an encoder know the phrases of speaker s1 when other people say them?

    python benchmarks/speakers.py DATA/grid_s1 DATA/grid_people --cache features [--run NAME=RUN ...] [--write]

The sentences of other GRID speakers, whose file names say them, begin with three words like the phrases of s1, but
nobody marked where. So every window of about the length of a phrase is encoded, and a phrase of s1 (the mean of its
clips) scores the best of them. Two figures: the share of s1's phrases that score above the one that was said, where s1
says it too, and the rank correlation between a phrase's score and the words that it shares with the sentence, over all
phrases. A guess gives .5 and 0. A dozen sentences decide nothing between two good encoders; they tell whether what was
learned on one speaker travels at all. Measures the shipped encoder and any run folders; with --write the table goes
into docs/results/speakers.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from other_speakers import clips_of_others

from facemotion.config import Settings
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import Manifest, read_manifest
from facemotion.encoder import Encoder
from facemotion.frontend import Frontend
from facemotion.models import Models
from facemotion.training.encoder.train import embed, load_encoder
from facemotion.training.run_folder import RunFolder
from facemotion.types import FeatureSequence, FloatArray

PAGE = Path(__file__).parents[1] / "docs" / "results" / "speakers.md"
# The first three words of a GRID sentence, by the first three letters of its name.
WORDS = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
)
LENGTHS = (22, 26, 30, 36)  # frames of a window: the phrases of s1 have 20 to 40
STARTS = range(4, 40, 3)
Embed = Callable[[Sequence[FeatureSequence]], FloatArray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the GRID s1 clips, with manifest.csv")
    parser.add_argument("people", type=Path, help="folder of sentences of other GRID speakers")
    parser.add_argument("--cache", type=Path, default=Path("features"), help="feature cache with the clips of s1")
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        metavar="NAME=RUN",
        help="what the table calls it, and folder of a training run",
    )
    parser.add_argument("--write", action="store_true", help="write docs/results/speakers.md")
    given = parser.parse_args()
    name = Settings().verifier.encoder
    encoder = Encoder.load(name, Models.configured())
    phrases, clips = read_features(
        FeatureCache(given.cache, encoder.frontend_id), read_manifest(given.data / "manifest.csv")
    )
    frontend = Frontend.load(Settings())
    speakers = clips_of_others(given.people)
    sentences = {path.stem: frontend.acquire(path).features for path in speakers}
    systems: dict[str, Embed] = {encoder.model_id: lambda own: np.stack([encoder(clip).vector for clip in own])}
    for told in given.run:
        label, _, folder = told.partition("=")
        net, _ = load_encoder(RunFolder(Path(folder)))
        systems[label] = lambda own, net=net: embed(net, own)
    lines = [
        "# Phrases said by other speakers",
        "",
        f"{len(sentences)} sentences of {len(set(speakers.values()))} GRID speakers other than s1, against the "
        f"{len({r.motion for r in phrases.records})} phrases of s1 by the best window; means over sentences and, of "
        "the correlation, their standard error. Written by `benchmarks/speakers.py`.",
        "",
        "| encoder | phrases above the one said | correlation with shared words |",
        "|---|---|---|",
    ]
    for label, system in systems.items():
        above, ranks = measure(system, phrases, clips, sentences)
        error = np.std(ranks, ddof=1) / np.sqrt(len(ranks))
        lines.append(
            f"| {label} | {np.mean(above):.3f} ({len(above)} sentences) | {np.mean(ranks):.3f} ± {error:.3f} |"
        )
        print(lines[-1], flush=True)
    if given.write:
        PAGE.write_text("\n".join([*lines, "| a guess | 0.500 | 0.000 |"]) + "\n", "utf-8")


def measure(
    system: Embed, phrases: Manifest, clips: Sequence[FeatureSequence], sentences: dict[str, FeatureSequence]
) -> tuple[list[float], list[float]]:
    """Share of phrases above the one said (of sentences that s1 says too), and correlations (of all sentences)."""
    vectors, names = system(clips), sorted({record.motion for record in phrases.records})
    means = np.stack([vectors[[r.motion == name for r in phrases.records]].mean(axis=0) for name in names])
    above, correlations = [], []
    for stem, sentence in sentences.items():
        said = [words[letter] for words, letter in zip(WORDS, stem.split("_")[-1], strict=False)]
        scores = (system(windows(sentence)) @ means.T).max(axis=0)
        shared = [sum(a == b for a, b in zip(said, name.split("_"), strict=True)) for name in names]
        correlations.append(float(np.corrcoef(ranks(scores), ranks(shared))[0, 1]))
        if "_".join(said) in names:
            above.append(float((scores > scores[names.index("_".join(said))]).mean()))
    return above, correlations


def windows(sentence: FeatureSequence) -> list[FeatureSequence]:
    """Pieces of a sentence in which its first three words may lie."""
    values, times = sentence.values, sentence.times
    places = [slice(start, start + length) for length in LENGTHS for start in STARTS if start + length <= len(values)]
    return [FeatureSequence(values[own], times[own] - times[own.start], sentence.frontend_id) for own in places]


def ranks(values: Sequence[float] | FloatArray) -> FloatArray:
    """(N,) ranks from 0, ties sharing the mean of theirs."""
    own = np.asarray(values)
    return np.asarray([(own < value).sum() + ((own == value).sum() - 1) / 2 for value in own], np.float32)


if __name__ == "__main__":
    main()
