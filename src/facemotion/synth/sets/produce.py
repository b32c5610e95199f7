"""Planned clips become files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from facemotion.config import Settings, read_toml, to_toml
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import MANIFEST, write_manifest
from facemotion.errors import AcquisitionError, DataError, MediaLimitError
from facemotion.features import load_extractor
from facemotion.frontend import Acquirer, Frontend
from facemotion.media.write import write_video
from facemotion.models import Models
from facemotion.synth.filming.camera import Camera, Frame
from facemotion.synth.filming.render import Renderer
from facemotion.synth.filming.scene import Session, Shot, film, framing
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import STREAMS, VERSION, PersonBuilder, engine_version, fit_portraits
from facemotion.synth.people.head import HeadModel, load_head
from facemotion.synth.people.person import Person
from facemotion.synth.sets.plan import (
    DatasetSettings,
    Excerpt,
    Performer,
    PlannedClip,
    by_subject,
    clip_random,
    make_performers,
    make_plan,
    perform,
)
from facemotion.synth.sets.truth import Surveyor, Truth
from facemotion.system.files import file_sha256, room_for, write_whole
from facemotion.system.processes import Workers, name_killed, nothing, run_tasks
from facemotion.types import ClipKind

Progress = Callable[[int, int], None]

ENGINE = "# data engine "  # and its version: the first line of settings.toml


class SessionRenderer:
    """Films one person in one session: the head, the camera and the ground truth of its clips."""

    def __init__(self, head: HeadModel, person: Person, session: Session, settings: DatasetSettings) -> None:
        """Set up the scene.

        Args:
            head: the model.
            person: who is filmed.
            session: scene and camera.
            settings: settings of the data set.
        """
        self._head, self._person, self._session, self._settings = head, person, session, settings
        scene = settings.scene
        zoom, _ = framing(person, head, session, scene)
        self._camera = Camera(session, scene.width, scene.height, 0)
        width, height = self._camera.seen
        self._scale = width / scene.width
        self._renderer = Renderer(head, person, width, height, zoom * self._scale)
        self._surveyor = Surveyor(head, person, scene.width, scene.height)

    def shoot(self, clip: PlannedClip, performer: Performer) -> tuple[Shot, Truth]:
        """What each frame of a clip shows, and its ground truth; draws nothing.

        Args:
            clip: the clip.
            performer: who performs it.
        """
        take, moments = perform(self._settings, clip, performer)
        random = clip_random(self._settings, clip, 2)
        shot = film(moments, self._person, self._head, self._session, self._settings.scene, random)
        return shot, self._surveyor.survey(shot, self._session, take.flags)

    def frames(self, shot: Shot, seed: int) -> Iterator[Frame]:
        """The frames of a shot, one at a time, as the camera delivers them.

        Args:
            shot: what each frame shows.
            seed: seed of the sensor's noise.
        """
        scene = self._settings.scene
        camera = Camera(self._session, scene.width, scene.height, seed)
        for state, speed, exposure in zip(shot.states, shot.speed, shot.exposure, strict=True):
            picture = self._renderer.draw(replace(state, zoom=state.zoom * self._scale))
            yield camera.expose(picture, speed, float(exposure))


def sensor_seed(settings: DatasetSettings, clip: PlannedClip) -> int:
    """Seed of the sensor's noise in a clip."""
    return int(clip_random(settings, clip, 3).integers(2**31))


@dataclass(frozen=True)
class ToFeatures:
    """Frames go into a front end in place of a file.

    Attributes:
        folder: the folder of the feature cache.
        inference: the settings of the front end: its extractor, its models, and what counts as a face.
    """

    folder: Path
    inference: Settings

    @property
    def cache(self) -> FeatureCache:
        """The cache for the features of the front end.

        Raises:
            UnknownModelError, MissingModelError, ModelHashError, ModelError: as in `load_extractor`.
        """
        extractor = load_extractor(self.inference.verifier.extractor, Models.of(self.inference.runtime))
        return FeatureCache(self.folder, extractor.frontend_id)


@dataclass(frozen=True)
class Job:
    """The clips of one performer, and where they go."""

    out: Path
    assets: Path
    cache: Path
    settings: DatasetSettings
    clips: tuple[PlannedClip, ...]
    performer: Performer
    video: bool
    features: ToFeatures | None


