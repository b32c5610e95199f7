"""The figures of one condition: who is refused, who is rejected, who passes for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from facemotion.bench.conditions import CONDITIONS, TIGHT, Condition, arrange
from facemotion.bench.seen_clips import SeenClip
from facemotion.errors import DataError, EvidenceError, FacemotionError
from facemotion.evaluation.bootstrap import Interval, bootstrap
from facemotion.evaluation.measures import Curve, curve, equal_error_rate
from facemotion.evaluation.trials import matrix_trials, template_trials
from facemotion.frontend import Frontend
from facemotion.frontend.sighting import check_take
from facemotion.signals import dtw_scores, resample
from facemotion.thresholds import for_takes
from facemotion.types import IMPOSTOR_KINDS, ClipRecord, FeatureSequence, FloatArray, ScoredTrials, TrialKind
from facemotion.verifier import Verifier

ENROLLED = (1, 3)
"""Takes of the templates that probes are compared with."""
SAME_MOTION = "other person, same motion"
"""Impostor trials of two people whose motions have one name, neither of them a mimic."""
KINDS = (TrialKind.SAME_PERSON.value, TrialKind.OTHER_PERSON.value, SAME_MOTION)
"""Kinds of impostor that clips without attacks can be of."""
ATTACKS = tuple(kind.value for kind in IMPOSTOR_KINDS if kind.value not in KINDS)
"""Kinds of impostor that need mimics or near misses among the clips."""


@dataclass(frozen=True)
class Share:
    """How many of some trials went wrong.

    Attributes:
        wrong: of them.
        trials: all of them, at least 1.
    """

    wrong: int
    trials: int

    @property
    def rate(self) -> float:
        """0..1."""
        return self.wrong / self.trials

    @classmethod
    def of(cls, wrong: NDArray[np.bool_]) -> Share:
        """Of trials (N,), whether each went wrong."""
        return cls(int(wrong.sum()), len(wrong))


@dataclass(frozen=True)
class Kept:
    """How near the vector of a clip stays to that of the same clip, tight.

    Attributes:
        median: cosine of both, over the clips that passed both ways.
        lowest_tenth: the cosine below which a tenth of them lies.
        lost: clips whose cosine is below the threshold of one take.
    """

    median: float
    lowest_tenth: float
    lost: Share

    @classmethod
    def between(cls, tight: Passed, other: Passed, threshold: float) -> Kept | None:
        """Of the clips that passed both ways; None where none did."""
        first = {digest: row for row, digest in enumerate(tight.digests)}
        pairs = [(first[digest], row) for row, digest in enumerate(other.digests) if digest in first]
        if not pairs:
            return None
        ones, others = np.array(pairs).T
        cosines = (tight.vectors[ones] * other.vectors[others]).sum(axis=1)
        lost = Share.of(cosines < threshold)
        return cls(float(np.median(cosines)), float(np.percentile(cosines, 10)), lost)


@dataclass(frozen=True)
class ConditionFigures:
    """What clips give under one condition.

    Attributes:
        condition: its name.
        marked: whether it is one of recordings with a marked motion alone.
        clips: number of clips that it could be made of.
        refused: of those, clips that a guard refused, by the name of the error.
        subjects: number of people whose clips passed.
        eer: with its interval over people, or over motions where the clips are one person's.
        warping: EER of time warping over the same features of the same clips, nothing learned.
        fnmr: genuine trials rejected at the operating point, by the number of takes of the templates.
        fmr: impostor trials accepted at it by templates of one take, by kind of impostor.
        kept: how near the vectors stay to those of the tight clips; None where no clip passed both ways.
        missing: figures that these clips can't give, each with the reason.
    """

    condition: str = ""
    marked: bool = False
    clips: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    subjects: int = 0
    eer: Interval | None = None
    warping: float | None = None
    fnmr: dict[int, Share] = field(default_factory=dict)
    fmr: dict[str, Share] = field(default_factory=dict)
    kept: Kept | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """EER over that of time warping: below 1 the encoder is the better one. None where either is missing, or 0."""
        return self.eer.value / self.warping if self.eer is not None and self.warping else None


@dataclass(frozen=True, eq=False)
class Passed:
    """The clips that passed every check under one condition, N of them.

    Attributes:
        records: their labels.
        takes: their features.
        vectors: (N, E) float32, rows of norm 1.
        digests: SHA-256 of the clips' bytes.
        refused: clips that didn't pass, by the name of the error.
    """

    records: list[ClipRecord]
    takes: list[FeatureSequence]
    vectors: FloatArray
    digests: list[str]
    refused: dict[str, int]


def measure_conditions(
    seen: Sequence[SeenClip],
    verifier: Verifier,
    conditions: Sequence[Condition] = CONDITIONS,
    *,
    warping: bool = True,
    replicates: int = 1000,
) -> Iterator[ConditionFigures]:
    """The figures of each condition, in order.

    Args:
        seen: the clips; those that couldn't be read are passed over.
        verifier: whose front end, encoder and operating point decide.
        conditions: to be measured.
        warping: whether time warping is measured too; its time grows with the square of the number of clips.
        replicates: draws of the bootstrap.
    """
    tight = pass_clips(seen, verifier, TIGHT)
    for condition in conditions:
        passed = tight if condition == TIGHT else pass_clips(seen, verifier, condition)
        yield replace(
            _measure(passed, verifier, warping, replicates),
            condition=condition.name,
            marked=condition.recorded,
            clips=len(passed.records) + sum(passed.refused.values()),
            refused=passed.refused,
            subjects=len({record.subject for record in passed.records}),
            kept=Kept.between(tight, passed, verifier.point.threshold),
        )


def pass_clips(seen: Sequence[SeenClip], verifier: Verifier, condition: Condition) -> Passed:
    """Show every clip under a condition, hold it to the checks of a user's clip, and encode it."""
    records, takes, digests, refused = list[ClipRecord](), list[FeatureSequence](), list[str](), Counter[str]()
    for clip in seen:
        try:
            features = judge(clip, verifier.frontend, condition)
        except FacemotionError as error:
            refused[type(error).__name__] += 1
        else:
            if features is not None:
                records.append(clip.record)
                takes.append(features)
                digests.append(clip.digest)
    vectors = np.array([verifier.encoder(take).vector for take in takes], np.float32)
    return Passed(records, takes, vectors, digests, dict(refused))


