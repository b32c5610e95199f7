"""`facemotion synth ...`: simulated people performing facial motions (extra: synth)."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facemotion.cli.synth_assets import build, clay_folder
from facemotion.cli.terminal.console import ClusterOption, JsonOption, print_json
from facemotion.cli.terminal.progress import Progress
from facemotion.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from facemotion.synth.people.assets import Assets
    from facemotion.synth.people.cast import PersonBuilder
    from facemotion.synth.sets.contact_sheets import Preview
    from facemotion.synth.sets.plan import DatasetSettings

AssetsOption = Annotated[
    Path | None,
    typer.Option("--assets", help="Folder of head model, portraits and priors; default: $FACEMOTION_ASSETS."),
]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="File of fitted portraits; default: in the user's cache folder.")
]
SettingsOption = Annotated[Path | None, typer.Option("--settings", help="Settings of the data set (TOML).")]
SizeOption = Annotated[str | None, typer.Option("--size", help="Width x height of the frames, such as 224x224.")]
JobsOption = Annotated[int, typer.Option(help="Processes.", min=1, max=256)]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of everything.")]
PartOption = Annotated[
    str | None, typer.Option("--part", help="Whose portraits and motions: train, validation or benchmark.")
]

group = typer.Typer(help="Simulated people performing facial motions, with ground truth.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group.command(name="assets")(build)
    app.add_typer(group, name="synth")


@group.callback()
def _extra() -> None:
    """Simulated people performing facial motions, with ground truth."""
    for module in ("numba", "scipy"):  # before any command imports what needs them
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError("The data engine needs an extra: pip install '.[synth]' in the clone.")


@group.command()
def fit(assets: AssetsOption = None, cache: CacheOption = None, json: JsonOption = False) -> None:
    """Fit the head to all portraits and keep the fits; the other commands do so on first use."""
    found, file = _places(assets, cache)
    fits = _fits(found, file, quiet=json)
    from facemotion.synth.people.cast import parents

    used = {name for names in parents().values() for name in names}
    unused = {
        name: {"yaw_degrees": round(item.yaw, 1), "error_percent": round(item.error, 2)}
        for name, item in fits.items()
        if name not in used
    }
    errors = sorted(item.error for item in fits.values())
    median = round(errors[len(errors) // 2], 3)
    answer = {"portraits": len(fits), "median_error_percent": median, "unused": unused, "cache": str(file)}
    said = "".join(f"\n{n}: {u['yaw_degrees']} degrees, {u['error_percent']}%" for n, u in unused.items())
    said = f" {len(unused)} of them are nobody's parents (turned by, error of the fit):{said}" if unused else ""
    _answer(json, answer, f"{len(fits)} portraits are fitted (median error {median}%) in {file}.{said}")


@group.command()
def preview(
    motion: Annotated[str, typer.Argument(help="A motion program or words of the dictionary, in quotes.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the contact sheet and the video.")] = Path("preview"),
    person: Annotated[int, typer.Option(help="Number of the person, from 1.", min=1)] = 1,
    takes: Annotated[int, typer.Option(help="Takes, one row of the sheet each.", min=1, max=20)] = 3,
    part: PartOption = None,
    size: SizeOption = None,
    seed: SeedOption = None,
    clay: Annotated[bool, typer.Option("--clay", help="Film a person of clay, who needs no assets.")] = False,
    assets: AssetsOption = None,
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Film one person performing one motion: a contact sheet of several takes and a short mp4 of the first."""
    import numpy as np

    from facemotion.media.write import write_video
    from facemotion.synth.sets.contact_sheets import as_motion, save_picture, strip
    from facemotion.system.files import room_for

    as_motion(motion)
    if clay:
        assets = clay_folder(quiet=json)
    view = _preview(assets, cache, size, seed or 0, quiet=json)
    recruit = view.recruits(person, part or "benchmark")[-1]
    figure = view.person(recruit)
    rows = []
    for take in range(takes):
        frames, shot, _ = view.clip(figure, recruit, motion, view.session(take), take)
        rows.append(strip(frames, 8))
        if take == 0:
            with room_for(out):
                out.mkdir(parents=True, exist_ok=True)
            write_video(zip(frames, shot.times, strict=True), out / "preview.mp4")
    save_picture(np.concatenate(rows, axis=0), out / "preview.png")
    _answer(
        json, {"sheet": str(out / "preview.png"), "video": str(out / "preview.mp4")}, f"See {out}/preview.png and .mp4."
    )


