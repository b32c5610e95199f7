"""Where two takes differ along time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import facemotion
from facemotion.config import Settings
from facemotion.errors import FormError
from facemotion.media import load_clip
from facemotion.service.live.protocol import read_command, read_first
from facemotion.service.live.tryit import side_by_side
from facemotion.verifier import Verifier

SAMPLES = Path(facemotion.__file__).parent / "samples"


@pytest.mark.long
@pytest.mark.parametrize("person", ["anna", "ben"])
def test_one_motion_hardly_differs_and_another_does(person):
    verifier = Verifier.load(Settings())
    clips = (load_clip(SAMPLES / f"{person}-{name}.mp4") for name in ("wink-pout-1", "wink-pout-2", "brows-smile-1"))
    first, again, other = (verifier.frontend.acquire((clip.frames[::2], clip.times[::2])) for clip in clips)

    def apart(one, two) -> float:
        compared = side_by_side(verifier, one, two)
        return sum(difference > 0.5 for _, _, difference in compared.pairs) / len(compared.pairs)

    assert apart(first, again) < 0.2
    assert apart(first, other) > 0.4


def test_a_message_that_is_none_of_the_protocol_is_told_all_that_it_may_be():
    for purpose in ("verify", "enrol", "try"):
        with pytest.raises(FormError, match=rf"\b{purpose}\b"):
            read_first("{}")
    for word in ("go", "done", "enrol"):
        read_command(json.dumps({word: True}))
        with pytest.raises(FormError, match=f'{{"{word}": true}}'):
            read_command("{}")
