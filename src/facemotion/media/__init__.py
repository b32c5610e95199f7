"""Pictures in: any file, bytes, folder of images or live frames become RGB frames with times in seconds."""

from facemotion.media.clip import Source, load_clip, named, read_frames
from facemotion.media.gate import FrameGate, check_frame
from facemotion.media.given import ClipLike, Footage, HeldFrames, take_in, take_in_several

__all__ = [
    "ClipLike",
    "Footage",
    "FrameGate",
    "HeldFrames",
    "Source",
    "check_frame",
    "load_clip",
    "named",
    "read_frames",
    "take_in",
    "take_in_several",
]
