"""`facemotion failures`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facemotion.cli.learning.runs import embed_run, make_folder
from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from facemotion.config import Settings
    from facemotion.data.manifest import Manifest
    from facemotion.types import ClipRecord, FeatureSequence

STRIP_FRAMES, STRIP_PX = 8, 150


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(failures)


def failures(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    *,
    manifest: Annotated[Path, typer.Option(help="Clips to look for failures in.")],
    threshold: Annotated[
        float | None, typer.Option(help="Cosine at which clips are accepted; default: that of the EER on them.")
    ] = None,
    features: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    split: Annotated[str, typer.Option(help="Rows of this split of the manifest only.")] = "",
    html: Annotated[
        Path | None, typer.Option(help="Write failures.html with frames of both clips to this folder.")
    ] = None,
    most: Annotated[int, typer.Option(help="Worst false accepts, and as many false rejects.", min=1)] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The worst false accepts and false rejects of a run, sorted into the paper's categories by measured cues."""
    from dataclasses import asdict

    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.config import load_settings
    from facemotion.errors import UsageError
    from facemotion.evaluation.failure_page import failure_page
    from facemotion.evaluation.failures import count_categories, count_outcome, find_failures
    from facemotion.evaluation.measures import curve, equal_error_rate
    from facemotion.evaluation.trials import score_pairs
    from facemotion.system.files import room_for, write_whole

    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"The threshold must be a number, got {threshold}.")
    page = make_folder(html) / "failures.html" if html else None
    vectors, acquired, sequences, caution = embed_run(run, manifest, features, split)
    chosen = "that of the EER on these clips" if threshold is None else "the one asked for"
    if threshold is None:
        threshold = equal_error_rate(curve(score_pairs(vectors, acquired.records)))[1]
    found = find_failures(vectors, acquired.records, sequences, threshold, most)
    outcome = count_outcome(vectors, acquired.records, threshold)
    if page:
        strip = _strips(acquired, sequences, load_settings(config))
        about = f"{run} on {manifest}{f', split {split}' if split else ''}; the threshold is {chosen}. {caution}"
        text = failure_page(found, acquired.records, threshold, outcome, strip, about=about, programs=acquired.programs)
        with room_for(page):
            write_whole(page, text)
    if json:
        records = acquired.records
        entries = [asdict(f) | {"first": records[f.first].path, "second": records[f.second].path} for f in found]
        counts = {"false_accepts": outcome.false_accepts, "false_rejects": outcome.false_rejects}
        print_json({"threshold": threshold, **counts, "categories": count_categories(found), "failures": entries})
        return
    console = Console()
    if not found:
        console.print(outcome.without_failures(threshold), highlight=False)
        return
    table = Table("category", "of the worst", box=box.SIMPLE, pad_edge=False)
    for category, count in count_categories(found).items():
        table.add_row(category, str(count))
    console.print(table)
    console.print(
        f"{outcome.false_accepts} of {outcome.impostor} impostor trials accepted and {outcome.false_rejects} of "
        f"{outcome.genuine} genuine trials rejected at threshold {threshold:.3f}"
        + (f"; both clips of each of the worst are in {page}." if page else "."),
        highlight=False,
        markup=False,
    )


def _strips(
    manifest: Manifest, sequences: Sequence[FeatureSequence], settings: Settings
) -> Callable[[ClipRecord], list[NDArray[np.uint8]]]:
    """Gives STRIP_FRAMES squares round the face of a clip, evenly spread over its motion, with their seconds."""
    import numpy as np
    from PIL import Image, ImageDraw

    from facemotion.face import BlazeFace
    from facemotion.media import read_frames
    from facemotion.models import Models
    from facemotion.signals import active_span

    detector = BlazeFace(Models.of(settings.runtime), settings.face)
    spans = {}
    for record, sequence in zip(manifest.records, sequences, strict=True):
        first, last = active_span(sequence.values, sequence.times)
        spans[record] = float(sequence.times[first]), float(sequence.times[last])

    def strip(record: ClipRecord) -> list[NDArray[np.uint8]]:
        frames, times = zip(*read_frames(manifest.file(record), settings.media), strict=True)
        places = [int(np.abs(np.subtract(times, at)).argmin()) for at in np.linspace(*spans[record], STRIP_FRAMES)]
        chosen = [frames[i] for i in places]
        boxes = [found[0] for found in (detector.detect(frame).boxes for frame in chosen) if len(found)]
        height, width = frames[0].shape[:2]
        x0, y0, x1, y1 = np.median(boxes, axis=0) if boxes else (0, 0, width, height)
        half = 0.6 * max(x1 - x0, y1 - y0)
        area = ((x0 + x1) / 2 - half, (y0 + y1) / 2 - half, (x0 + x1) / 2 + half, (y0 + y1) / 2 + half)
        side = (STRIP_PX, STRIP_PX)
        shown = []
        for place, frame in zip(places, chosen, strict=True):
            picture = Image.fromarray(frame).crop(tuple(map(round, area))).resize(side)  # black past the border
            ImageDraw.Draw(picture).text(
                (4, 2), f"{times[place]:.1f} s", "white", font_size=13, stroke_width=1, stroke_fill="black"
            )
            shown.append(np.asarray(picture))
        return shown

    return strip
