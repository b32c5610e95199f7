"""Make the sample clips of the package: two simulated people, two motions each, two takes each.

Usage: python tools/make_samples.py ASSETS [OUT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from facemotion.data.manifest import write_manifest
from facemotion.media.write import write_video
from facemotion.synth.filming.scene import SceneSettings, make_session
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder, Recruit, default_cache, fit_portraits
from facemotion.synth.people.head import load_head
from facemotion.synth.performance.habits import make_habits
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets.plan import DatasetSettings, Performer, PlannedClip
from facemotion.synth.sets.produce import SessionRenderer, sensor_seed
from facemotion.types import ClipKind, ClipRecord

PEOPLE = (("anna", "female_2", "female_48", 0.2), ("ben", "male_12", "male_30", 0.15))
MOTIONS = (("wink-pout", "wink_left > pout_right"), ("brows-smile", "brow_raise > smile + jaw_open*0.2"))
SETTINGS = DatasetSettings(
    quality=24,
    part="train",
    spreads=Spreads(person_reach=0.1, flash=0, other_ending=0, other_intensity=0, inconsistent=0, unfinished=0),
    scene=SceneSettings(
        width=320,
        height=240,
        nearest=0.62,
        farthest=0.56,
        softness=0,
        jpeg=0,
        noise=1.5,
        slowest=20,
        fastest=25,
        exposure=0.06,
        white_balance=0.03,
        yaw_degrees=3.0,
    ),
)


def main(assets_folder: Path, out: Path) -> None:
    """Write the clips and their manifest."""
    assets = Assets(assets_folder)
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, default_cache(assets)))
    out.mkdir(parents=True, exist_ok=True)
    records = []
    for number, (name, first, second, share) in enumerate(PEOPLE):
        random = np.random.default_rng([7, number])
        recruit = Recruit(name, first, second, share, np.zeros(100, np.float32), number)
        sessions = (make_session(random, SETTINGS.scene), make_session(random, SETTINGS.scene))
        performer = Performer(recruit, make_habits(random, SETTINGS.spreads), sessions)
        person = builder.build(recruit)
        for index, (motion, program) in enumerate(MOTIONS):
            for take in range(2):
                path = f"{name}-{motion}-{take + 1}.mp4"
                record = ClipRecord(path, name, f"{name}-{motion}", ClipKind.FACIAL, take, take + 1)
                clip = PlannedClip(record, program, (7, number, index, take), name)
                renderer = SessionRenderer(head, person, sessions[take], SETTINGS)
                shot, _ = renderer.shoot(clip, performer)
                timed = zip(renderer.frames(shot, sensor_seed(SETTINGS, clip)), shot.times, strict=True)
                write_video(timed, out / path, SETTINGS.quality)
                records.append(record)
    write_manifest(out / "manifest.csv", records)


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "src" / "facemotion" / "samples"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else default)