def judge(clip: SeenClip, frontend: Frontend, condition: Condition) -> FeatureSequence | None:
    """The features of a clip as a condition shows it, once it passed every check of a user's clip.

    Returns:
        None where the clip couldn't be read, or the condition is none for it.
    Raises:
        AcquisitionError and its kinds, MediaLimitError: the clip is refused.
    """
    if clip.sighting is None:
        return None
    seed = int(clip.digest[:8], 16)
    shown = arrange(clip.sighting, clip.record.span, condition, frontend.settings.media, seed)
    return None if shown is None else check_take(shown, frontend.extractor, frontend.settings).features


def _measure(passed: Passed, verifier: Verifier, warping: bool, replicates: int) -> ConditionFigures:
    """What trials between the clips that passed give; who was refused is the caller's."""
    records, vectors = passed.records, passed.vectors
    if len(records) < 2:
        return ConditionFigures(missing={"figures": f"{len(records)} of the clips passed, and a trial needs two"})
    trials = template_trials(vectors, records, 1)
    eer, warped, fnmr, missing = None, None, dict[int, Share](), dict[str, str]()
    try:
        eer = bootstrap(trials, _eer, replicates)
        if warping:
            sequences = [resample(take.values, take.times) for take in passed.takes]
            warped = _eer(curve(matrix_trials(dtw_scores(sequences), records)))
    except EvidenceError as error:
        missing["EER"] = str(error)
    for count in ENROLLED:
        name = f"FNMR with {count} take{'s' if count > 1 else ''}"
        try:
            tried = trials if count == 1 else template_trials(vectors, records, count)
        except DataError as error:
            missing[name] = str(error)
            continue
        scores = tried.scores[tried.labels]
        if len(scores):
            fnmr[count] = Share.of(scores < for_takes(verifier.operating_points, count).threshold)
        else:
            missing[name] = "No motion has two takes that passed."
    kinds, accepted = impostor_kinds(trials, records), trials.scores >= verifier.operating_points[0].threshold
    fmr = {kind: Share.of(accepted[kinds == kind]) for kind in (*KINDS, *ATTACKS) if (kinds == kind).any()}
    missing |= {f"FMR, {kind}": "No two clips that passed are such a trial." for kind in KINDS if kind not in fmr}
    return ConditionFigures(eer=eer, warping=warped, fnmr=fnmr, fmr=fmr, missing=missing)


def impostor_kinds(trials: ScoredTrials, records: Sequence[ClipRecord]) -> NDArray[np.str_]:
    """(N,) the kind of every trial in words: that of `TrialKind`, or SAME_MOTION.

    Args:
        trials: of all the records.
        records: in whose order subjects and motions are numbered.
    """
    names = np.array([motion for _, motion in dict.fromkeys((r.subject, r.motion) for r in records)])
    kinds = np.array([TrialKind.GENUINE.value, *(kind.value for kind in IMPOSTOR_KINDS), SAME_MOTION])[trials.kinds]
    one_name = names[trials.motions[:, 0]] == names[trials.motions[:, 1]]
    kinds[one_name & (trials.kinds == TrialKind.OTHER_PERSON.code)] = SAME_MOTION
    return kinds


def _eer(accepted: Curve) -> float:
    return equal_error_rate(accepted)[0]