@group.command()
def dataset(
    out: Annotated[Path, typer.Argument(help="Folder to make, or to continue.")],
    *,
    benchmark: Annotated[
        int | None,
        typer.Option("--synth-59", help="Make this version of Synth-59; other options on its clips are ignored."),
    ] = None,
    subjects: Annotated[int | None, typer.Option(help="People.")] = None,
    motions: Annotated[int | None, typer.Option(help="Facial motions per person.")] = None,
    lips: Annotated[int | None, typer.Option(help="Lip movements per person.")] = None,
    takes: Annotated[int | None, typer.Option(help="Takes per motion.")] = None,
    sessions: Annotated[int | None, typer.Option(help="Recording sessions.")] = None,
    near_misses: Annotated[int | None, typer.Option(help="Motions per person that get a near miss.")] = None,
    reorders: Annotated[
        int | None, typer.Option(help="Motions per person that get a near miss of the same steps in another order.")
    ] = None,
    mimics: Annotated[int | None, typer.Option(help="Motions per person that another person mimics.")] = None,
    impostor_takes: Annotated[int | None, typer.Option(help="Takes per near miss and mimic.")] = None,
    most_takes: Annotated[
        int | None,
        typer.Option(
            help="Make only this number of takes of each motion, spread evenly; another run makes the rest.", min=1
        ),
    ] = None,
    most_people: Annotated[
        int | None, typer.Option(help="Make only the clips of the first N people now.", min=1)
    ] = None,
    only_kind: Annotated[list[str] | None, typer.Option(help="Make only clips of this kind now.")] = None,
    only_session: Annotated[list[int] | None, typer.Option(help="Make only clips of this session now.", min=1)] = None,
    part: PartOption = None,
    size: SizeOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
    video: Annotated[
        bool, typer.Option("--video/--no-video", help="Without video only ground truth is written.")
    ] = True,
    features: Annotated[
        Path | None, typer.Option(help="Feature cache: extract features at once and write no video.")
    ] = None,
    jobs: JobsOption = 1,
    cluster: ClusterOption = "",
    assets: AssetsOption = None,
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Make clips with a manifest and ground truth; run again to go on after a kill."""
    from facemotion.config import load_settings
    from facemotion.synth.sets.frozen import checked_set
    from facemotion.synth.sets.plan import Excerpt
    from facemotion.synth.sets.produce import ToFeatures, produce
    from facemotion.system.processes import workers

    given = {
        "subjects": subjects,
        "motions": motions,
        "lips": lips,
        "takes": takes,
        "sessions": sessions,
        "near_misses": near_misses,
        "reorders": reorders,
        "mimics": mimics,
        "impostor_takes": impostor_takes,
        "part": part,
        "seed": seed,
    }
    chosen = _settings(settings, size, given) if benchmark is None else checked_set(benchmark).settings
    found, file = _places(assets, cache)
    _fits(found, file, quiet=json)
    with Progress("clips", quiet=json) as report:
        made = produce(
            out,
            found,
            file,
            chosen,
            workers=workers(jobs, cluster),
            video=video,
            features=None if features is None else ToFeatures(features, load_settings()),
            excerpt=Excerpt(most_takes, most_people, tuple(only_kind or ()), tuple(only_session or ())),
            progress=report,
        )
    _answer(json, {"made": made, "folder": str(out)}, f"{made} clips were made; {out}/manifest.csv names all.")


@group.command()
def landmarks(
    out: Annotated[Path, typer.Argument(help="The npz file to write.")],
    *,
    subjects: Annotated[int | None, typer.Option(help="People.")] = None,
    motions: Annotated[int | None, typer.Option(help="Facial motions per person.")] = None,
    lips: Annotated[int | None, typer.Option(help="Lip movements per person.")] = None,
    takes: Annotated[int | None, typer.Option(help="Takes per motion.")] = None,
    part: PartOption = None,
    seed: SeedOption = None,
    settings: SettingsOption = None,
    assets: AssetsOption = None,
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Write sequences of the 68 landmarks of simulated clips without drawing them."""
    import numpy as np

    from facemotion.synth.sets.produce import landmark_arrays, survey
    from facemotion.system.files import room_for, whole

    given = {"subjects": subjects, "motions": motions, "lips": lips, "takes": takes, "part": part, "seed": seed}
    chosen = _settings(settings, None, given)
    found, file = _places(assets, cache)
    _fits(found, file, quiet=json)
    with Progress("clips", quiet=json) as report:
        plan, truths = survey(found, file, chosen, report)
    arrays: dict[str, Any] = landmark_arrays(plan, truths)
    with room_for(out), whole(out) as draft, draft.open("wb") as content:
        np.savez_compressed(content, **arrays)
    frames = len(arrays["times"])
    _answer(
        json, {"clips": len(plan), "frames": frames, "file": str(out)}, f"{len(plan)} clips, {frames} frames in {out}."
    )


@group.command()
def stills(
    out: Annotated[Path, typer.Argument(help="Folder to make, or to continue.")],
    *,
    people: Annotated[int, typer.Option(help="People.", min=1)] = 100,
    each: Annotated[int, typer.Option(help="Pictures per person.", min=1)] = 28,
    posed: Annotated[
        float | None, typer.Option(help="Share of pictures with an emotion; default 0.5.", min=0, max=1)
    ] = None,
    shards: Annotated[
        bool, typer.Option("--shards", help="Write shards for `facemotion train sfe` instead of picture files.")
    ] = False,
    part: PartOption = None,
    size: SizeOption = None,
    seed: SeedOption = None,
    jobs: JobsOption = 1,
    cluster: ClusterOption = "",
    assets: AssetsOption = None,
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Make single pictures with landmarks, expression weights and an emotion; run again to go on after a kill."""
    if shards and (posed is not None or size is not None):
        raise SettingsError(
            "Stills in shards have their own size and shares of emotions; leave out --size and --posed."
        )
    scene = _settings(None, size or "160x160", {}).scene
    found, file = _places(assets, cache)
    _fits(found, file, quiet=json)
    from facemotion.synth.performance.spreads import Spreads
    from facemotion.synth.sets.shards import make_shards
    from facemotion.synth.sets.stills import StillSettings, make_stills
    from facemotion.system.processes import workers

    left_out, by = list[str](), workers(jobs, cluster)
    with Progress("people", quiet=json, total=people) as report:
        if shards:
            for done, name in make_shards(
                out, found, file, people=people, each=each, part=part or "train", seed=seed or 0, workers=by
            ):
                left_out += [name] if name else []
                report(done, people)
        else:
            wanted = StillSettings(people, each, 0.5 if posed is None else posed, part or "train", seed or 0)
            for done in make_stills(out, found, file, wanted, scene, Spreads(), workers=by):
                report(done, people)
    pictures = (people - len(left_out)) * each
    missing = f" Left out, since the detector fires on too few stills: {', '.join(left_out)}." if left_out else ""
    _answer(
        json,
        {"people": people - len(left_out), "pictures": pictures, "left_out": left_out, "folder": str(out)},
        f"{pictures} pictures are in {out}.{missing}",
    )


@group.command()
def sheets(
    out: Annotated[Path, typer.Argument(help="Folder of the contact sheets.")],
    assets: AssetsOption = None,
    cache: CacheOption = None,
    json: JsonOption = False,
) -> None:
    """Make the contact sheets of the documentation: people, motions, cameras, near misses."""
    from facemotion.synth.sets.documents import write_documents

    view = _preview(assets, cache, "224x224", 0, quiet=json)
    with Progress("sheets", quiet=json) as progress:
        written = write_documents(view, out, progress)
    _answer(json, {"sheets": [str(path) for path in written]}, f"{len(written)} sheets are in {out}.")


@group.command()
def probe(
    manifest: Annotated[Path, typer.Argument(help="Manifest of a data set made by `synth dataset`.")],
    clips: Annotated[int, typer.Option(help="Clips to look at, evenly spread.", min=1)] = 100,
    json: JsonOption = False,
) -> None:
    """Measure detection, and whether lids and lips measured on the renders follow the ground truth."""
    from facemotion.models import Models
    from facemotion.synth.sets.probes import probe as look

    with Progress("clips", quiet=json) as progress:
        report = asdict(look(manifest, clips, Models.configured(), progress))
    _answer(json, report, "  ".join(f"{name} {value:.4g}" for name, value in report.items()))


@group.command()
def priors(assets: AssetsOption = None, json: JsonOption = False) -> None:
    """Print the spreads of human movement: measured again where both captures are at hand, else as measured before."""
    from facemotion.synth.performance.priors import priors_report

    report = priors_report(assets)
    _answer(json, report, "\n".join(f"{name}: {value}" for name, value in report.items()))


@group.command()
def digest(
    folder: Annotated[Path | None, typer.Argument(help="Folder whose clips are checked against the version.")] = None,
    *,
    benchmark: Annotated[int, typer.Option("--synth-59", help="Version of Synth-59.")] = 2,
    subjects: Annotated[int | None, typer.Option(help="Only the first N performers.", min=1)] = None,
    json: JsonOption = False,
) -> None:
    """Print the digest of Synth-59: manifest, motions and all that is performed. Needs no assets."""
    from facemotion.synth.sets.frozen import check_folder, frozen_set
    from facemotion.synth.sets.plan import plan_digest

    frozen = frozen_set(benchmark)
    report: dict[str, Any] = {"version": benchmark, "subjects": subjects or frozen.settings.subjects}
    if folder is not None:
        with Progress("clips", quiet=json) as progress:
            report["clips"] = check_folder(folder, frozen, progress)
    report["sha256"] = plan_digest(frozen.settings, subjects)
    _answer(json, report, report["sha256"])


def _answer(as_json: bool, value: dict[str, Any], sentence: str) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo(sentence)


def _places(assets: Path | None, cache: Path | None) -> tuple[Assets, Path]:
    from facemotion.synth.people.assets import Assets
    from facemotion.synth.people.cast import default_cache

    found = Assets.find(assets)
    return found, cache or default_cache(found)


def _fits(assets: Assets, cache: Path, *, quiet: bool) -> dict[str, Any]:
    from facemotion.synth.people.cast import fit_portraits

    with Progress("portraits fitted, once for all sets", quiet=quiet) as report:
        return dict(fit_portraits(assets, cache, report))


def _preview(assets: Path | None, cache: Path | None, size: str | None, seed: int, *, quiet: bool) -> Preview:
    from facemotion.synth.people.cast import PersonBuilder
    from facemotion.synth.people.head import load_head
    from facemotion.synth.sets.contact_sheets import Preview

    found, file = _places(assets, cache)
    head = load_head(found)
    builder: PersonBuilder = PersonBuilder(found, head, _fits(found, file, quiet=quiet))
    return Preview(head, builder, _settings(None, size or "224x224", {}).scene, seed)


def _settings(path: Path | None, size: str | None, given: dict[str, Any]) -> DatasetSettings:
    from facemotion.config import from_table, read_toml
    from facemotion.synth.sets.plan import DatasetSettings

    settings = read_toml(DatasetSettings, path) if path else DatasetSettings()
    settings = replace(settings, **{name: value for name, value in given.items() if value is not None})
    if size is not None:
        width, _, height = size.lower().partition("x")
        if not (width.isdigit() and height.isdigit()) or int(width) % 2 or int(height) % 2:
            raise SettingsError(f"The size must be two even numbers such as 224x224, got {size!r}.")
        settings = replace(settings, scene=replace(settings.scene, width=int(width), height=int(height)))
    return from_table(DatasetSettings, asdict(settings), "options")
