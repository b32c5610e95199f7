"""The front end: frames become features, with guidance, and clips are checked before they are compared."""

from facemotion.frontend.acquisition import Acquisition, FrameAnswer, FrameWatcher, Guidance
from facemotion.frontend.chain import LOOK_EVERY, Acquirer, Frontend

__all__ = ["LOOK_EVERY", "Acquirer", "Acquisition", "FrameAnswer", "FrameWatcher", "Frontend", "Guidance"]
