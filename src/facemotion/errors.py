"""Every error that facemotion raises on purpose, by name.

Each message is one sentence that a person can act on; the command line prints it as it stands and the service sends
it as the body of its answer. `exit_code` is what the command line returns: 2 if the request or the machine is at fault,
3 if no usable face motion could be acquired.
"""

from __future__ import annotations

from typing import ClassVar


class FacemotionError(Exception):
    """Base of all errors raised on purpose. `str(error)` is fit to show to a user."""

    exit_code: ClassVar[int] = 2


class UsageError(FacemotionError):
    """The request can't be carried out as it was put: a wrong argument, file or setting."""


class AcquisitionError(FacemotionError):
    """The clip was read, but no face motion fit for comparison could be taken from it (failure to acquire)."""

    exit_code: ClassVar[int] = 3


# Settings and files -------------------------------------------------------------------------------------------------


class SettingsError(UsageError):
    """A settings file or value is wrong; the message names the key and, for an unknown one, the nearest known."""


class MediaError(UsageError):
    """A clip can't be read."""


class UnreadableMediaError(MediaError):
    """The file or bytes aren't a video or image that can be decoded: empty, truncated, of another type."""


class NoVideoError(MediaError):
    """The file is readable but holds no picture: audio only, or an empty folder."""


class MediaLimitError(MediaError):
    """The clip is larger, longer or of more pixels than the settings allow."""


class TimestampError(MediaError):
    """Times don't rise: a stream whose clock runs backwards."""


class ModelError(UsageError):
    """Base of errors about model files and cards."""


class UnknownModelError(ModelError):
    """No card, operating point or extractor of that name."""


class MissingModelError(ModelError):
    """The card is known, the file isn't there."""


class ModelHashError(ModelError):
    """The file isn't the one that the card describes: its SHA-256 differs."""


class ModelMismatchError(ModelError):
    """Vectors or features of different models meet; they can't be compared."""


class MissingExtraError(UsageError):
    """A command needs an optional dependency that isn't installed; the message gives the pip line."""


class InstallationError(UsageError):
    """A package that facemotion needs is missing, broken or of a version that it wasn't made for."""


class ClusterError(FacemotionError):
    """There is no cluster at an address, it went away, or its machines have another version."""


# Recording ----------------------------------------------------------------------------------------------------------


class CameraError(UsageError):
    """A camera gives no frames. The takes that were kept before stay."""


class NoCameraError(CameraError):
    """There is no such camera, or it can't be opened."""


class CameraSilentError(CameraError):
    """The camera was opened and gives no frame."""


class CameraLostError(CameraError):
    """The camera gave frames and stopped: it was unplugged, or another program took it."""


class RecordingPlanError(UsageError):
    """The plan of a recording has an unknown column or a bad row, or contradicts the manifest."""


class RecordingBusyError(UsageError):
    """Another process records into the same folder."""


class ConsentError(UsageError):
    """The text of consent can't be used, or nobody agreed to it."""


# Acquisition --------------------------------------------------------------------------------------------------------


class TooShortError(AcquisitionError):
    """Too few frames or seconds with a face."""


class TooFewFramesError(AcquisitionError):
    """Too few frames a second show the face: the motion happened between them."""


class NoFaceError(AcquisitionError):
    """No frame, or too few frames, have a face."""


class SeveralFacesError(AcquisitionError):
    """Two faces of similar size are in the picture."""


class NoMotionError(AcquisitionError):
    """The face doesn't move: a still picture, or a person who did nothing."""


class RigidMotionError(NoMotionError):
    """Only the picture as a whole moves, as a photograph does that is held before the camera and waved."""


class PresentationAttackError(AcquisitionError):
    """The clip looks as if a screen was filmed, and the settings refuse that."""


# Store --------------------------------------------------------------------------------------------------------------


class WriteError(UsageError):
    """A file can't be written: the disk is full, or the place isn't there or isn't open to us. What was there before is
    intact."""


class StoreError(UsageError):
    """Base of errors about the template store."""


class StoreCorruptError(StoreError):
    """The file isn't a facemotion store, or a row of it was altered."""


class StoreFullError(StoreError):
    """The disk is full or the store can't be written; what was stored before is intact."""


class StoreUnavailableError(StoreError):
    """The database can't be reached, or another process holds it; the same request may succeed later."""


class StoreKeyError(StoreError):
    """The key of the store is missing or isn't the one that its rows were written with."""


class BackupError(StoreError):
    """A file isn't a whole backup, or it would be written or restored over something."""


class UnknownUserError(StoreError):
    """No templates under that user name."""


class UserExistsError(StoreError):
    """Somebody of that name is enrolled already."""