def produce(
    out: Path,
    assets: Assets,
    cache: Path,
    settings: DatasetSettings,
    *,
    workers: Workers = 1,
    video: bool = True,
    features: ToFeatures | None = None,
    excerpt: Excerpt | None = None,
    progress: Progress | None = None,
) -> int:
    """Make a data set, or continue one that was broken off.

    Writes out/settings.toml, out/manifest.csv, out/motions.csv, and per clip clips/....mp4 and truth/....npz. With
    `features`, frames go straight into a front end: in place of a video each clip is a small recipe
    (clips/....json), and its features lie in the feature cache under the recipe's digest.

    Args:
        out: folder of the data set.
        assets: of the data engine.
        cache: file of fitted portraits, see `cast.fit_portraits`.
        settings: what the data set holds.
        workers: processes, or a cluster.
        video: whether clips are drawn; without, only ground truth is written.
        features: front end that gets the frames in place of videos, if features are wanted.
        excerpt: which clips are made now, and listed in the manifest; all by default.
        progress: called with the number of clips done and the number of all that are missing.
    Returns:
        Number of clips made now; those that were there already, features and all, are not made again.
    Raises:
        DataError: the folder holds a data set of other settings.
        SettingsError: its settings.toml was altered.
        WriteError: it can't be written.
        AssetError: an asset is missing.
    """
    plan = make_plan(settings)
    if excerpt is not None:
        plan = excerpt.of(plan)
    kept = None
    if features is not None:
        plan = [_as_recipe(clip) for clip in plan]
        kept = features.cache
    fit_portraits(assets, cache)
    _claim(out, settings)
    performers = make_performers(settings)
    jobs = []
    for clips in by_subject(plan):
        missing = tuple(clip for clip in clips if not _done(out, clip, video, kept))
        if missing:
            performer = performers[missing[0].record.subject]
            jobs.append(Job(out, assets.folder, cache, settings, missing, performer, video, features))
    todo = sum(len(job.clips) for job in jobs)
    done = 0
    if progress is not None:
        progress(done, todo)
    for made in _run(jobs, workers):
        done += made
        if progress is not None:
            progress(done, todo)
    write_manifest(out / MANIFEST, [clip.record for clip in plan])
    _write_motions(out / "motions.csv", plan)
    return todo


def _run(jobs: list[Job], workers: Workers) -> Iterator[int]:
    if workers == 1 or (isinstance(workers, int) and len(jobs) <= 1):
        for job in jobs:
            yield from _film_all(job)
        return
    with name_killed(DataError, "drew clips"):
        yield from run_tasks(nothing, (), film_job, [(job,) for job in jobs], workers, in_order=False)


def film_job(_nothing: None, job: Job) -> int:
    """Make the clips of one performer; returns how many."""
    return sum(_film_all(job))


def _film_all(job: Job) -> Iterator[int]:
    assets = Assets(job.assets)
    head = load_head(assets)
    person = PersonBuilder(assets, head, fit_portraits(assets, job.cache)).build(job.performer.recruit)
    renderers: dict[int, SessionRenderer] = {}
    frontend = Frontend.load(job.features.inference) if job.features is not None else None
    for clip in job.clips:
        number = clip.record.session
        if number not in renderers:
            renderers[number] = SessionRenderer(head, person, job.performer.sessions[number - 1], job.settings)
        renderer = renderers[number]
        shot, truth = renderer.shoot(clip, job.performer)
        path = job.out / clip.record.path
        with room_for(path):
            for folder in (path.parent, (job.out / clip.truth).parent):
                folder.mkdir(parents=True, exist_ok=True)
        frames = renderer.frames(shot, sensor_seed(job.settings, clip))
        if frontend is not None and job.features is not None:
            # The recipe of a whole clip isn't written again: other caches know the clip by its digest.
            if not ((job.out / clip.truth).exists() and path.exists()):
                with room_for(path):
                    path.write_text(_recipe(job.settings, clip), "utf-8")
            _extract(FeatureCache(job.features.folder, frontend.extractor.frontend_id), frontend, path, frames, shot)
        elif job.video:
            write_video(zip(frames, shot.times, strict=True), path, job.settings.quality)
        truth.save(job.out / clip.truth)  # last: a clip with ground truth is whole
        yield 1


def _done(out: Path, clip: PlannedClip, video: bool, kept: FeatureCache | None) -> bool:
    """Whether a clip is whole: ground truth, what stands for its pictures, and features where they are wanted."""
    path = out / clip.record.path
    if not (out / clip.truth).exists() or (video and not path.exists()):
        return False
    if kept is None:
        return True
    if not path.exists():
        return False
    name = file_sha256(path)
    return kept.read(name) is not None or kept.read_failure(name) is not None


