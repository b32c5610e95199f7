"""Clips that commands can train on in seconds, and the settings of such a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.settings_by_code import save

from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import write_manifest
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.system.files import file_sha256
from facemotion.training.encoder.settings import OptimiserSettings, SourceSettings, TrainingSettings
from facemotion.types import ClipKind, ClipRecord, FeatureSequence


def make_world(folder: Path) -> None:
    """Write a manifest of clips whose features are in a cache already, and `tiny.toml`, into a folder."""
    rng = np.random.default_rng(0)
    extractor = load_extractor("face-mesh", Models.shipped())
    cache = FeatureCache(folder / "features", extractor.frontend_id)
    records = []
    for s in range(2):
        for m in range(3):
            shape = rng.normal(size=extractor.dimension)
            for k in range(3):
                record = ClipRecord(f"{s}{m}{k}.mp4", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1, "train" if s else "test")
                (folder / record.path).write_bytes(record.path.encode())
                bump = np.sin(np.linspace(0, np.pi, 20))[:, None] * shape
                values = (bump + 0.1 * rng.normal(size=bump.shape)).astype(np.float32)
                features = FeatureSequence(values, np.arange(20) / 20, extractor.frontend_id)
                cache.write(file_sha256(folder / record.path), features)
                records.append(record)
    write_manifest(folder / "manifest.csv", records)
    save(tiny(folder), folder / "tiny.toml")


def tiny(world: Path) -> TrainingSettings:
    """A training of three steps on the clips of the world that are to train on."""
    return TrainingSettings(
        features=str(world / "features"),
        threads=1,
        sources=(SourceSettings(str(world / "manifest.csv"), "train"),),
        encoder=EncoderSettings(width=8, layers=1, heads=2, feedforward=8, embedding=8),
        optimiser=OptimiserSettings(steps=3),
    )
