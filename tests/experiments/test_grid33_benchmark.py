"""The trials of benchmarks/grid33.py on vectors whose answers are known."""

from __future__ import annotations

import argparse

import grid33
import grid33_page
import grid33_trials
import numpy as np
import pytest
from tests.data.series.samples import mouth, write_speaker

from facemotion.errors import SharedSubjectError
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

PHRASES = [f"{a}_{b}_{c}" for a in ("bin", "lay") for b in ("blue", "red") for c in ("at", "by")]


def records(subjects: int = 3, takes: int = 10) -> list[ClipRecord]:
    return [
        ClipRecord(f"{s}-{m}-{k}", f"s{s}", m, ClipKind.LIP, k, 1)
        for s in range(subjects)
        for m in PHRASES
        for k in range(takes)
    ]


def vectors(clips: list[ClipRecord], by: str) -> np.ndarray:
    """Unit vectors that know the phrase alone, or the speaker too."""
    names = [(c.motion if by == "phrase" else c.subject + c.motion) for c in clips]
    return np.eye(len(set(names)), dtype=np.float32)[np.unique(names, return_inverse=True)[1]]


def held_out(clips: list[ClipRecord], groups: np.ndarray | None = None) -> grid33_trials.Tested:
    return grid33_trials.Tested(clips, [], np.zeros(len(clips)) if groups is None else groups)


def test_the_protocol_has_the_papers_pairs_and_prevalence():
    clips = records()
    draws = grid33_trials.protocol_trials(vectors(clips, "phrase"), clips)
    assert len(draws) == 5
    for trials in draws:
        assert (int(trials.labels.sum()), len(trials)) == (3 * 5 * 45, 3 * 1225)
        assert (trials.subjects[:, 0] == trials.subjects[:, 1]).all()
        assert average_precision(curve(trials)) == 1


def test_draws_differ_and_depend_on_nobody_else():
    clips = records()
    first, second = ({clips[i].path for i in grid33_trials.draw(clips, number)} for number in (0, 1))
    assert first != second
    alone = [clip for clip in clips if clip.subject == "s1"]
    assert {alone[i].path for i in grid33_trials.draw(alone, 0)} == {path for path in first if path.startswith("1-")}


def test_an_encoder_of_words_alone_is_fooled_by_a_mimic_of_the_words_and_one_of_people_is_not():
    clips = records()
    words = grid33_trials.kind_trials(vectors(clips, "phrase"), held_out(clips))
    people = grid33_trials.kind_trials(vectors(clips, "speaker"), held_out(clips))
    mimic = "other person, same phrase"
    assert equal_error_rate(curve(words[mimic]))[0] == pytest.approx(0.5)
    assert equal_error_rate(curve(people[mimic]))[0] == 0
    assert equal_error_rate(curve(words["same person, other phrase"]))[0] == 0
    assert int((~words[mimic].labels).sum()) == 3 * len(PHRASES) * 16  # pairs of people, 4 x 4 takes


def test_a_near_miss_is_a_phrase_that_shares_two_of_three_words():
    clips = records(subjects=1)
    kinds = grid33_trials.kind_trials(vectors(clips, "phrase"), held_out(clips))
    count = {name: int((~trials.labels).sum()) for name, trials in kinds.items()}
    assert count["same person, two of three words shared"] == 12 * 16
    assert count["same person, one word shared"] == 12 * 16
    assert count["same person, no word shared"] == 4 * 16
    assert count["same person, other phrase"] == 28 * 16


def test_clips_that_two_networks_saw_are_never_compared():
    clips = records(subjects=2)
    groups = np.array([int(clip.subject[1:]) for clip in clips])
    assert "other person, same phrase" not in grid33_trials.kind_trials(
        vectors(clips, "phrase"), held_out(clips, groups)
    )


def test_time_warping_of_a_mimic_finds_the_trials_of_several_people():
    clips = records(subjects=2, takes=2)
    sequences = [
        FeatureSequence(mouth(PHRASES.index(c.motion)).reshape(24, 18).astype(np.float32), np.arange(24) / 25, "f")
        for c in clips
    ]
    found = grid33_trials.warped_mimics(grid33_trials.Tested(clips, sequences, np.zeros(len(clips))))
    assert (int(found.labels.sum()), len(found)) == (2 * len(PHRASES), 6 * len(PHRASES))


