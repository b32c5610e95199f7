"""Finding the face: detection on every frame, one track a clip, the crop, and how well it can be seen."""

from facemotion.face.blazeface import BlazeFace, Detections
from facemotion.face.crop import crop_face
from facemotion.face.far import FarLook
from facemotion.face.quality import FaceLook, look_at
from facemotion.face.track import FaceTracker, TrackCounts, TrackedFace, carry, check_face

__all__ = [
    "BlazeFace",
    "Detections",
    "FaceLook",
    "FaceTracker",
    "FarLook",
    "TrackCounts",
    "TrackedFace",
    "carry",
    "check_face",
    "crop_face",
    "look_at",
]