class AuditError(StoreError):
    """The audit trail isn't as it was written: a row was changed, removed or put in."""


# Enrolment, data, training ------------------------------------------------------------------------------------------


class EnrolmentError(UsageError):
    """The takes can't become a template: too few, too many, or unlike each other.

    Args:
        message: one sentence that says what to do.
        takes: numbers, from 1, of the takes that aren't like the others; of only two takes, both.
    """

    def __init__(self, message: str = "", *, takes: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.takes = takes


class DuplicateFaceError(EnrolmentError):
    """The face of a new user is enrolled under another name.

    Args:
        message: one sentence that says what to do, without these names, so that an end user doesn't learn them.
        users: these names, the most similar face first.
    """

    def __init__(self, message: str = "", *, users: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.users = users


class DataError(UsageError):
    """Base of errors about manifests, caches, splits and training sets."""


class ManifestError(DataError):
    """A manifest has a missing column, a bad row, a missing file, or the same clip under two labels.

    Args:
        message: one sentence that says what to do.
        problems: a sentence for each fault of rows and clips; empty where the file itself can't be read.
    """

    def __init__(self, message: str = "", *, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class SeriesError(DataError):
    """Base of errors about imported series of points."""


class SeriesFormatError(SeriesError):
    """A file isn't what its format says: a column, an array, a label or a point is missing, or of a wrong kind."""


class SeriesUnitError(SeriesError):
    """The values can't have the unit that the series names."""


class MissingPointsError(SeriesError):
    """A point is missing for too long, or in too many frames, to be filled in."""


class SeriesGapError(SeriesError):
    """Time stamps run backwards, or leave a hole in the middle of a series."""


class SeriesRateError(SeriesError):
    """Frames come too slowly, too fast, or at several rates within one series or set."""


class PointOrderError(SeriesError):
    """Points lie where a face can't have them: they are in another order, upside down or mirrored."""


class SharedSubjectError(SeriesError):
    """One person has two names, or is on both sides of a test."""


class EvidenceError(DataError):
    """A figure was asked for that the number of independent trials can't support (rule of 3)."""


class TrainingError(FacemotionError):
    """Training can't start or go on; the last good checkpoint is kept."""


# Service ------------------------------------------------------------------------------------------------------------


class ServiceError(FacemotionError):
    """Base of what the service refuses for its own reasons; the client raises the same names.

    Args:
        message: one sentence that says what to do.
        retry_seconds: how long to wait before the same request may succeed; None where waiting doesn't help.
    """

    def __init__(self, message: str = "", *, retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class AuthenticationError(ServiceError):
    """No API key where one is needed, or one that isn't known."""


class RightsError(ServiceError):
    """The API key's role doesn't allow the request, or the request came from a place that may not make it."""


class NonceError(ServiceError):
    """The nonce is unknown, used, expired, or was given for another user, purpose or key."""


class ChallengeError(ServiceError):
    """A verification must be live here, since a step is asked for that a clip made before can't hold."""


class ProofError(ServiceError):
    """A caller without a key wants to replace or delete templates, and hasn't made their motion first."""


class StudyStorageError(ServiceError):
    """The clip of somebody in a study can't be kept: the disk is full, or the folder can't be written to."""


class SessionError(ServiceError):
    """The session, or the address of its page, is unknown, used or expired, or another key made it."""


class CodeError(ServiceError):
    """The code that a page handed over is used, expired, or of another session."""


class ReturnAddressError(ServiceError):
    """A session names an address to return to, or an origin to frame its page, that the settings don't list."""


class SignatureError(ServiceError):
    """The body of a webhook isn't signed by the service that shares the secret, or was signed long ago."""


class LockedError(ServiceError):
    """Too many failures: wait, or ask an administrator to unlock."""


class BusyError(ServiceError):
    """The service has as much to do as it accepts; the same request may succeed shortly."""


class RateError(ServiceError):
    """The caller asks more often than it may."""


class BodyTooLargeError(ServiceError):
    """The body of a request is larger than the service accepts."""


class FormError(ServiceError):
    """The request isn't what its endpoint takes: a field is missing, twice there, or of a wrong kind."""


class UploadTimeoutError(ServiceError):
    """The body of a request didn't arrive in time."""


class ServerFaultError(ServiceError):
    """The service failed for a reason of its own; its log says more."""


# Simulation ---------------------------------------------------------------------------------------------------------


class FrozenSetError(DataError):
    """A benchmark isn't the frozen one: the engine makes another one, or clips of another set lie in its folder."""


class AssetError(DataError):
    """An asset of the data engine (head model, portrait, prior) is missing or isn't what it should be."""


class MotionProgramError(UsageError):
    """A motion program names an unknown shape, or a weight or time out of range."""
