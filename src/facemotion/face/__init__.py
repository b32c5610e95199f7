"""Finding the face: detection on every frame, one track a clip, the crop, and how well it can be seen."""

from facemotion.face.blazeface import BlazeFace, Detections
from facemotion.face.crop import crop_face, crop_faces
from facemotion.face.quality import FaceLook, look_at
from facemotion.face.track import FaceTracker, TrackedFace, track_clip

__all__ = [
    "BlazeFace",
    "Detections",
    "FaceLook",
    "FaceTracker",
    "TrackedFace",
    "crop_face",
    "crop_faces",
    "look_at",
    "track_clip",
]
