"""What the commands that measure a training run share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facemotion.data.manifest import Manifest
    from facemotion.types import FeatureSequence, FloatArray

DeviceOption = Annotated[
    str, typer.Option("--device", help="Where to train: cpu, cuda (a GPU), or auto, which takes a GPU if there is one.")
]
INSTALL = "Training needs torch; install it with `pip install -c requirements/locked.txt '.[train]'` in the clone."


def embed_run(
    path: Path, manifest: Path, features: Path, split: str
) -> tuple[FloatArray, Manifest, list[FeatureSequence], str]:
    """Embed clips with the encoder of a run; says on standard error where the run hasn't ended, or has seen them.

    Args:
        path: run folder.
        manifest: clips.
        features: folder of the cache.
        split: rows of this split alone, "" for all.
    Returns:
        (N, n) float32 unit vectors, the N clips that could be acquired, their features, and what to say of the figures
        where the run has seen the clips, else nothing.
    Raises:
        MissingExtraError: torch isn't installed.
        TrainingError, SettingsError: no such run, or a damaged one.
        ManifestError, DataError: see `read_manifest` and `read_features`; the same recording twice, or features that
            can't be embedded.
    """
    import numpy as np

    from facemotion.errors import DataError, MissingExtraError

    try:
        from facemotion.data.cache import fingerprint_clip
        from facemotion.training.encoder.settings import TrainingSettings
        from facemotion.training.encoder.train import embed, restore_encoder
        from facemotion.training.encoder.watch import has_ended
        from facemotion.training.run_folder import RunFolder
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from facemotion.data.cache import FeatureCache, read_features
    from facemotion.data.manifest import read_manifest

    run = RunFolder(path)
    checkpoint, settings = run.load(), run.read_settings(TrainingSettings)
    net = restore_encoder(checkpoint, settings.encoder)
    done, wanted = checkpoint.step, settings.optimiser.steps
    if not has_ended(run, settings, done):
        typer.echo(f"facemotion: {path} hasn't ended ({done} of {wanted} steps): figures so far.", err=True)
    chosen = read_manifest(manifest).select(split=split or None)
    acquired, sequences = read_features(FeatureCache(features, checkpoint.made_for), chosen)
    fingerprints = [fingerprint_clip(sequence) for sequence in sequences]
    first: dict[str, str] = {}
    for fingerprint, record in zip(fingerprints, acquired.records, strict=True):
        if fingerprint in first:
            raise DataError(
                f"{first[fingerprint]} and {record.path} are the same recording; see `facemotion data check`."
            )
        first[fingerprint] = record.path
    vectors = embed(net, sequences)
    for record, vector in zip(acquired.records, vectors, strict=True):
        if not np.isfinite(vector).all():
            raise DataError(f"The features of {record.path} are too large to be embedded; extract that clip anew.")
    caution = ""
    if seen := sum(fingerprint in checkpoint.seen for fingerprint in fingerprints):
        people = settings.simulation
        fitted = ", or its simulated people were fitted on them" if people is not None and people.response else ""
        caution = f"{path} was trained on {seen} of these {len(acquired)} clips{fitted}: figures on them flatter it."
        typer.echo(f"facemotion: {caution}", err=True)
    return vectors, acquired, sequences, caution


def is_row(path: Path) -> bool:
    """Whether a folder is that of a row of the tables, with a folder a fold, and no training run."""
    return (path / "fold-0").is_dir()


def held_out_clips(row: Path, manifest: Path, features: Path) -> tuple[FloatArray, Manifest, list[FeatureSequence]]:
    """Clips of a row of the tables, each embedded by the network of the fold that held it out.

    Embeddings of two folds come from two networks: compare those of one person alone.

    Args:
        row: folder of the row, in `runs` of the folder of the tables.
        manifest: of its clips.
        features: of the cache.
    Returns:
        (N, n) float32 unit vectors, the N clips, their features.
    Raises:
        MissingExtraError: torch isn't installed.
        TrainingError, SettingsError: as in `kept_row`.
        ManifestError, DataError: see `read_manifest` and `read_features`.
    """
    import dataclasses

    import numpy as np

    from facemotion.errors import MissingExtraError

    try:
        from facemotion.experiments.paper_runs import kept_row
    except ImportError as error:
        raise MissingExtraError(INSTALL) from error
    from facemotion.data.cache import FeatureCache, read_features
    from facemotion.data.manifest import read_manifest
    from facemotion.features import load_extractor
    from facemotion.models import Models

    clips, models = read_manifest(manifest), Models.configured()
    settings, folds = kept_row(row, models, clips)
    places = [int(place) for fold in folds for place in fold.places]
    held = dataclasses.replace(clips, records=tuple(clips.records[place] for place in places))
    cache = FeatureCache(features, load_extractor(settings.extractor, models).frontend_id)
    acquired, sequences = read_features(cache, held)
    return np.concatenate([fold.vectors[""] for fold in folds]), acquired, sequences


def make_folder(path: Path) -> Path:
    """Make a folder for results before the work that fills it.

    Raises:
        WriteError: it can't be made.
    """
    from facemotion.errors import WriteError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"Can't make the folder {path}: {error.strerror}; choose another one.") from error
    return path
