"""Pictures in: any file, bytes, folder of images or live frames become RGB frames with times in seconds."""

from facemotion.media.clip import FrameReader, load_clip, read_frames
from facemotion.media.display import scale_to_analysis
from facemotion.media.gate import FrameGate, check_frame
from facemotion.media.given import ClipLike, Footage, HeldFrames, footage_of, footage_of_several
from facemotion.media.pictures import read_jpeg
from facemotion.media.source import Source, named

__all__ = [
    "ClipLike",
    "Footage",
    "FrameGate",
    "FrameReader",
    "HeldFrames",
    "Source",
    "check_frame",
    "footage_of",
    "footage_of_several",
    "load_clip",
    "named",
    "read_frames",
    "read_jpeg",
    "scale_to_analysis",
]