def _as_recipe(clip: PlannedClip) -> PlannedClip:
    return replace(clip, record=replace(clip.record, path=clip.record.path.removesuffix(".mp4") + ".json"))


def _recipe(settings: DatasetSettings, clip: PlannedClip) -> str:
    """All values that the clip follows from. So the recipe's digest stands for its frames, as the digest of a video
    would. Descriptions of settings aren't in it, so they can be reworded."""
    made_by = hashlib.sha256(json.dumps(asdict(settings), sort_keys=True).encode()).hexdigest()
    recipe = {
        "path": clip.record.path,
        "motion": clip.performed,
        "stream": (*clip.stream, *STREAMS[settings.part]),
        "settings": made_by,
        "version": VERSION,
    }
    return json.dumps(recipe) + "\n"


def _extract(cache: FeatureCache, frontend: Frontend, recipe: Path, frames: Iterator[Frame], shot: Shot) -> None:
    session = Acquirer(frontend, attacks=False)
    try:
        for frame, seconds in zip(frames, shot.times, strict=True):
            session.push(frame, float(seconds))
        cache.write(file_sha256(recipe), session.sequence())
    except (AcquisitionError, MediaLimitError) as error:  # a slow performer's take may exceed the longest clip allowed
        cache.write_failure(file_sha256(recipe), error)


def _claim(out: Path, settings: DatasetSettings) -> None:
    path = out / "settings.toml"
    with room_for(out):
        out.mkdir(parents=True, exist_ok=True)
        if path.exists():  # read, not compared as text: what a setting means may be said in other words
            if read_toml(DatasetSettings, path) != settings:
                raise DataError(f"{out} holds a data set of other settings (settings.toml); choose another folder.")
            made_by = path.read_text("utf-8").partition("\n")[0].removeprefix(ENGINE)
            if (made_by if made_by[:1].isdigit() else "1") != engine_version(settings.part):
                raise DataError(f"{out} was made by another version of the data engine; choose another folder.")
            return
        write_whole(path, f"{ENGINE}{engine_version(settings.part)}\n{to_toml(settings)}")


def _write_motions(path: Path, plan: list[PlannedClip]) -> None:
    rows = {}
    for clip in plan:
        if clip.record.kind != ClipKind.MIMIC:
            rows[clip.record.motion] = (clip.record.motion, clip.of, clip.record.kind, clip.performed)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["motion", "subject", "kind", "program"])
    writer.writerows(rows.values())
    with room_for(path):
        write_whole(path, text.getvalue())


def survey(
    assets: Assets, cache: Path, settings: DatasetSettings, progress: Progress | None = None
) -> tuple[list[PlannedClip], list[Truth]]:
    """Ground truth of all clips of a data set, in the order of its manifest, without drawing one.

    Args:
        assets: of the data engine.
        cache: file of fitted portraits, see `cast.fit_portraits`.
        settings: what the data set holds.
        progress: called with the number of clips done and the number of all.
    Raises:
        AssetError: an asset is missing.
    """
    plan = make_plan(settings)
    performers = make_performers(settings)
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, cache))
    truths: dict[str, Truth] = {}
    for clips in by_subject(plan):
        performer = performers[clips[0].record.subject]
        person = builder.build(performer.recruit)
        renderers = [SessionRenderer(head, person, session, settings) for session in performer.sessions]
        for clip in clips:
            truths[clip.record.path] = renderers[clip.record.session - 1].shoot(clip, performer)[1]
            if progress is not None:
                progress(len(truths), len(plan))
    return plan, [truths[clip.record.path] for clip in plan]


def landmark_arrays(plan: list[PlannedClip], truths: list[Truth]) -> dict[str, np.ndarray]:
    """Ground truth of many clips as flat arrays, for training on landmarks alone.

    Args:
        plan: C clips.
        truths: their ground truth, in the same order.
    Returns:
        landmarks (N, 68, 2) float32 pixels and times (N,) float64 of all frames, one clip after the other; start
        (C + 1,) int64, first frame of each clip; subject, motion, kind (C,) text; repetition, session (C,) int64.
    """
    records = [clip.record for clip in plan]
    return {
        "landmarks": np.concatenate([truth.landmarks for truth in truths]),
        "times": np.concatenate([truth.times for truth in truths]),
        "start": np.cumsum([0] + [len(truth.times) for truth in truths]),
        "subject": np.array([record.subject for record in records]),
        "motion": np.array([record.motion for record in records]),
        "kind": np.array([record.kind for record in records]),
        "repetition": np.array([record.repetition for record in records]),
        "session": np.array([record.session for record in records]),
    }
