"""Frames of video files, decoded by FFmpeg as they come.

Only containers that hold their own pictures are read: a playlist or a concatenation script could make the decoder open
other files or addresses.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from facemotion.config import MediaSettings
from facemotion.errors import MediaError, MediaLimitError, NoVideoError, UnreadableMediaError
from facemotion.media.clock import Clock, Shot
from facemotion.media.display import UPRIGHT, Orientation, analysis_size, square_size
from facemotion.media.gate import FASTEST, Allowance, Frame, check_size
from facemotion.media.source import check_tables

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,h264,hevc,ivf,ogg,flv,asf,gif,nut"
PROBED = "mpeg1video,mpeg2video"
"""Decoders that may run while the tracks of a file are looked for, where nothing counts what they cost. These read no
more than heads then, without which later frames have wrong times."""
BARE = ("h264", "hevc")
"""Formats without a container, whose frames have no times."""
SLOWEST = 1.0
"""Frames/s of what comes without times, at least; a stream that names more than FASTEST names the unit of its clock."""
USUAL_RATE = 25.0
"""Frames/s between two times where some are missing and no rate is named: a guess about recorders, which the rate of
encoders has no part in."""
START_OF_SCAN = b"\xff\xda"
"""Begins a pass of a JPEG; inside of one, every 0xff is followed by zero."""
SPLITTERS = {
    "av1": "av1_frame_split",
    "libdav1d": "av1_frame_split",
    "vp9": "vp9_superframe_split",
    "libvpx-vp9": "vp9_superframe_split",
}
"""Filters that take a packet apart, by the decoder: one packet may hold thousands of frames that are never shown."""
QUICK = frozenset(
    [
        *("h264", "hevc", "vp8", "libvpx", "vp9", "libvpx-vp9", "av1", "libdav1d"),
        *("mpeg1video", "mpeg2video", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4", "h263", "h263p", "flv", "theora"),
        *("wmv1", "wmv2", "wmv3", "vc1", "svq1", "svq3", "dvvideo", "gif", "rawvideo"),
    ]
)
"""Decoders, as FFmpeg calls them, of what cameras, browsers and players write."""
PASSES = {"prores": 3, "dnxhd": 3, "huffyuv": 3, "ffvhuff": 3, "utvideo": 3, "ffv1": 4, "png": 4}
SLOW = 20
"""Passes over the picture that a frame counts as, by its decoder, and any other: JPEG 2000 takes thirty times as long
as H.264."""
MOST_ROWS = 136
"""Rows of blocks of a picture of 4096 x 2176."""
LENGTHS = {"h264": 4, "hevc": 21}
"""Where the head of a stream says how many bytes the length of a unit has, by the decoder of units."""
MARKS = {
    **dict.fromkeys(("h264", "hevc"), (b"\0\0\1", MOST_ROWS)),
    **dict.fromkeys(("mpeg1video", "mpeg2video"), (b"\0\0\1", 30 * MOST_ROWS)),
    **dict.fromkeys(("mpeg4", "h263", "h263p", "flv"), (b"\0\0", 8 * MOST_ROWS)),
}
"""What stands before each part of a packet, and how many parts it may have, by the decoder. A part is at most a whole
picture, and a row of MPEG-1 and MPEG-2."""
BOUNDLESS = ("vvc", "cavs", "dirac", "snow")
"""Decoders that go on through any number of pictures or slices of a packet, which nobody counts here; no camera needs
them."""
HELD_FRAMES = 8
"""Frames that may wait for Python's collector. One whose side data were looked at refers to itself and stays in memory
until then, 3 MiB each of a clip of 1920 x 1080."""
DEFAULT, ATTACHED_PICTURE = 0x1, 0x400
"""Bits of a track's disposition: the one to show where nobody chooses, and the picture on the cover."""


