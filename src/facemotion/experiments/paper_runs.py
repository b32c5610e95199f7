"""The trainings behind the tables: which recipe on which clips, fold by fold, each kept as it ends."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import Manifest
from facemotion.data.splits import Fold, subject_folds
from facemotion.errors import TrainingError
from facemotion.evaluation.controls import last_frame, peak_frame, pooled_vectors, shuffle_frames
from facemotion.experiments.crossval import check_folds
from facemotion.experiments.held_out import HeldOut, read_held_out, write_held_out
from facemotion.experiments.paper_plan import CONTROLS, SPOKEN_TOO, Run, TableSettings, load_clips
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.nets.sequence_encoder import SequenceEncoder
from facemotion.signals import dtw_scores, resample
from facemotion.synth.points.simulate import SimulationSettings, simulation_version
from facemotion.system.files import file_sha256
from facemotion.system.processes import Workers, name_killed, run_tasks
from facemotion.training.encoder.material.dataset import TrainingSource, digest_records
from facemotion.training.encoder.material.sources import (
    check_simulation,
    join_sources,
    load_people_response,
    load_simulated,
    refuse_fitted,
)
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.together import Training, can_be_stacked, train_together
from facemotion.training.encoder.train import check_encoder, embed, train_encoder
from facemotion.training.encoder.watch import read_looks
from facemotion.training.run_folder import RunFolder
from facemotion.types import ClipKind, ClipRecord, FeatureSequence, FloatArray


@dataclass(frozen=True)
class Together:
    """How the folds of a run are trained.

    Attributes:
        folds: in one loop, each with its own network; 0: all of a run.
        device: where to train, one of `training.encoder.train.DEVICES`.
        told: called with the new number of folds where memory is missing for as many.
    """

    folds: int = 1
    device: str = "auto"
    told: Callable[[int], None] | None = None


ONE_BY_ONE = Together()


def check_features(settings: TableSettings, models: Models, manifest: Manifest, runs: Sequence[Run]) -> None:
    """See that every run can be trained and measured, before any is.

    Raises:
        DataError: a clip wasn't extracted yet by an extractor, a fold has no pairs of the clips that a row is about, or
            a recipe adds simulated people to features that they don't have.
        TrainingError, SettingsError: a recipe's encoder can't be made over its extractor's features.
    """
    folds = subject_folds(manifest.records, settings.folds, settings.recipe.seed)
    extractors = dict.fromkeys(run.extractor for run in runs)
    dimensions = {name: load_extractor(name, models).dimension for name in extractors}
    for run in runs:
        if run.settings is not None:
            check_simulation(run.settings)
            check_encoder(run.settings, dimensions[run.extractor])
    for extractor in extractors:
        sequences = _read(settings, manifest, _frontend_id(extractor, models), _kinds(runs, extractor))
        acquired = list(sequences)
        for run in runs:
            if run.extractor == extractor and run.settings is not None:
                response = load_people_response(run.settings, _frontend_id(extractor, models))
                refuse_fitted(response, list(sequences.values()))
        left = [Fold(fold.train, fold.test[np.isin(fold.test, acquired)]) for fold in folds]
        tested = {kind for run in runs if run.extractor == extractor for kind in run.tested if kind in SPOKEN_TOO}
        for kind in sorted(tested & {record.kind for record in manifest.records}):
            check_folds(manifest.records, left, kind)


def train_runs(
    settings: TableSettings,
    models: Models,
    runs: Sequence[Run],
    out: Path,
    *,
    jobs: Workers = 1,
    together: Together = ONE_BY_ONE,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[HeldOut]]:
    """Train what isn't there yet, every fold of every run.

    Args:
        settings: the settings of the tables.
        models: the models of the deployment.
        runs: the runs of `plan_runs`.
        out: the folder that keeps a folder per run and fold.
        jobs: trainings side by side, or a cluster; each uses the threads of its recipe.
        together: where folds are trained, and how many in one loop.
        progress: called with the number of folds done and of all.
    Returns:
        Held-out clips of each fold, by the name of the run.
    Raises:
        TrainingError: as in `train_encoder`, or the folder holds runs of other settings.
    """
    size = together.folds or settings.folds
    tasks = [
        (number, tuple(range(first, min(first + size, settings.folds))))
        for number in range(len(runs))
        for first in range(0, settings.folds, size)
    ]
    found: dict[str, list[HeldOut]] = {run.name: [] for run in runs}
    if progress:
        progress(0, len(runs) * settings.folds)
    with name_killed(TrainingError, "trained"):
        results = run_tasks(_load, (settings, models, tuple(runs), out, together), _train_folds, tasks, jobs)
        for (number, _), held_out in zip(tasks, results, strict=True):
            found[runs[number].name] += held_out
            if progress:
                progress(sum(map(len, found.values())), len(runs) * settings.folds)
    return found


def kept_runs(
    settings: TableSettings, models: Models, manifest: Manifest, runs: Sequence[Run], out: Path
) -> dict[str, list[HeldOut]]:
    """Runs that were trained before, every fold of them, by their name.

    Arguments as in `train_runs`, and the manifest of `load_clips`.

    Raises:
        TrainingError: as in `train_runs`.
    """
    worker = _make_worker(settings, models, tuple(runs), out, manifest=manifest)
    found = {}
    for run in runs:
        kept = [worker.kept(run, fold) for fold in range(settings.folds)]
        if all(kept):
            found[run.name] = [own for own in kept if own]
    return found


def kept_row(row: Path, models: Models, manifest: Manifest) -> tuple[TrainingSettings, list[HeldOut]]:
    """One row of the tables, as its folder keeps it: the settings of its first fold, and all folds.

    Args:
        row: folder of the row, in `runs` of the folder of the tables.
        models: the models of the deployment.
        manifest: of the clips that it was measured on.
    Raises:
        TrainingError: a fold hasn't ended, or is of other settings or clips; nothing was trained.
        SettingsError: there is no such row.
    """
    row = row.resolve()  # "." has a name and parents, too
    folds = len(list(row.glob("fold-*")))
    if (row / "fold-0").is_dir() and not (row / "fold-0" / "config.toml").exists():
        raise TrainingError(f"Nothing is trained in {row}, so it has no embeddings; choose another row.")
    settings = RunFolder(row / "fold-0").read_settings(TrainingSettings)
    run = Run(row.name, settings.sources[0].kinds, settings.extractor, settings)
    worker = _make_worker(
        TableSettings(folds=folds, recipe=settings), models, (run,), row.parents[1], manifest=manifest
    )
    kept = [worker.kept(run, fold) for fold in range(folds)]
    ended = [own for own in kept if own]
    if len(ended) < folds:
        raise TrainingError(f"{len(ended)} of {folds} folds of {row} have ended; let `facemotion tables` go on first.")
    return settings, ended


@dataclass
class _Worker:
    """What a process that trains folds has open: one extractor's features at a time, and the last simulated people."""

    settings: TableSettings
    models: Models
    runs: tuple[Run, ...]
    out: Path
    manifest: Manifest
    folds: list[Fold]
    together: Together = ONE_BY_ONE
    extractor: str = ""
    sequences: dict[int, FeatureSequence] = field(default_factory=dict)
    simulation: SimulationSettings | None = None
    simulated: list[TrainingSource] = field(default_factory=list)
    digest: str = ""  # of records and clips, once it was asked for

    def folder(self, run: Run, fold: int) -> RunFolder:
        return RunFolder(self.out / "runs" / run.name / f"fold-{fold}")

    def fold_settings(self, run: Run, fold: int) -> TrainingSettings | None:
        return dataclasses.replace(run.settings, seed=run.settings.seed + fold) if run.settings else None

    def clips(self, run: Run, fold: int) -> str:
        """Digest of the manifest, the bytes of its clips, what sees them, and what is held out."""
        if not self.digest:
            files = [file_sha256(self.manifest.file(record)) for record in self.manifest.records]
            self.digest = f"{digest_records(self.manifest.records)} {json.dumps(files)}"
        held = json.dumps(self.folds[fold].test.tolist())
        told = f"{self.digest} {_frontend_id(run.extractor, self.models)} {held}"
        if run.settings is not None and run.settings.simulation is not None:
            told += f" {simulation_version(run.settings.simulation)}"
        return hashlib.sha256(told.encode()).hexdigest()

    def kept(self, run: Run, fold: int) -> HeldOut | None:
        return read_held_out(self.folder(run, fold), self.fold_settings(run, fold), self.clips(run, fold))

    def open(self, run: Run) -> None:
        if self.extractor != run.extractor:
            kinds = _kinds(self.runs, run.extractor)
            self.sequences = _read(self.settings, self.manifest, _frontend_id(run.extractor, self.models), kinds)
            self.extractor = run.extractor
        if run.settings is not None and self.simulation != run.settings.simulation:
            frontend_id = _frontend_id(run.extractor, self.models)
            response = load_people_response(run.settings, frontend_id)
            self.simulated = load_simulated(run.settings, response, frontend_id)
            self.simulation = run.settings.simulation


