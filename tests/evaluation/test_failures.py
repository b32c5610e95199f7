import numpy as np

from facemotion.errors import UnreadableMediaError
from facemotion.evaluation.failure_page import failure_page
from facemotion.evaluation.failures import count_categories, count_outcome, find_failures, worst
from facemotion.evaluation.trials import score_pairs
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

LENGTH = 60


def clip(shape: np.ndarray, start: int = 20, stop: int = 40, size: float = 1.0) -> FeatureSequence:
    values = 0.002 * np.random.default_rng(start).normal(size=(LENGTH, 2))
    values[start:stop] += size * shape[np.linspace(0, len(shape) - 1, stop - start).astype(int)]
    return FeatureSequence(values.astype(np.float32), np.arange(LENGTH) / 25, "front")


BUMP = np.sin(np.linspace(0, np.pi, 40))[:, None] * [1.0, 0.5]
RISE = np.sin(np.linspace(0, np.pi / 2, 40))[:, None] * [1.0, 0.5]
ZIGZAG = np.sin(np.linspace(0, 4 * np.pi, 40))[:, None] * [1.0, -1.0]


def explain(first: FeatureSequence, second: FeatureSequence, same: bool, kind: ClipKind = ClipKind.FACIAL) -> str:
    near = "m" if kind == ClipKind.NEAR_MISS else ""
    other = "m" if same else "m~near" if near else "n"
    records = [
        ClipRecord("a", "ann", "m", ClipKind.FACIAL, 0, 1),
        ClipRecord("b", "ann", other, kind, 1, 1, near_miss_of=near),
    ]
    cosine = 0.1 if same else 0.9
    vectors = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    (failure,) = find_failures(vectors, records, [first, second], 0.5)
    assert failure.accepted is not same
    return failure.category


def test_each_category_is_told_by_its_cue() -> None:
    whole = clip(BUMP)
    assert explain(clip(BUMP, 25, 33), clip(ZIGZAG, 25, 33), same=False) == "flash motions"
    assert explain(clip(BUMP, 5, 55), clip(ZIGZAG, 5, 55), same=False, kind=ClipKind.NEAR_MISS) == "near miss or mimic"
    assert explain(clip(BUMP, 5, 55), clip(ZIGZAG, 5, 55), same=False, kind=ClipKind.MIMIC) == "other false accept"
    assert explain(clip(BUMP, 5, 55), clip(ZIGZAG, 5, 55), same=False) == "other false accept"
    assert explain(clip(BUMP, 5, 55), clip(BUMP, 7, 57), same=False) == "alike motions"
    assert explain(whole, clip(RISE, 40, 60), same=True) == "other ending"
    assert explain(whole, clip(BUMP, size=2), same=True) == "other intensity"
    assert explain(clip(BUMP, 5, 55), clip(ZIGZAG, 5, 55, 0.8), same=True) == "inconsistent repetition"
    assert explain(whole, clip(BUMP, 18, 38), same=True) == "other false reject"


def test_trials_are_those_of_every_other_command() -> None:
    """Two clips that nobody enrols, near misses or mimics, are no failure of anything."""
    kinds = [kind for kind in (ClipKind.FACIAL, ClipKind.NEAR_MISS, ClipKind.MIMIC) for _ in range(2)]
    motions = ["m", "m", "m~near", "m~other", "n", "k"]
    near = ["", "", "m", "m", "", ""]
    labels = enumerate(zip(motions, kinds, near, strict=True))
    records = [ClipRecord(str(i), "ann", m, k, i, 1, near_miss_of=n) for i, (m, k, n) in labels]
    vectors = np.ones((6, 1), np.float32)
    outcome, trials = count_outcome(vectors, records, 0.5), score_pairs(vectors, records)
    assert (outcome.genuine, outcome.impostor) == (trials.labels.sum(), (~trials.labels).sum()) == (1, 8)
    failures = find_failures(vectors, records, [clip(BUMP, 10 + i) for i in range(6)], 0.5)
    assert len(failures) == outcome.false_accepts == 8
    assert all(0 in (f.first, f.second) or 1 in (f.first, f.second) for f in failures)


def test_pairs_inside_a_person_are_other_trials_than_all_pairs() -> None:
    records = [ClipRecord(f"{who}{i}", who, f"{who}{i // 2}", ClipKind.FACIAL, i, 1) for who in "ab" for i in range(4)]
    vectors, sequences = np.ones((8, 1), np.float32), [clip(BUMP, 10 + i) for i in range(8)]
    within, every = (count_outcome(vectors, records, 0.5, policy) for policy in ("within-subject", "all"))
    assert (within.genuine, within.impostor, every.impostor) == (4, 8, 24)
    failures = find_failures(vectors, records, sequences, 0.5, most=None, policy="within-subject")
    assert len(failures) == 8
    assert {records[f.first].subject == records[f.second].subject for f in failures} == {True}
    assert worst(failures, 3) == failures[:3]