@pytest.fixture
def options(tmp_path) -> argparse.Namespace:
    for number, name in enumerate(("s1", "s2", "s3")):
        write_speaker(tmp_path / "train", name, seed=number)
    return argparse.Namespace(data=tmp_path / "train", test=None, folds=3, first=0)


def test_folds_hold_speakers_out_and_train_on_no_end_of_theirs(options):
    splits = grid33.make_splits(options)
    assert len(splits) == 3
    held = [{record.subject for record in split.test.records} for split in splits]
    assert sorted(set.union(*held)) == ["s1", "s2", "s3"]
    for split, people in zip(splits, held, strict=True):
        assert not people & {record.subject for record in (*split.train.records, *split.ends.records)}
        assert split.ends.records


def test_a_test_folder_with_a_known_speaker_is_refused_before_training(options, tmp_path):
    write_speaker(tmp_path / "test", "S2", seed=9)
    options.test = tmp_path / "test"
    with pytest.raises(SharedSubjectError, match="'S2' of the test folder is 's2' of the training folder"):
        grid33.make_splits(options)


def test_a_test_folder_of_others_is_one_split(options, tmp_path):
    write_speaker(tmp_path / "test", "s9", seed=9)
    options.test = tmp_path / "test"
    [split] = grid33.make_splits(options)
    assert {record.subject for record in split.test.records} == {"s9"}
    assert {record.subject for record in split.train.records} == {"s1", "s2", "s3"}


def test_a_run_that_is_cut_off_goes_on_to_the_same_vectors(options, tmp_path):
    split = grid33.make_splits(options)[0]
    settings = grid33.recipe("ours", split, 2)
    with pytest.raises(KeyboardInterrupt):
        grid33.run_recipe("ours", settings, [split], tmp_path / "runs", until=0.0)
    resumed = grid33.run_recipe("ours", settings, [split], tmp_path / "runs", until=np.inf)
    unbroken = grid33.run_recipe("ours", settings, [split], tmp_path / "other", until=np.inf)
    assert sorted(resumed) == ["", "frames shuffled", "last frame", "peak frame"]
    assert np.array_equal(resumed[""], unbroken[""])


def test_the_page_says_which_folds_were_not_run():
    figures = {
        "AP": 0.9, "AP interval": [0.8, 0.95], "AP of each draw": [0.9], "peak F1": 0.8, "EER": 0.1,
        "EER interval": [0.05, 0.2], "prevalence": 0.184, "genuine": 9, "impostor": 40,
        "FNMR at FMR 0.01": 0.25, "FNMR at FMR 0.001": None, "takes": 1,
    }  # fmt: skip
    results = {
        "folds": 10, "folds run": 1, "trained on": [["s2", "s3"]], "tested on": [["s1"]], "clips tested": 49,
        "steps": {"ours": 5}, "protocol": {"ours": figures}, "kinds": {"ours": {"other person": figures}},
        "enrolment": {"ours": [figures]},
    }  # fmt: skip
    text = grid33_page.page(results)
    assert "1 of 10 folds by speaker was run" in text
    assert "| ours (configs/grid33.toml) | other person | 0.100 | 0.050 to 0.200 | 0.900 (0.184) | 0.250 |" in text
    assert "not supported" in text


def test_the_papers_two_losses_are_one_recipe_otherwise(options):
    split = grid33.make_splits(options)[0]
    contrastive, n_pair = (grid33.recipe(name, split, 0) for name in ("paper", "paper-n-pair"))
    assert (contrastive.loss.name, n_pair.loss.name) == ("contrastive", "n-pair")
    assert (contrastive.augmentation.trimming, n_pair.augmentation.trimming) == (1, 0)
    assert contrastive.encoder == n_pair.encoder
    assert contrastive.optimiser == n_pair.optimiser
