"""Frames keep their times where a container gives them to pieces of the stream, or in the order of decoding alone."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from transformations import B_FRAMES, Film, encode

from facemotion.errors import TimestampError
from facemotion.media import load_clip

ACROSS = 2
"""Bytes by which a piece begins after a frame does, so that the frame's start code lies across two pieces."""


@dataclass(frozen=True)
class Packet:
    """A frame as it is stored.

    Attributes:
        data: H.264 with start codes. shown, decoded: ticks of 90 kHz.
    """

    data: bytes
    shown: int
    decoded: int


@pytest.fixture(scope="module")
def film() -> Film:
    """(40, 64, 96, 3) noise that drifts; 12 frames/s."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    return Film(np.stack([np.roll(noise, number, axis=1) for number in range(40)]), np.arange(40) / 12)


@pytest.fixture(scope="module")
def packets(film) -> list[Packet]:
    """The film with three B-frames between others."""
    data = encode(film, "mp4", "libx264", options=B_FRAMES | {"threads": "1"}, base=Fraction(1, 12))
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0]
        unit, change = 90000 * video.time_base, BitStreamFilterContext("h264_mp4toannexb", video)
        stored = [p for packet in container.demux(video) for p in change.filter(packet if packet.size else None)]
        return [Packet(bytes(p), 90000 + round(p.pts * unit), 90000 + round(p.dts * unit)) for p in stored]


def in_pieces(packets: Sequence[Packet], begins: Sequence[tuple[int, int]]) -> bytes:
    """MPEG-PS whose pieces begin so many bytes into those packets; each has the time of the first frame begun in it.

    Args:
        packets: in the order of decoding. begins: (number of the packet, bytes into it) of each piece; first (0, 0).
    """
    starts = np.cumsum([0, *(len(packet.data) for packet in packets)])
    stream, out = b"".join(packet.data for packet in packets), b""
    cuts = [int(starts[number]) + into for number, into in begins]
    for cut, end in zip(cuts, [*cuts[1:], len(stream)], strict=True):
        out += b"\0\0\1\xba" + _clock_reference(packets[0].decoded) + b"\1\x89\xc3\xf8"
        begun = [packet for packet, start in zip(packets, starts, strict=False) if cut <= start < end]
        times = _stamp(3, begun[0].shown) + _stamp(1, begun[0].decoded) if begun else b""
        head = bytes((0x80, 0xC0 if begun else 0, len(times))) + times
        out += b"\0\0\1\xe0" + struct.pack(">H", len(head) + end - cut) + head + stream[cut:end]
    return out + b"\0\0\1\xb9"


def _stamp(mark: int, ticks: int) -> bytes:
    high, middle, low = ticks >> 30, ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    return struct.pack(">BHH", mark << 4 | high << 1 | 1, middle << 1 | 1, low << 1 | 1)


def _clock_reference(ticks: int) -> bytes:
    high, middle, low = ticks >> 30, ticks >> 15 & 0x7FFF, ticks & 0x7FFF
    return (1 << 46 | high << 43 | 1 << 42 | middle << 27 | 1 << 26 | low << 11 | 1 << 10 | 1).to_bytes(6, "big")


def test_pieces_that_begin_where_frames_do_give_each_its_time(film, packets):
    clip = load_clip(in_pieces(packets, [(number, 0) for number in range(40)]))
    np.testing.assert_allclose(clip.times, film.times, atol=1e-3)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 17, 18, 19, 20, 37, 38])
def test_a_frame_that_begins_across_two_pieces_keeps_its_own_time(film, packets, number):
    """FFmpeg gives it that of the next frame, which is another one in the order of showing."""
    others = [other for other in range(40) if other not in (number, number + 1)]
    begins = sorted([(number, ACROSS), *((other, 0) for other in others)])
    np.testing.assert_allclose(load_clip(in_pieces(packets, begins)).times, film.times, atol=1e-3)


@pytest.mark.parametrize("every", [2, 3, 5, 40])
def test_frames_after_the_first_in_a_piece_keep_the_times_between(film, packets, every):
    clip = load_clip(in_pieces(packets, [(number, 0) for number in range(0, 40, every)]))
    np.testing.assert_allclose(clip.times, film.times, atol=1e-3)


def test_times_that_do_not_fit_the_rate_are_kept_where_nothing_contradicts_them(film, packets):
    """A recorder that lost twenty frames in the middle."""
    middle = sorted(packet.shown for packet in packets)[20]
    late = [replace(packet, shown=packet.shown + 150000 * (packet.shown >= middle)) for packet in packets]
    times = load_clip(in_pieces(late, [(number, 0) for number in range(40)])).times
    shown = np.sort([packet.shown for packet in late]) / 90000
    np.testing.assert_allclose(times, shown - shown[0], atol=1e-3)


def test_a_clock_that_begins_again_is_still_refused(packets):
    again = [*packets, *packets]
    with pytest.raises(TimestampError, match="runs backwards"):
        load_clip(in_pieces(again, [(number, 0) for number in range(80)]))


@pytest.mark.parametrize("container", ["avi", "asf"])
def test_containers_with_times_of_decoding_alone_are_read_in_the_order_of_showing(film, container):
    data = encode(film, container, "libx264", options=B_FRAMES, base=Fraction(1, 12))
    np.testing.assert_allclose(load_clip(data).times, film.times, atol=2e-3)
