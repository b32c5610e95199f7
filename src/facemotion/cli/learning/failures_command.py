"""`facemotion failures`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facemotion.cli.learning.runs import embed_run, held_out_clips, is_row, make_folder
from facemotion.cli.terminal.console import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from facemotion.evaluation.failures import Failure, Outcome
    from facemotion.evaluation.trials import PairPolicy
    from facemotion.types import ClipRecord


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(failures)


def failures(
    run: Annotated[Path, typer.Argument(help="Folder of a training run, or of a row in `runs` of the tables.")],
    *,
    manifest: Annotated[Path, typer.Option(help="Clips to look for failures in.")],
    threshold: Annotated[
        float | None, typer.Option(help="Cosine at which clips are accepted; default: that of the EER on them.")
    ] = None,
    features: Annotated[Path, typer.Option(help="Folder of the feature cache.")] = Path("features"),
    split: Annotated[str, typer.Option(help="Rows of this split of the manifest only.")] = "",
    within_subject: Annotated[
        bool,
        typer.Option(
            "--within-subject",
            help="Pairs inside one subject only, as in the paper; a row of the tables has no others.",
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--every", help="Also sort all failures, not the worst alone; about 10 ms each.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write failures.html with frames of both clips to this folder.")
    ] = None,
    most: Annotated[int, typer.Option(help="Worst false accepts, and as many false rejects.", min=1)] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The worst false accepts and false rejects of a run, sorted into the paper's categories by measured cues."""
    from rich.console import Console

    from facemotion.cli.learning.strips import FaceStrips
    from facemotion.config import load_settings
    from facemotion.errors import UsageError
    from facemotion.evaluation.failure_page import failure_page
    from facemotion.evaluation.failures import count_categories, count_outcome, find_failures, worst
    from facemotion.evaluation.measures import curve, equal_error_rate
    from facemotion.evaluation.trials import score_pairs
    from facemotion.system.files import room_for, write_whole

    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"The threshold must be a number, got {threshold}.")
    page = make_folder(html) / "failures.html" if html else None
    if is_row(run):
        if split:
            raise UsageError(f"{run} is a row of the tables, and holds out its own clips; leave --split out.")
        vectors, acquired, sequences = held_out_clips(run, manifest, features)
        caution, within_subject = "Each fold was embedded by a network that never saw its people.", True
    else:
        vectors, acquired, sequences, caution = embed_run(run, manifest, features, split)
    policy: PairPolicy = "within-subject" if within_subject else "all"
    chosen = "that of the EER on these clips" if threshold is None else "the one asked for"
    if threshold is None:
        threshold = equal_error_rate(curve(score_pairs(vectors, acquired.records, policy)))[1]
    found = find_failures(vectors, acquired.records, sequences, threshold, None if every else most, policy)
    counts = count_categories(found) if every else None
    found = worst(found, most)
    outcome = count_outcome(vectors, acquired.records, threshold, policy)
    if page:
        strip = FaceStrips(acquired, sequences, load_settings(config))
        about = f"{run} on {manifest}{f', split {split}' if split else ''}; the threshold is {chosen}. {caution}"
        text = failure_page(
            found,
            acquired.records,
            threshold,
            outcome,
            strip,
            about=about,
            programs=acquired.programs,
            policy=policy,
            counts=counts,
        )
        with room_for(page):
            write_whole(page, text)
    if json:
        print_json({"threshold": threshold} | _as_json(found, acquired.records, outcome, counts))
    elif not found:
        Console().print(outcome.without_failures(threshold), highlight=False)
    else:
        _print(found, counts)
        Console().print(
            f"{outcome.false_accepts} of {outcome.impostor} impostor trials accepted and {outcome.false_rejects} of "
            f"{outcome.genuine} genuine trials rejected at threshold {threshold:.3f}"
            + (f"; both clips of each of the worst are in {page}." if page else "."),
            highlight=False,
            markup=False,
        )


def _as_json(
    found: Sequence[Failure], records: Sequence[ClipRecord], outcome: Outcome, counts: dict[str, int] | None
) -> dict[str, Any]:
    """The worst failures as plain values; `counts`: of all failures, where these were asked for."""
    from dataclasses import asdict

    from facemotion.evaluation.failures import count_categories

    told: dict[str, Any] = {"false_accepts": outcome.false_accepts, "false_rejects": outcome.false_rejects}
    told |= {"genuine": outcome.genuine, "impostor": outcome.impostor, "categories": count_categories(found)}
    told |= {} if counts is None else {"all_categories": counts}
    entries = [asdict(f) | {"first": records[f.first].path, "second": records[f.second].path} for f in found]
    return told | {"failures": entries}


def _print(found: Sequence[Failure], counts: dict[str, int] | None) -> None:
    """A table of the categories: of the worst and, where `counts` has them, of all."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from facemotion.evaluation.failures import count_categories

    of_all = [] if counts is None else ["of all"]
    table = Table("category", "of the worst", *of_all, box=box.SIMPLE, pad_edge=False)
    shown = count_categories(found)
    for category, count in (counts or shown).items():
        table.add_row(category, str(shown.get(category, 0)), *(str(count) for _ in of_all))
    Console().print(table)