def video_shots(
    stream: BinaryIO, settings: MediaSettings, allowance: Allowance, rate: float | None = None
) -> Iterator[Shot]:
    """Decode the default video track of a file.

    Args:
        stream: bytes of the file, from its beginning.
        settings: limits.
        allowance: what reading the whole clip may cost.
        rate: frames/s of a stream without a container; else it names its own.
    Yields:
        Shots in the order in which they are shown, all of one size.
    Raises:
        UnreadableMediaError: truncated or not a video.
        NoVideoError: no picture in it.
        MediaLimitError: too many pixels, frames or seconds.
        MediaError: no rate where one is needed, or one where frames have times.
    """
    import av

    check_tables(stream, settings)
    try:
        with av.open(
            stream,
            mode="r",
            # Not `options`, which go to every stream, too: of streams that turn up later, as in MPEG-PS, PyAV until 17
            # reads beyond the end of its list.
            container_options={
                "format_whitelist": CONTAINERS,
                "protocol_whitelist": "none",
                "codec_whitelist": PROBED,
            },
            timeout=allowance.seconds_left,
            **_lenient_about_titles(av.__version__),
        ) as container:
            video = _default_track(container)
            codec = video.codec_context
            if codec is None or codec.name in BOUNDLESS:  # or the container names a codec that nobody knows
                raise UnreadableMediaError("The video is of an unknown kind; record or export it again as H.264.")
            check_size(codec.width, codec.height, settings)
            codec.thread_count = settings.decoder_threads
            # Also of frames that are never shown, which no check sees.
            codec.options = {"max_pixels": str(settings.max_side_px**2)}
            if codec.name == "h264":  # waits for as many frames as may come late, and doesn't guess how many will
                codec.options |= {"strict": "strict"}
            screen, damage, clock = _Screen(video, settings), _Damage(), _clock(container, video, rate)
            for packet, frames in _decoded(container, video, allowance):
                if packet is not None:
                    clock.expect(packet)
                    damage.expect(packet)
                if frames is None:  # the decoder can't make anything of this packet
                    damage.spread = True
                    yield Shot(0.0, None)
                    continue
                for frame in frames:
                    allowance.spend(frame.width, frame.height)
                    make = screen.project(frame)
                    yield from clock.place(frame, None if damage.reaches(frame) else make)
            yield from clock.finish()
    except av.error.FFmpegError as error:
        raise UnreadableMediaError(
            f"This isn't a video that can be read, or it is damaged or cut off ({error.strerror}); "
            "give a video file (MP4, WebM and others), or record or export this one again."
        ) from error


def _lenient_about_titles(version: str) -> dict[str, Any]:
    """Options of `av.open` that make titles and comments which aren't UTF-8 no error.

    Args:
        version: of PyAV. Until 18 such text raises UnicodeDecodeError unless an option says otherwise; from 19 on it
            never does, and the option is gone.
    """
    return {"metadata_errors": "ignore"} if int(version.partition(".")[0]) < 19 else {}


def _default_track(container: InputContainer) -> VideoStream:
    """The track that a player would show: the first that is marked as default, else the first; never a cover."""
    tracks = [(_disposition(track), track) for track in container.streams.video]
    films = [(bits, track) for bits, track in tracks if not bits & ATTACHED_PICTURE]
    if not films:
        raise NoVideoError("The file holds no picture, only sound or data; record the clip with the camera on.")
    return next((track for bits, track in films if bits & DEFAULT), films[0][1])


def _disposition(track: VideoStream) -> int:
    bits: Any = track.disposition  # a Flag until PyAV 17, an int since
    return int(getattr(bits, "value", bits))