def _load(settings: TableSettings, models: Models, runs: tuple[Run, ...], out: Path, together: Together) -> _Worker:
    return _make_worker(settings, models, runs, out, manifest=load_clips(settings), together=together)


def _make_worker(
    settings: TableSettings,
    models: Models,
    runs: tuple[Run, ...],
    out: Path,
    *,
    manifest: Manifest,
    together: Together = ONE_BY_ONE,
) -> _Worker:
    folds = subject_folds(manifest.records, settings.folds, settings.recipe.seed)
    return _Worker(settings, models, runs, out, manifest, folds, together)


def _train_folds(worker: _Worker, number: int, folds: tuple[int, ...]) -> list[HeldOut]:
    """Some folds of a run, in one loop if they can be stacked."""
    run = worker.runs[number]
    kept = {fold: own for fold in folds if (own := worker.kept(run, fold)) is not None}
    missing = [fold for fold in folds if fold not in kept]
    if missing:
        worker.open(run)
    device = worker.together.device
    if run.settings is None or len(missing) == 1 or not can_be_stacked(run.settings):
        for fold in missing:
            net = None
            if run.settings is not None:
                one = _training(worker, run, fold)
                net = train_encoder(one.settings, one.data, one.run, device=device)
            kept[fold] = _finish(worker, run, fold, net)
    elif missing:
        trainings = [_training(worker, run, fold) for fold in missing]
        nets = train_together(trainings, device, fewer=worker.together.told)
        kept |= {fold: _finish(worker, run, fold, net) for fold, net in zip(missing, nets, strict=True)}
    return [kept[fold] for fold in folds]


