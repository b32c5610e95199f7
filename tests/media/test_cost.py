"""What frames cost that nobody sees, and those of slow decoders."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pytest
from transformations import Film, encode

from facemotion.config import MediaSettings
from facemotion.errors import MediaLimitError, UnreadableMediaError
from facemotion.media import load_clip, pictures
from facemotion.media.source import check_tables
from facemotion.media.video import _Parts

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


def sliced(container: str, packet_number: int, times: int) -> bytes:
    """H.264 of a picture in two slices; in one packet, by its number, the second slice stands so many times. Players
    decode the first packets to know the film.
    """
    options = {"x264-params": "slices=2:bframes=0:threads=1", "preset": "ultrafast"}
    with av.open(io.BytesIO(encode(drifting(20), "mp4", options=options))) as source:
        out = io.BytesIO()
        with av.open(out, "w", format=container) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
                data = bytes(packet)
                if number == packet_number:
                    *_, last = lengthy_units(data)
                    data += last * times
                copy = av.Packet(data)
                copy.stream, copy.time_base, copy.is_keyframe = stream, packet.time_base, packet.is_keyframe
                copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
                target.mux(copy)
    return out.getvalue()


def lengthy_units(packet: bytes) -> Iterator[bytes]:
    """The units of a packet of H.264, each with the four bytes of its length."""
    place = 0
    while place < len(packet):
        end = place + 4 + int.from_bytes(packet[place : place + 4], "big")
        yield packet[place:end]
        place = end


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_picture_of_any_number_of_slices_is_refused_before_it_is_decoded(container):
    """Each slice is half a picture in ten bytes. 100 kB held a thread for 40 s, out of reach of any time limit."""
    settings = MediaSettings(min_seconds=0.1)
    assert len(load_clip(sliced(container, 10, 0), settings).frames) == 20
    for number in (0, 10):
        with pytest.raises(MediaLimitError, match="too many parts"):
            load_clip(sliced(container, number, 400), settings)


@pytest.mark.parametrize(
    ("decoder", "head"),
    [
        ("h264", b"\1" + bytes(3) + b"\3" + bytes(3)),
        ("h264", b"\1" + bytes(3) + b"\1" + bytes(3)),
        ("hevc", b"\1" + bytes(20) + b"\3" + bytes(3)),
        ("hevc", b"\2" + bytes(20) + b"\3" + bytes(3)),
        ("hevc", b"\0\0\0\1" + bytes(30)),
    ],
)
def test_parts_are_counted_however_a_head_says_that_they_are_told_apart(decoder, head):
    """FFmpeg takes a head of HEVC for one whatever its version is."""
    codec = av.CodecContext.create(decoder, "r")
    codec.extradata = head
    before = {"h264": 4, "hevc": 21}[decoder]
    length = b"\0\0\1" if head[:3] == b"\0\0\0" else (5).to_bytes((head[before] & 3) + 1, "big")
    parts = _Parts(codec)
    parts.check(av.Packet((length + b"AAAAA") * 100))
    with pytest.raises(MediaLimitError, match="too many parts"):
        parts.check(av.Packet((length + b"AAAAA") * 200))


@pytest.mark.parametrize(("codec", "options"), [("mpeg4", {}), ("libx264", {"x264-params": "slices=16"})])
def test_parts_of_usual_pictures_are_few(codec, options):
    noise = Film(np.random.default_rng(1).integers(0, 256, (6, SIDE, SIDE, 3), np.uint8), np.arange(6) / 25)
    film = encode(noise, "matroska", codec, options=options)
    assert len(load_clip(film, MediaSettings(min_seconds=0.1)).frames) == 6


def box(kind: bytes, *content: bytes | int) -> bytes:
    """A box of an MP4; numbers have four bytes."""
    whole = b"".join(part if isinstance(part, bytes) else part.to_bytes(4, "big") for part in content)
    return (8 + len(whole)).to_bytes(4, "big") + kind + whole


MANY = 100_000_000
FILE = box(b"ftyp", b"isom", 0) + box(b"mdat", b"stsz" * 4)


@pytest.mark.parametrize(
    "table",
    [
        box(b"stsz", 0, 1, MANY),
        box(b"stz2", 0, 16, MANY),
        box(b"stts", 0, 2, MANY // 2, 1, MANY // 2, 1),
        box(b"ctts", 0, 1, MANY, 0),
        box(b"trun", 0, MANY),
        box(b"stsz", 0, 1, 1000) + box(b"elst", 0, 100_000),
        box(b"cmov", 0, 0),
    ],
)
def test_tables_that_name_any_number_of_samples_are_refused_before_there_are_entries(table):
    """FFmpeg made an entry of 32 bytes for each, which filled the memory: 2 GiB for each track of 30 kB."""
    for film in (FILE + box(b"moov", box(b"trak", table)), box(b"moof", table) + FILE, FILE + b"\0\0\0\0moov" + table):
        with pytest.raises(MediaLimitError, match="tables"):
            check_tables(io.BytesIO(film), MediaSettings())


def test_tables_of_usual_films_are_within_their_bounds():
    sound = box(b"stsz", 0, 2, 480_000) + box(b"stts", 0, 1, 480_000, 1) + box(b"elst", 0, 2, bytes(24))
    picture = box(b"stsz", 0, 0, 300, bytes(1200)) + box(b"stts", 0, 1, 300, 1)
    for film in (
        FILE + box(b"moov", sound, picture),
        FILE,
        b"\x1a\x45\xdf\xa3\x9fB\x86\x81" + box(b"stsz", 0, 1, MANY),
    ):
        check_tables(stream := io.BytesIO(film), MediaSettings())
        assert stream.tell() == 0


def test_the_end_of_a_jpeg_is_found_without_looking_at_every_byte_in_turn():
    """A picture of 40 MiB of 0xff took eleven seconds of the processor."""
    stream = io.BytesIO(b"\xff\xd8\xff\xdb\0\2" + b"\xff" * 2**23)
    begin = time.process_time()
    list(pictures._jpegs(stream.getvalue()))
    assert time.process_time() - begin < 1


def test_what_nobody_counts_the_parts_of_is_refused():
    with pytest.raises(UnreadableMediaError, match="unknown kind"):
        load_clip(encode(drifting(3), "matroska", "snow", options={"strict": "-2"}))


@pytest.mark.parametrize("place", ["1254c367", "a0"])
def test_a_matroska_file_of_tiny_elements_is_refused_before_each_takes_memory(place):
    """40 MiB of tags took 1.3 GiB. The whole file is read once, by its lengths."""
    film = encode(drifting(3), "matroska")
    tags = (
        bytes.fromhex(place) + (5_000_000 | 1 << 56).to_bytes(8, "big") + b"\x73\x73\x83\x67\xc8\x80\x80\x80" * 625_000
    )
    check_tables(io.BytesIO(film), MediaSettings())
    with pytest.raises(MediaLimitError, match="beside its pictures"):
        check_tables(io.BytesIO(film + tags), MediaSettings())