def _decoded(
    container: InputContainer, video: VideoStream, allowance: Allowance
) -> Iterator[tuple[Packet[Any] | None, list[VideoFrame] | None]]:
    """Every packet with the frames that come out after it, None where the decoder refuses it; at the end those left."""
    import av

    codec = video.codec_context
    take_apart, parts = _splitter(video), _Parts(codec)
    for packet in container.demux():  # of all tracks: PyAV itself would pass over the others for as long as it takes
        allowance.check_time()
        if packet.size == 0 or packet.stream_index != video.index:  # a frame that AVI left out, or the end
            continue
        parts.check(packet)
        frames: list[VideoFrame] = []
        try:
            for part in take_apart(packet):
                allowance.ask(codec.width, codec.height, _passes(codec.name, part))
                frames += codec.decode(part)
        except av.error.InvalidDataError:
            yield packet, None
        else:
            yield packet, frames
    yield None, codec.decode(None)


def _splitter(video: VideoStream) -> Callable[[Packet[Any]], list[Packet[Any]]]:
    """What gives the parts of a packet that hold one frame each; the packet stays as it is."""
    from av import Packet
    from av.bitstream import BitStreamFilterContext

    name = SPLITTERS.get(video.codec_context.name)
    if name is None:
        return lambda packet: [packet]
    splitter = BitStreamFilterContext(name, video)

    def take_apart(packet: Packet[Any]) -> list[Packet[Any]]:
        copy = Packet(bytes(packet))  # the filter empties what it is given
        copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
        copy.is_keyframe = packet.is_keyframe
        return splitter.filter(copy)

    return take_apart


class _Parts:
    """Refuses packets of too many parts. Each may stand for a whole picture in ten bytes, and time limits don't reach
    into a packet: the decoder comes back from it once it is through.
    """

    def __init__(self, codec: VideoCodecContext) -> None:
        self._decoder = codec.name
        self._lengths = self._lengths_of(codec.extradata or b"")

    def check(self, packet: Packet[Any]) -> None:
        """
        Raises:
            MediaLimitError: it has too many.
        """
        if self._decoder not in MARKS:
            return
        data, (mark, most) = bytes(packet), MARKS[self._decoder]
        # A head may come with any packet, beside it or, of H.264, in its place.
        beside = packet.get_sidedata("new_extradata") if packet.has_sidedata("new_extradata") else b""
        self._lengths |= self._lengths_of(bytes(beside))
        if self._decoder == "h264":
            self._lengths |= self._lengths_of(data[:32])
        units = max((_units(data, length, most + 1) for length in self._lengths), default=0)
        if data.count(mark) + units > most:
            raise MediaLimitError("A frame of the clip has too many parts; record or export the clip again.")

    def _lengths_of(self, head: bytes) -> set[int]:
        """How many bytes the lengths of units have, as a head says; empty where marks stand between units."""
        place = LENGTHS.get(self._decoder)
        if place is None or len(head) <= place:
            return set()
        # As FFmpeg tells them from units behind marks.
        if head[0] != 1 if self._decoder == "h264" else head[:3] in (b"\0\0\0", b"\0\0\1"):
            return set()
        return {(head[place] & 3) + 1}


def _units(data: bytes, length: int, most: int) -> int:
    """How many units a packet has whose lengths stand before them.

    Args:
        data: the packet.
        length: bytes of each length.
        most: where counting ends.
    """
    place = count = 0
    while place < len(data) and count < most:
        place += length + int.from_bytes(data[place : place + length], "big")
        count += 1
    return count


def _passes(decoder: str, packet: Packet[Any]) -> int:
    """How many passes over the picture a frame counts as. A JPEG says it; else the decoder decides."""
    if decoder == "mjpeg":
        return max(1, bytes(packet).count(START_OF_SCAN))
    return 1 if decoder in QUICK else PASSES.get(decoder, SLOW)


