"""What more enrolment takes gain: templates of one take, of two, and so on, are compared with the same probes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facemotion.types import ClipKind, ClipRecord, FloatArray, ScoredTrials, TrialKind


def enrolment_trials(
    vectors: FloatArray,
    records: Sequence[ClipRecord],
    most: int = 5,
    among: Sequence[ClipRecord] | None = None,
    kind: ClipKind = ClipKind.FACIAL,
) -> list[ScoredTrials]:
    """Probes against templates of 1, 2, ... enrolment takes; the score is the mean cosine, as the verifier's.

    Every motion is enrolled by its first takes. Its later takes are genuine probes. Later takes of its
    owner's other motions are impostor probes: right person, wrong secret. The probes are the same for every number of
    takes.

    Args:
        vectors: (N, E) float32, rows of norm 1.
        records: labels of the N clips.
        most: most enrolment takes tried. Some motion must have one take more, which is left as a probe; otherwise fewer
            are tried. Motions with fewer takes are left out.
        among: as in `score_pairs`.
        kind: kind of the motions that are enrolled and probed.
    Returns:
        Trials for 1, 2, ... takes; none where no motion has two. Sides are the motion enrolled and the motion probed.
    """
    among = records if among is None else among
    groups: dict[tuple[str, str], list[int]] = {}
    for i in sorted(range(len(records)), key=lambda i: records[i].repetition):
        if records[i].kind == kind:
            groups.setdefault((records[i].subject, records[i].motion), []).append(i)
    most = min(most, max((len(clips) - 1 for clips in groups.values()), default=0))
    groups = {name: clips for name, clips in groups.items() if len(clips) > most}
    subjects = {name: i for i, name in enumerate(dict.fromkeys(r.subject for r in among))}
    motions = {name: i for i, name in enumerate(dict.fromkeys((r.subject, r.motion) for r in among))}
    trials = []
    for takes in range(1, most + 1):
        scores, labels, sides, names = [], [], [], []
        for name, enrolled in groups.items():
            for other, probes in groups.items():
                if other[0] != name[0]:
                    continue
                cosines = vectors[probes[most:]] @ vectors[enrolled[:takes]].T
                scores.append(cosines.mean(axis=1))
                labels += [name == other] * len(cosines)
                sides += [[subjects[name[0]]] * 2] * len(cosines)
                names += [[motions[name], motions[other]]] * len(cosines)
        kinds = np.where(labels, TrialKind.GENUINE.code, TrialKind.SAME_PERSON.code).astype(np.uint8)
        trials.append(
            ScoredTrials(
                np.concatenate(scores).astype(np.float32),
                kinds == TrialKind.GENUINE.code,
                kinds,
                np.array(sides, np.int32),
                np.array(names, np.int32),
            )
        )
    return trials
