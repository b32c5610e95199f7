"""Rebuild the packaged list of motions that everybody makes: a plain smile, a blink, an open mouth and so on.

    FACEMOTION_ASSETS=... python tools/common_motions.py [--people 3] [--out FILE]

Simulated people of the training part perform each motion once; what the default front end makes of it is kept as
features, in half precision, with the front end's id. Features, not vectors: they stay good when the encoder is trained
anew, and are encoded when they are needed. Run it again when the front end changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facemotion.config import Settings
from facemotion.frontend import Acquirer, Frontend
from facemotion.signals import resample
from facemotion.synth.filming.scene import SceneSettings
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder, default_cache, fit_portraits
from facemotion.synth.people.head import load_head
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets.plan import DatasetSettings, PlannedClip, make_performers
from facemotion.synth.sets.produce import SessionRenderer, sensor_seed
from facemotion.types import ClipKind, ClipRecord

OUT = Path(__file__).parents[1] / "src" / "facemotion" / "models" / "files" / "common_motions.npz"
MOTIONS = {
    "a plain smile": "smile",
    "a grin": "grin",
    "a blink": "eyes_shut@0.15",
    "two blinks": "eyes_shut@0.12 > eyes_shut@0.12",
    "a wink of the left eye": "wink_left",
    "a wink of the right eye": "wink_right",
    "an open mouth": "jaw_open",
    "a wide open mouth": "jaw_wide",
    "raised brows": "brow_raise",
    "a frown": "brow_frown",
    "a kiss": "kiss",
    "puffed cheeks": "cheek_puff",
}
# Takes as they are meant, without the slips of the data engine: no flash, no other ending, no stray movement.
SPREADS = Spreads(flash=0, other_ending=0, other_intensity=0, inconsistent=0, unfinished=0, blinks=0, stray=0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--part", default="train", help="other people, to try the list on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    settings = DatasetSettings(
        subjects=given.people,
        part=given.part,
        seed=given.seed,
        sessions=1,
        spreads=SPREADS,
        scene=SceneSettings(width=160, height=160),
    )
    assets = Assets.find()
    cache = default_cache(assets)
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, cache))
    frontend = Frontend.load(Settings())
    kept: dict[str, np.ndarray] = {"frontend_id": np.array(frontend.extractor.frontend_id)}
    for owner, performer in enumerate(make_performers(settings).values()):
        renderer = SessionRenderer(head, builder.build(performer.recruit), performer.sessions[0], settings)
        for index, (name, program) in enumerate(MOTIONS.items()):
            record = ClipRecord("clips/none.mp4", performer.recruit.name, name, ClipKind.FACIAL, 0, 1)
            clip = PlannedClip(record, program, (owner, owner, 9, index, 0), performer.recruit.name)
            shot, _ = renderer.shoot(clip, performer)
            session = Acquirer(frontend)
            for frame, seconds in zip(renderer.frames(shot, sensor_seed(settings, clip)), shot.times, strict=True):
                session.push(frame, float(seconds))
            features = session.sequence()
            kept[f"{name}/{owner}"] = resample(features.values, features.times).astype(np.float16)
    np.savez_compressed(given.out, **kept)
    print(f"{len(kept) - 1} takes, {given.out.stat().st_size / 1e6:.2f} MB: {given.out}")


if __name__ == "__main__":
    main()