def _clock(container: InputContainer, video: VideoStream, rate: float | None) -> Clock:
    """
    Raises:
        MediaError: see video_shots.
    """
    bare = container.format.name in BARE
    if rate is not None:
        if not bare:
            raise MediaError("A rate goes with images or a stream without a container; this video has its own times.")
        return Clock(video, container.format.name, check_rate(rate))
    named = float(video.codec_context.framerate or 0)
    if not SLOWEST <= named <= FASTEST:
        if bare:
            raise MediaError(
                "The file is a stream without a container, so its frames have no times, and it names no rate: put it "
                "into a container (MP4, Matroska), or give its rate in frames/s."
            )
        named = float(video.average_rate or USUAL_RATE)
    return Clock(video, container.format.name, named)


def check_rate(rate: float) -> float:
    """The rate, frames/s.

    Raises:
        MediaError: it isn't SLOWEST to FASTEST.
    """
    if not SLOWEST <= rate <= FASTEST:
        raise MediaError(f"The rate of frames without times must be {SLOWEST:g} to {FASTEST:g} frames/s, got {rate:g}.")
    return rate


class _Damage:
    """Which frames are damaged: those that the decoder or the container says are, and all predicted from them."""

    def __init__(self) -> None:
        self.spread = False
        self._corrupt: set[int] = set()

    def expect(self, packet: Packet[Any]) -> None:
        """Remember a packet that the container knows to be damaged."""
        if packet.is_corrupt and packet.pts is not None:
            self._corrupt.add(packet.pts)

    def reaches(self, frame: VideoFrame) -> bool:
        """Whether the next frame is damaged; damage spreads until a frame that is predicted from no other."""
        own = frame.is_corrupt or frame.pts in self._corrupt
        self.spread = own or (self.spread and not frame.key_frame)
        return self.spread


class _Screen:
    """Gives frames the one size and the orientation that they are to be seen in."""

    def __init__(self, video: VideoStream, settings: MediaSettings) -> None:
        from av.error import FFmpegError
        from av.video.reformatter import VideoReformatter

        self._errors = FFmpegError
        self._video, self._settings = video, settings
        self._size: tuple[int, int] | None = None
        self._orientation: Orientation | None = None
        # One for all frames: each frame's own would set up its tables again, and start a thread for every processor.
        self._reformatter = VideoReformatter()
        self._asked = 0  # frames whose side data were looked at
        self._after_key = False

    def project(self, frame: VideoFrame) -> Callable[[], Frame]:
        """What makes the RGB picture of a frame.

        Raises:
            MediaLimitError: too many pixels.
            UnreadableMediaError: another shape than the frames before.
        """
        check_size(frame.width, frame.height, self._settings)
        # The container says how wide pixels are, or else the decoder.
        ratio = self._video.sample_aspect_ratio or self._video.codec_context.sample_aspect_ratio
        shown = square_size(frame.width, frame.height, ratio)
        size = analysis_size(*shown, self._settings.analysis_side_px)
        first = self._size = self._size or size
        before, orientation = self._orientation, self._orientation or UPRIGHT
        # Said with key frames, for those that follow; where every frame is one, by the container, for all.
        if before is None or (frame.key_frame and not self._after_key):
            matrix: Any = frame.side_data.get("DISPLAYMATRIX")
            orientation = Orientation.of_matrix(bytes(matrix)) if matrix is not None else UPRIGHT
            self._asked += 1
            if self._asked % HELD_FRAMES == 0:
                gc.collect(1)
        self._after_key = frame.key_frame
        turned = before is not None and before.transpose != orientation.transpose
        if turned or abs(size[0] * first[1] / (size[1] * first[0]) - 1) > 0.05:
            raise UnreadableMediaError("The picture changes its shape within the clip; record the clip again.")
        self._orientation = orientation

        def make() -> Frame:
            width, height = first
            try:
                scaled = self._reformatter.reformat(frame, width, height, "rgb24", interpolation="AREA", threads=1)
            except self._errors as error:
                raise UnreadableMediaError(
                    f"The video's colours are of an unknown kind ({error.strerror}); record or export it again."
                ) from error
            return orientation.show(np.asarray(scaled.to_ndarray(), np.uint8))

        return make
