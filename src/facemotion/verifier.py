"""The story: clips become embeddings, embeddings become templates and decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeVar

from facemotion.appearance import Recogniser
from facemotion.config import Settings, VerifierSettings, load_settings
from facemotion.encoder import Encoder
from facemotion.enrolment import Appearance, Enroller, Enrolment, Review
from facemotion.errors import (
    ModelMismatchError,
    SettingsError,
    UnknownUserError,
    UsageError,
)
from facemotion.frontend import Acquirer, Acquisition, Frontend
from facemotion.media import ClipLike, Footage, footage_of, footage_of_several
from facemotion.models import Models
from facemotion.store import TemplateStore, check_user
from facemotion.thresholds import (
    OperatingPoints,
    earlier_operating_points,
    for_takes,
    operating_points,
    strictest_operating_points,
    template_score,
)
from facemotion.types import Decision, Embedding, Factor, FactorResult, FloatArray, OperatingPoint

T = TypeVar("T")
Take = ClipLike | Acquisition
"""A clip in any form that facemotion.media.given takes, or what a live session acquired."""


@dataclass(frozen=True, eq=False)
class EarlierEncoder:
    """An earlier encoder: nobody is enrolled with it any more, but its templates are still verified.

    Attributes:
        encoder: of the same front end as the present one.
        operating_points: its own, by number of takes.
    """

    encoder: Encoder
    operating_points: OperatingPoints


class Verifier:
    """Compares facial motions, and also faces if the settings name a recogniser.

    Load it once; it is safe to use from several threads.
    """

    def __init__(
        self,
        frontend: Frontend,
        encoder: Encoder,
        operating_points: OperatingPoints,
        settings: Settings,
        appearance: Appearance | None = None,
        *,
        earlier: Sequence[EarlierEncoder] = (),
    ) -> None:
        self.frontend = frontend
        self.encoder = encoder
        self.operating_points = operating_points
        self.settings = settings
        self.appearance = appearance
        self.earlier = tuple(earlier)
        self.enroller = Enroller(frontend, encoder, operating_points, settings.verifier, appearance)

    @classmethod
    def load(cls, settings: Settings | None = None) -> Verifier:
        """Load the models that the settings name.

        Args:
            settings: default: those of this machine (`facemotion.load_settings`).
        Raises:
            UsageError: `settings` isn't a Settings.
            SettingsError: for example, duplicate_face is set and no recogniser is named, or a clip in the folder of
                common motions can't be used, or an earlier encoder is the present one.
            UnknownModelError, MissingModelError, ModelHashError: see Models.path.
            ModelMismatchError: an encoder was made for another extractor.
        """
        if settings is not None and not isinstance(settings, Settings):
            raise UsageError(
                f"Settings are facemotion.Settings, got {type(settings).__name__}; "
                "facemotion.load_settings(path) reads a file."
            )
        settings = settings or load_settings()
        frontend = Frontend.load(settings)
        models, wanted = Models.of(settings.runtime), settings.verifier
        encoder = _load_encoder(wanted.encoder, models, frontend)
        points = operating_points(models, wanted.encoder, wanted.operating_point)
        earlier = [
            EarlierEncoder(
                _load_encoder(name, models, frontend), earlier_operating_points(models, name, wanted.operating_point)
            )
            for name in wanted.earlier_encoders
        ]
        ids = [encoder.model_id, *(one.encoder.model_id for one in earlier)]
        if len(set(ids)) < len(ids):
            raise SettingsError(f"earlier_encoders names an encoder twice, or the present one: {', '.join(ids)}.")
        verifier = cls(frontend, encoder, points, settings, _load_appearance(wanted, models), earlier=earlier)
        if wanted.common_motions not in ("off", "packaged"):
            _ = verifier.enroller.common  # a fault in the administrator's clips is raised here, not when a user enrols
        return verifier

    @property
    def point(self) -> OperatingPoint:
        """The operating point for one clip against another; templates of several takes may have another one."""
        return self.operating_points[0]

    @property
    def model_ids(self) -> dict[Factor, str]:
        """The network of each factor that is compared; users are enrolled with these."""
        own: dict[Factor, str] = {"motion": self.encoder.model_id}
        return own if self.appearance is None else own | {"appearance": self.appearance.recogniser.model_id}

    def fits(self, factor: Factor, model_id: str) -> bool:
        """Whether a template of that network can be compared; if not, its user must enrol again."""
        earlier = {one.encoder.model_id for one in self.earlier} if factor == "motion" else set()
        return model_id in {self.model_ids.get(factor), *earlier}

    def live(self, colours: Literal["RGB", "BGR"] = "RGB") -> Acquirer:
        """An Acquirer to push camera frames into; `verify`, `enrol`, `check` and `embed` take what its `finish` gives.

        Args:
            colours: order of the channels of the frames: "BGR" as OpenCV gives them.
        Raises:
            UsageError: another order.
        """
        return Acquirer(self.frontend, colours)

    def embed(self, take: Take | Footage) -> Embedding:
        """One unit vector for one motion; two are compared by `Embedding.cosine`.

        Raises:
            UsageError, MediaError and its kinds, AcquisitionError and its kinds: see verify.
        """
        return self.encoder(self._acquire(take).features)

    def _acquire(self, take: Take | Footage) -> Acquisition:
        return take if isinstance(take, Acquisition) else self.frontend.acquire(take)

    def _given(self, take: Take) -> Acquisition | Footage:
        """A take that `_acquire` won't find to be something else, after seconds of work on the one before."""
        return take if isinstance(take, Acquisition) else footage_of(take, self.settings.media)

    def embed_all(self, acquisition: Acquisition) -> dict[Factor, Embedding]:
        """One unit vector for each factor that is compared."""
        return self.enroller.embed(acquisition)

    def verify(self, a: Take, b: Take) -> Decision:
        """Compare the motions of two clips.

        Args:
            a, b: each a path, bytes, an open binary file, a Clip, frames with their times, or what a live session
                acquired; see facemotion.media.given.
        Raises:
            UsageError: something else.
            MediaError and its kinds: a clip can't be read.
            AcquisitionError and its kinds: no usable face motion, or an attack (see Enroller.refuse_attacks).
        """
        first, second = map(self._acquire, [self._given(a), self._given(b)])
        self.enroller.refuse_attacks([first, second])
        (one, other), encode = _timed(lambda: (self.embed_all(first), self.embed_all(second)))
        results = [
            FactorResult(factor, cosine(one[factor], other[factor]), self.enroller.point(factor, 1)) for factor in one
        ]
        return _decision(results, (first, second), encode)

    def enrol(
        self, store: TemplateStore, user: str, clips: Iterable[Take], *, progress: Callable[[int], None] | None = None
    ) -> Enrolment:
        """Make templates of several takes of one motion and store them. They replace all that was kept of the user.

        Args:
            store: where the template goes; nothing is written unless every take is good.
            user: a name, 1 to 128 characters.
            clips: `min_takes` to `max_takes` clips of the same motion, each as for verify.
            progress: called with the number of takes read so far.
        Raises:
            EnrolmentError: too few or too many takes, or a take that isn't like the others; the message names it.
            DuplicateFaceError: the face is enrolled under another name, and the settings refuse that.
            UsageError, MediaError, AcquisitionError: see verify.
            StoreError: the store can't take it.
        """
        _check_store(store)  # before the clips are decoded, which takes seconds
        user = check_user(user)
        return self.enrol_acquired(store, user, self._acquire_several(clips, progress))

    def _acquire_several(
        self, clips: Iterable[Take], progress: Callable[[int], None] | None = None
    ) -> list[Acquisition]:
        takes = footage_of_several(clips, self.settings.media, Acquisition)
        self.enroller.check_count(len(takes))
        acquisitions: list[Acquisition] = []
        for take in takes:
            acquisitions.append(self._acquire(take))
            if progress is not None:
                progress(len(acquisitions))
        return acquisitions

    def enrol_acquired(self, store: TemplateStore, user: str, acquisitions: Sequence[Acquisition]) -> Enrolment:
        """As `enrol`, for takes that are acquired already, for example from a live session.

        Raises:
            EnrolmentError, DuplicateFaceError, StoreError: see enrol.
        """
        return self.enroller.enrol(store, user, acquisitions)

    def review(self, acquisitions: Sequence[Acquisition]) -> Review:
        """Check the takes so far during an enrolment; nothing is stored, and a bad take raises no error."""
        return self.enroller.review(acquisitions)

    def change_motion(self, store: TemplateStore, user: str, clips: Iterable[Take]) -> Enrolment:
        """Give a user another motion without enrolling the face again: the takes must show the face that is enrolled,
        and only the motion's template is replaced.

        Raises:
            UnknownUserError: nobody of that name is enrolled with a face.
            EnrolmentError: no recogniser is set up, a take shows another face, or as in `enrol`.
            MediaError, AcquisitionError, StoreError: see enrol.
        """
        _check_store(store)
        self.enroller.compared_face()  # before the clips are decoded, which takes seconds
        return self.enroller.change_motion(store, user, self._acquire_several(clips))

    def prepare(self, store: TemplateStore, user: str, acquisitions: Sequence[Acquisition]) -> Enrolment:
        """What `enrol_acquired` would store, without storing it; for callers that store more in the same transaction.

        Args:
            store: where faces that are enrolled already are looked for.
        Raises:
            EnrolmentError, DuplicateFaceError, StoreError: see enrol.
        """
        return self.enroller.prepare(store, user, acquisitions)

    def check(self, store: TemplateStore, user: str, clip: Take) -> Decision:
        """Compare a clip with a user's template.

        Args:
            clip: as for verify.
        Raises:
            UnknownUserError: nobody of that name is enrolled.
            ModelMismatchError: the template was made with a model that the settings don't name; the user must enrol
                again.
            UsageError, MediaError, AcquisitionError: see verify.
        """
        _check_store(store)
        user = check_user(user)
        return self.check_acquired(store, user, self._acquire(clip))

    def check_acquired(self, store: TemplateStore, user: str, acquisition: Acquisition) -> Decision:
        """As `check`, for a probe that is acquired already, for example from a live session.

        Raises:
            UnknownUserError, ModelMismatchError, PresentationAttackError: see check.
        """
        # Encoded by every encoder before the user is looked up: an unknown user costs as much time as a known one.
        probes, encode = _timed(lambda: self._probes(acquisition))
        results: list[FactorResult] = []
        fault: UnknownUserError | ModelMismatchError | None = None
        for factor, tried in probes.items():
            try:
                cosines, points = _compare(store, user, factor, tried)
            except (UnknownUserError, ModelMismatchError) as error:
                fault = fault or error  # raised once every factor was compared, for the same reason
                continue
            point = for_takes(points, len(cosines))
            raised = self._raised(store, user, factor, point)
            results.append(FactorResult(factor, template_score(cosines), point, raised))
        if fault is not None:
            raise fault
        self.enroller.refuse_attacks([acquisition])
        return _decision(results, (acquisition,), encode)

    def _probes(self, acquisition: Acquisition) -> dict[Factor, list[tuple[Embedding, OperatingPoints]]]:
        """By factor: the vector of each network that may have made the template, and the thresholds that go with it."""
        probes = {
            factor: [(probe, self.enroller.points(factor))] for factor, probe in self.embed_all(acquisition).items()
        }
        probes["motion"] += [(one.encoder(acquisition.features), one.operating_points) for one in self.earlier]
        return probes

    def _raised(self, store: TemplateStore, user: str, factor: Factor, point: OperatingPoint) -> float:
        """How far this user's own threshold lies above the operating point's; never below, where no evidence is."""
        share = self.settings.verifier.user_threshold
        if not share or factor != "motion":
            return 0.0
        template = store.get(user, factor)
        if len(template.vectors) < 2:
            return 0.0
        return share * max(0.0, float(template.agreement.min()) - point.threshold)


