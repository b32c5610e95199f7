"""The front end: frames become features, with guidance, and what a clip is held to before it is compared."""

from facemotion.frontend.chain import LOOK_EVERY, Acquirer, Acquisition, FrameAnswer, Frontend, Guidance

__all__ = ["LOOK_EVERY", "Acquirer", "Acquisition", "FrameAnswer", "Frontend", "Guidance"]