def test_the_worst_come_first_and_right_decisions_not_at_all() -> None:
    rng = np.random.default_rng(0)
    records = [ClipRecord(str(i), "ann", f"m{i % 3}", ClipKind.FACIAL, i // 3, 1) for i in range(12)]
    vectors = rng.normal(size=(12, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    failures = find_failures(vectors, records, [clip(BUMP, 10 + i) for i in range(12)], 0.2, most=5)
    accepts = [f.score for f in failures if f.accepted]
    rejects = [f.score for f in failures if not f.accepted]
    assert len(accepts) == len(rejects) == 5
    assert accepts == sorted(accepts, reverse=True)
    assert rejects == sorted(rejects)
    assert min(accepts) >= 0.2 > max(rejects)
    for failure in failures:
        same = records[failure.first].motion == records[failure.second].motion
        assert same is not failure.accepted
    assert sum(count_categories(failures).values()) == 10


def test_the_page_shows_both_clips_and_needs_no_other_file() -> None:
    records = [
        ClipRecord("a<b>.mp4", "ann", "m", ClipKind.FACIAL, 0, 1),
        ClipRecord("b.mp4", "ann", "n", ClipKind.FACIAL, 1, 1),
    ]
    sequences = [clip(BUMP, 5, 55), clip(ZIGZAG, 5, 55)]
    failures = find_failures(np.eye(2, dtype=np.float32), records, sequences, -0.5)
    shown: list[str] = []

    def strip(record: ClipRecord) -> list[np.ndarray]:
        shown.append(record.path)
        return [np.full((8, 6, 3), 90, np.uint8)] * 4

    outcome = count_outcome(np.eye(2, dtype=np.float32), records, -0.5)
    page = failure_page(
        failures, records, -0.5, outcome, strip, about="run <x> on y.csv.", programs={"m": "wink > pout"}
    )
    assert "<p>run &lt;x&gt; on y.csv.</p>" in page
    assert "ann, m (wink &gt; pout), repetition 0" in page
    assert shown == ["a<b>.mp4", "b.mp4"]
    assert page.count("data:image/jpeg;base64,") == 2
    assert "http" not in page
    assert "a<b>" not in page
    assert "a&lt;b&gt;.mp4" in page
    assert "<td>other false accept<td>1<td>no cue tells why" in page
    assert "<p>1 of 1 impostor trials.</p>" in page
    assert "<p>None of 0 genuine trials.</p>" in page

    counts = {"alike motions": 3, "other false accept": 12}  # of all failures, shown or not
    page = failure_page(failures, records, -0.5, outcome, strip, policy="within-subject", counts=counts)
    assert "Every pair of different clips of one person among 2 is a trial" in page
    assert "<td>alike motions<td>3<td>0<td>time warping" in page
    assert "<td>other false accept<td>12<td>1<td>no cue tells why" in page

    def blind(record: ClipRecord) -> list[np.ndarray]:
        raise UnreadableMediaError(record.path)

    page = failure_page(failures, records, -0.5, outcome, blind)
    assert page.count("No frames") == 2
    assert "<img" not in page


def test_without_failures_the_page_says_so_and_how_to_see_what_came_near() -> None:
    records = [ClipRecord(str(i), "ann", f"m{i // 2}", ClipKind.FACIAL, i % 2, 1) for i in range(4)]
    angles = np.array([0, 0.3, 1.2, 1.6])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    outcome = count_outcome(vectors, records, 0.8)
    assert (outcome.genuine, outcome.impostor, outcome.false_accepts, outcome.false_rejects) == (2, 4, 0, 0)
    page = failure_page([], records, 0.8, outcome, lambda record: [])
    assert "No failures: all 2 genuine and 4 impostor trials were decided rightly at threshold 0.800." in page
    assert "0.621 shows the first false accept, 0.922 the first false reject." in page
    assert "<h2>" not in page
    for threshold, wrong in ((0.621, (1, 0)), (0.922, (0, 1))):
        moved = count_outcome(vectors, records, threshold)
        assert (moved.false_accepts, moved.false_rejects) == wrong
        assert len(find_failures(vectors, records, [clip(BUMP)] * 4, threshold)) == 1