def _compare(
    store: TemplateStore, user: str, factor: Factor, tried: Sequence[tuple[Embedding, OperatingPoints]]
) -> tuple[FloatArray, OperatingPoints]:
    """Compare a factor by the one network that made the template.

    Args:
        store: open.
        user: as it is stored.
        factor: which one.
        tried: vector and thresholds of each network that may have; the present one first.
    Returns:
        (K,) cosines with the takes of the template, and the thresholds that go with them.
    Raises:
        UnknownUserError, ModelMismatchError: there is no template, or it is of none of these.
    """
    found: tuple[FloatArray, OperatingPoints] | None = None
    faults: list[UnknownUserError | ModelMismatchError] = []
    for probe, points in tried:  # all of them, whichever fits: every user's answer takes as long
        try:
            found = (store.compare(user, factor, probe), points)
        except (UnknownUserError, ModelMismatchError) as error:
            faults.append(error)
    if found is None:
        raise faults[0]
    return found


def _check_store(store: object) -> None:
    """
    Raises:
        UsageError: the store isn't open, a path say.
    """
    if not callable(getattr(store, "compare", None)):
        raise UsageError(
            f"A store is what facemotion.open_store(path) gives, got {type(store).__name__}; "
            "open it: with facemotion.open_store(path) as store."
        )


