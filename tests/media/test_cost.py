"""What frames cost that nobody sees, and those of slow decoders."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from transformations import Film, encode

from facemotion.config import MediaSettings
from facemotion.errors import MediaLimitError
from facemotion.media import load_clip

SIDE = 256
AV1 = {"preset": "12", "crf": "50", "svtav1-params": "lp=1"}
OBU_FRAME = 6


def drifting(count: int) -> Film:
    """A grey picture that gets lighter; all but the first frame cost a few bytes."""
    levels = np.arange(count, dtype=np.uint8)[:, None, None, None] + np.full((1, SIDE, SIDE, 3), 60, np.uint8)
    return Film(levels, np.arange(count) / 25)


def units(packet: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, whole bytes and payload of the units of an AV1 packet (AV1 specification, 5.3)."""
    place = 0
    while place < len(packet):
        head = packet[place]
        after, size = place + 1 + (head >> 2 & 1), 0
        if head >> 1 & 1:
            for shift in range(0, 56, 7):
                size |= (packet[after] & 127) << shift
                after += 1
                if not packet[after - 1] & 128:
                    break
        else:
            size = len(packet) - after
        yield head >> 3 & 15, packet[place : after + size], packet[after : after + size]
        place = after + size


def with_hidden_frames(count: int) -> bytes:
    """A film in AV1 one packet of which holds a frame that is never shown so many times."""
    with av.open(io.BytesIO(encode(drifting(40), "matroska", "libsvtav1", options=AV1))) as source:
        packets = [bytes(packet) for packet in source.demux(video=0) if packet.size]
    for number, packet in enumerate(packets):
        hidden = [
            unit
            for kind, unit, payload in units(packet)
            if kind == OBU_FRAME and not payload[0] >> 7 | payload[0] >> 4 & 1
        ]
        if number and hidden:
            packets[number] = packet.replace(hidden[-1], hidden[-1] * count, 1)
            break
    else:
        raise AssertionError("the encoder hid no frame")
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as target:
        stream = target.add_stream("libsvtav1", rate=25, options=AV1)
        stream.width = stream.height = SIDE
        target.start_encoding()
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 25), number == 0
            target.mux(packet)
    return out.getvalue()


def test_frames_that_are_never_shown_count_before_they_are_decoded():
    """They came out of the decoder as nothing, so a packet of thousands held a thread for minutes."""
    settings = MediaSettings(max_decoded_megapixels=10, min_seconds=0.1)  # 40 frames are 2.6 million pixels
    assert len(load_clip(with_hidden_frames(1), settings).frames) == 40
    bomb = with_hidden_frames(2000)
    assert len(bomb) < 200_000
    with pytest.raises(MediaLimitError, match="more than 10 million pixels"):
        load_clip(bomb, settings)


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libsvtav1"])
def test_packets_that_are_taken_apart_give_every_frame_at_its_time(codec):
    options = AV1 if codec == "libsvtav1" else {"auto-alt-ref": "1", "lag-in-frames": "12", "deadline": "realtime"}
    film = drifting(40)
    clip = load_clip(encode(film, "matroska", codec, options=options), MediaSettings(min_seconds=0.1))
    np.testing.assert_allclose(clip.times, film.times, atol=2e-3)
    np.testing.assert_allclose(clip.frames.mean(axis=(1, 2, 3)), 60 + np.arange(40), atol=4)


def test_a_frame_of_a_slow_decoder_counts_as_many():
    film = Film(np.random.default_rng(0).integers(0, 256, (10, SIDE, SIDE, 3), np.uint8), np.arange(10) / 25)
    settings = MediaSettings(max_decoded_megapixels=5, min_seconds=0.1)  # ten frames have 0.66 million pixels
    assert len(load_clip(encode(film, "mov", "mpeg4"), settings).frames) == 10
    with pytest.raises(MediaLimitError, match="more than 5 million pixels"):
        load_clip(encode(film, "mov", "jpeg2000"), settings)