def _training(worker: _Worker, run: Run, fold: int) -> Training:
    """What a fold is trained on, and how."""
    own = worker.fold_settings(run, fold)
    if own is None:
        raise TrainingError(f"Nothing is trained in {run.name}.")
    records, sequences = worker.manifest.records, worker.sequences
    chosen = [i for i in worker.folds[fold].train if records[i].kind in run.kinds and i in sequences]
    source = TrainingSource([records[i] for i in chosen], [sequences[i] for i in chosen], own.sources[0].batch)
    # Two recipes may have the same simulated people and other batches of them.
    simulated = [dataclasses.replace(people, batch=own.simulation_batch) for people in worker.simulated]
    return Training(own, join_sources([source, *simulated], own), worker.folder(run, fold))


def _finish(worker: _Worker, run: Run, fold: int, net: SequenceEncoder | None) -> HeldOut:
    """Embed the clips that a fold holds out, and keep what became of it."""
    folder, records, sequences = worker.folder(run, fold), worker.manifest.records, worker.sequences
    held = _held_out(records, worker.folds[fold])
    places = np.array([i for i in held if i in sequences and records[i].kind in run.tested], np.int64)
    clips = [sequences[i] for i in places]
    vectors: dict[str, FloatArray] = {}
    scores: FloatArray | None = None
    looks: tuple[tuple[int, float], ...] = ()
    if net is None:
        scores = _dtw_within(clips, [records[i].subject for i in places])
    else:
        vectors, looks = {"": embed(net, clips)}, tuple(read_looks(folder))
        if run.controls:
            shuffled = [shuffle_frames(clip, np.random.default_rng(i)) for i, clip in enumerate(clips)]
            changed = (shuffled, [last_frame(clip) for clip in clips], [peak_frame(clip) for clip in clips])
            vectors |= {name: embed(net, robbed) for name, robbed in zip(CONTROLS, changed, strict=True)}
            train = [sequences[i] for i in worker.folds[fold].train if records[i].kind in run.kinds and i in sequences]
            for how in ("maximum", "mean"):
                vectors[f"{how} of features"] = pooled_vectors(clips, train, how)
    held_out = HeldOut(places, vectors, scores, looks, folder.cost)
    write_held_out(folder, held_out, worker.clips(run, fold))
    # At the paper's size a hundred megabytes a fold; the vectors are what the tables are made of.
    (folder.path / "checkpoint.safetensors").unlink(missing_ok=True)
    return held_out


def _held_out(records: Sequence[ClipRecord], fold: Fold) -> list[int]:
    """Clips of the fold's subjects, but their mimicry of others: instead, that of their own motions by anybody."""
    subjects = {records[i].subject for i in fold.test}
    owned = {r.motion for r in records if r.kind != ClipKind.MIMIC and r.subject in subjects}
    return [
        i for i, r in enumerate(records) if (r.original in owned if r.kind == ClipKind.MIMIC else r.subject in subjects)
    ]


def _kinds(runs: Sequence[Run], extractor: str) -> set[str]:
    return {kind for run in runs if run.extractor == extractor for kind in (*run.kinds, *run.tested)}


@functools.cache  # it takes a network's file, and is asked for once a fold
def _frontend_id(extractor: str, models: Models) -> str:
    return load_extractor(extractor, models).frontend_id


def _read(
    settings: TableSettings, manifest: Manifest, frontend_id: str, kinds: Iterable[str]
) -> dict[int, FeatureSequence]:
    cache = FeatureCache(Path(settings.recipe.features), frontend_id)
    acquired, sequences = read_features(cache, manifest.select(kinds=kinds))
    place = {record: i for i, record in enumerate(manifest.records)}
    return {place[record]: own for record, own in zip(acquired.records, sequences, strict=True)}


def _dtw_within(clips: Sequence[FeatureSequence], subjects: Sequence[str]) -> FloatArray:
    """(M, M) scores of clips of one person; NaN where two people would be compared, which takes too long."""
    scores = np.full((len(clips), len(clips)), np.nan, np.float32)
    for subject in dict.fromkeys(subjects):
        own = [i for i, name in enumerate(subjects) if name == subject]
        scores[np.ix_(own, own)] = dtw_scores([resample(clips[i].values, clips[i].times) for i in own])
    return scores
