"""The packaged list of motions that everybody makes."""

from __future__ import annotations

import numpy as np
import pytest

from facemotion.common_motions import common_motions, packaged_motions
from facemotion.config import Settings
from facemotion.encoder import Encoder
from facemotion.errors import SettingsError
from facemotion.frontend import Frontend
from facemotion.models import Models
from facemotion.thresholds import operating_points


@pytest.fixture(scope="module")
def parts() -> tuple[Frontend, Encoder]:
    return Frontend.load(Settings()), Encoder.load(Settings().verifier.encoder, Models.shipped())


def test_it_is_of_the_default_front_end_and_of_no_other(parts):
    found = packaged_motions(parts[0].extractor.frontend_id)
    names = [name for name, _ in found]
    assert {"a plain smile", "a blink", "an open mouth"} <= set(names)
    assert min(names.count(name) for name in set(names)) >= 3
    assert packaged_motions("another/front@end") == []


def test_a_plain_motion_of_one_person_is_recognised_by_those_of_the_others(parts):
    listed = common_motions("packaged", *parts)
    threshold = operating_points(Models.shipped(), Settings().verifier.encoder)[0].threshold
    recognised = []
    for takes in listed.values():
        for place, take in enumerate(takes):
            others = [np.delete(own, place, axis=0) if own is takes else own for own in listed.values()]
            recognised.append(max(float((own @ take).mean()) for own in others) >= threshold)
    assert np.mean(recognised) > 0.6  # .67; chance is that of a stranger's motion, the point's 10%


def test_it_can_be_switched_off_and_a_folder_of_ones_own_looked_at_besides(parts, clips, tmp_path):
    assert common_motions("off", *parts) == {}
    (tmp_path / "our nod.mp4").write_bytes((clips / "talk1.mp4").read_bytes())
    listed = common_motions(str(tmp_path), *parts)
    assert listed["'our nod'"].shape == (1, 128)
    assert "a blink" in listed
    with pytest.raises(SettingsError, match="no folder"):
        common_motions(str(tmp_path / "absent"), *parts)