def _decision(results: Sequence[FactorResult], acquisitions: Sequence[Acquisition], encode: float) -> Decision:
    milliseconds: dict[str, float] = {}
    for acquisition in acquisitions:
        for stage, spent in acquisition.milliseconds.items():
            milliseconds[stage] = milliseconds.get(stage, 0.0) + spent
    milliseconds["encode"] = encode
    return Decision(tuple(results), tuple(a.quality for a in acquisitions), milliseconds)


def _load_encoder(name: str, models: Models, frontend: Frontend) -> Encoder:
    """An encoder that takes what the front end gives.

    Raises:
        UnknownModelError, MissingModelError, ModelHashError: see Models.path.
        ModelMismatchError: it takes other features.
    """
    encoder = Encoder.load(name, models)
    if encoder.frontend_id != frontend.extractor.frontend_id:
        raise ModelMismatchError(
            f"The encoder {name!r} takes the features of {encoder.frontend_id!r}, but the extractor gives "
            f"{frontend.extractor.frontend_id!r}; choose an encoder of the same front end."
        )
    return encoder


def _load_appearance(wanted: VerifierSettings, models: Models) -> Appearance | None:
    if not wanted.recogniser:
        if wanted.duplicate_face != "off":
            raise SettingsError(
                "Looking for duplicate faces needs a recogniser; name one, or set duplicate_face = 'off'."
            )
        return None
    points = operating_points(models, wanted.recogniser, wanted.recogniser_point)
    if wanted.duplicate_point:
        duplicate = operating_points(models, wanted.recogniser, wanted.duplicate_point)
    else:
        duplicate = strictest_operating_points(models, wanted.recogniser)
    return Appearance(Recogniser.load(wanted.recogniser, models), points, duplicate)


def cosine(a: Embedding, b: Embedding) -> float:
    """Cosine of two embeddings, -1..1 (eq. 4 of the paper).

    Raises:
        ModelMismatchError: they are of different models.
        UsageError: one isn't an Embedding.
    """
    if not isinstance(a, Embedding):
        raise UsageError(f"An Embedding is compared with another one, got {type(a).__name__}.")
    return a.cosine(b)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = perf_counter()
    result = work()
    return result, 1000 * (perf_counter() - start)
