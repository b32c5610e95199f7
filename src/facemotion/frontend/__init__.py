"""The front end: frames become features, with guidance, and clips are checked before they are compared."""

from facemotion.frontend.chain import LOOK_EVERY, Acquirer, Acquisition, FrameAnswer, Frontend, Guidance

__all__ = ["LOOK_EVERY", "Acquirer", "Acquisition", "FrameAnswer", "Frontend", "Guidance"]
