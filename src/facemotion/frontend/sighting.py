"""What the front end saw of a clip, frame by frame, and the checks of a clip before it is compared.

Seeing and judging are apart. So a clip that was seen once can be judged again, for example with rest held round it or
with frames left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facemotion.config import Settings
from facemotion.errors import NoFaceError, NoMotionError, RigidMotionError, TooFewFramesError, TooShortError
from facemotion.face import TrackCounts, check_face
from facemotion.features import FeatureExtractor
from facemotion.signals import Times, frame_rate
from facemotion.types import FeatureSequence, FloatArray

Flags = NDArray[np.bool_]
NOW_SECONDS = 0.4
"""How long the newest frames are looked at for whether the face moves."""
CLEAR_MOTION = 1.4
"""Times `min_motion_energy` within these. The sample clips have 0.3 at rest and 1.9 to 3.4 in their motions; a head
that sways gets to 1.5 now and then."""
WHOLE, CUT = 0.99, 0.95
"""Share of its landmarks inside the picture at which a face is whole, and below which the border cuts it."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """What was seen in each frame of a clip, before any check.

    Attributes:
        times: (S,) float64 seconds of all frames looked at, strictly increasing.
        found: (S,) whether the detector fired.
        rivals: (S,) whether a second face of similar size was there.
        small: (S,) whether the face was too small to be seen well.
        used: (S,) whether the frame gave features: T frames did.
        values: (T, D) float32 features.
        points: (T, N, 2) float32 landmarks in pixels of the frame, for `FeatureExtractor.own_motion`.
        frontend_id: what made the features.
    """

    times: Times
    found: Flags
    rivals: Flags
    small: Flags
    used: Flags
    values: FloatArray
    points: FloatArray
    frontend_id: str

    def __len__(self) -> int:
        return len(self.times)

    def select(self, frames: NDArray[np.intp], times: Times) -> Sighting:
        """Another clip that shows frames of this one.

        Args:
            frames: (M,) numbers of frames of this clip, in any order, some perhaps several times.
            times: (M,) seconds at which they are shown now, strictly increasing.
        Returns:
            A frame keeps its features, since detector and extractor don't look at neighbouring frames. A frame that was
            filled in from an earlier box keeps that box, even if the box's frame is left out.
        """
        used = self.used[frames]
        chosen = (np.cumsum(self.used) - 1)[frames][used]
        return Sighting(
            times=times,
            found=self.found[frames],
            rivals=self.rivals[frames],
            small=self.small[frames],
            used=used,
            values=self.values[chosen],
            points=self.points[chosen],
            frontend_id=self.frontend_id,
        )


def share_inside(points: FloatArray, frame: NDArray[np.uint8]) -> float:
    """Share of the landmarks (N, 2), in pixels, that lie inside the picture (H, W, 3), 0..1."""
    return float(((points >= 0) & (points < frame.shape[1::-1])).all(axis=1).mean())


def mostly_whole(inside: Sequence[float] | FloatArray) -> bool:
    """Whether the face is whole in most frames, by the `share_inside` of each; then cut ones are left out."""
    return len(inside) > 0 and float(np.median(inside)) >= WHOLE


def leave_out_cut_faces(sighting: Sighting, inside: FloatArray) -> Sighting:
    """The same clip without the frames in which the face comes into the picture or goes out of it.

    Where the border cuts a face, the network guesses the rest, and a guess reads as a motion. Users who got up at the
    end of a take were rejected for it. Where the face is whole in few frames, all frames stay.

    Args:
        sighting: of the clip.
        inside: (T,) the `share_inside` of each frame with features.
    """
    if not mostly_whole(inside):
        return sighting
    whole = inside >= CUT
    used = sighting.used.copy()
    used[used] = whole
    return replace(sighting, used=used, values=sighting.values[whole], points=sighting.points[whole])


@dataclass(frozen=True, eq=False)
class UsableTake:
    """A clip that passed every check that a probe must pass.

    Attributes:
        features: of the frames with a face, from time 0.
        rate: frames/s with a face while it moves; see facemotion.signals.frame_rate.
        energy: how much moves, in the unit of `QualityReport.motion_energy`.
    """

    features: FeatureSequence
    rate: float
    energy: float


def face_features(sighting: Sighting, settings: Settings) -> FeatureSequence:
    """The features of a clip, from time 0. It must show one face for long enough; the face needn't move.

    Raises:
        NoFaceError, SeveralFacesError, TooShortError: not fit to be compared.
        TooFewFramesError: no frame came for long.
    """
    counts = TrackCounts(len(sighting), int(sighting.found.sum()), int(sighting.rivals.sum()))
    missed = counts.frames - counts.found
    check_face(counts, settings.face, too_far=2 * int(sighting.small.sum()) > missed)
    times = sighting.times[sighting.used]
    _check_gaps(sighting, settings.face.max_gap_seconds)
    seconds, least = times[-1] - times[0], settings.media.min_seconds
    if seconds < least:
        raise TooShortError(f"The face was in view for {seconds:.2f} s; at least {least:g} s are needed.")
    return FeatureSequence(sighting.values.astype(np.float32), times - times[0], sighting.frontend_id)


def _check_gaps(sighting: Sighting, longest: float) -> None:
    """Hold the time between two frames that show the face to a limit, seconds; who or what is to blame is said."""
    places = np.flatnonzero(sighting.used)
    gaps = np.diff(sighting.times[places])
    if gaps.max(initial=0) <= longest:
        return
    worst = int(gaps.argmax())
    if places[worst + 1] - places[worst] > 1:
        raise NoFaceError(f"The face was out of view for {gaps[worst]:.1f} s; keep it in view and record again.")
    raise TooFewFramesError(
        f"No frame came for {gaps[worst]:.1f} s; close what keeps the computer or the connection busy and record again."
    )


def check_take(sighting: Sighting, extractor: FeatureExtractor, settings: Settings) -> UsableTake:
    """Check all that a clip needs to be enrolled or verified.

    Args:
        sighting: what `extractor` and its detector saw of it.
        extractor: says how much moves.
        settings: what is asked.
    Raises:
        NoFaceError, SeveralFacesError, TooShortError: see `face_features`.
        TooFewFramesError: the motion happened between the frames.
        NoMotionError: nothing moves.
        RigidMotionError: nothing moves but the picture as a whole.
    """
    features = face_features(sighting, settings)
    rate, least = frame_rate(features), settings.quality.min_rate
    if round(rate, 1) < least:
        raise TooFewFramesError(
            f"Only {rate:.1f} frames a second show the face while it moves; at least {least:g} are needed. Make "
            "more light, so that the camera films faster, close what keeps the computer or the connection busy, "
            "and record again."
        )
    energy = check_motion(features, extractor, settings)
    own, least = extractor.own_motion(sighting.points, features.times), settings.quality.min_own_motion
    if own < least:
        raise RigidMotionError(
            f"The picture moves as a whole, as a photograph does, but hardly the face in it ({own:.2f}, at least "
            f"{least:g} is needed); make your motion and record again."
        )
    return UsableTake(features, rate, energy)


def check_motion(features: FeatureSequence, extractor: FeatureExtractor, settings: Settings) -> float:
    """How much moves, in the unit of `QualityReport.motion_energy`.

    Raises:
        NoMotionError: less than the verifier asks of a clip.
    """
    energy, least = extractor.motion_energy(features.values), settings.quality.min_motion_energy
    if energy < least:
        raise NoMotionError(
            f"The face hardly moves (energy {energy:.2f}, at least {least:g} is needed); "
            "make your motion and record again."
        )
    return energy


def moves_now(newest: FloatArray, extractor: FeatureExtractor, settings: Settings) -> bool:
    """Whether the face itself moves, more than a head that sways or a camera's noise makes of it.

    Args:
        newest: (T, D) features of the frames of the last NOW_SECONDS.
        extractor: that made them; says how much moves.
        settings: `min_motion_energy` is the unit; where that is 0, nothing counts as moving.
    """
    least = CLEAR_MOTION * settings.quality.min_motion_energy
    return bool(least) and len(newest) > 1 and extractor.motion_energy(newest) > least
