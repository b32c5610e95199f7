"""docs/results/tables_v2.md and its picture, from a folder that `facemotion tables` has filled.

    python benchmarks/tables_page.py RUN [--page docs/results/tables_v2.md]

Every row that the folder has is on the page, the paper's figures beside ours; the paper's rows that weren't trained are
there too, and say so. The picture shows the training curves, from the folds' `watched.csv`. The figures themselves go
to a JSON file beside the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facemotion.errors import DataError
from facemotion.experiments.paper_page import write_markdown
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.training.encoder.watch import read_looks
from facemotion.training.run_folder import RunFolder

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "tables_v2.md"
FIELD = PAGE.with_name("tables.json")
OURS = "ours, the last recipe"
COLUMNS = 3  # of panels in the picture
Curve = list[tuple[int, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of `facemotion tables`")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write; tables.json is copied beside it")
    options = parser.parse_args()
    write_page(options.run, options.page)


def write_page(run: Path, page: Path) -> None:
    """Write the page, its figures as JSON, and the picture of the training curves.

    Args:
        run: folder of `facemotion tables`.
        page: Markdown to write. The picture goes to `images` beside the page's folder.
    Raises:
        DataError: the folder has no tables yet.
    """
    path = run / "tables.json"
    if not path.is_file():
        raise DataError(f"{run} has no tables.json; let `facemotion tables` end first.")
    tables: dict[str, Any] = json.loads(path.read_text("utf-8"))
    names = [row["run"] for row in tables["stopped"]]
    curves = {name: [read_looks(RunFolder(fold)) for fold in folds_of(run, name)] for name in names}
    picture = page.parents[1] / "images" / "results" / f"{page.stem}.svg"
    head = introduction(run, tables)
    if curves:
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw_curves(curves, picture)
        head += [
            f"![Training curves, a line a fold](../images/results/{picture.name})",
            "",
            "AP of the watched people after so many steps; a line a fold, its best look marked.",
            "",
        ]
    source = Path(settings_of(run).sources[0].manifest).parent.name
    text = write_markdown(tables, source, "Tables on Synth-59 version 2", head)
    if FIELD.is_file():
        text += "\n".join(["", *beside_field(tables, json.loads(FIELD.read_text("utf-8")))]) + "\n"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, "utf-8")
    page.with_suffix(".json").write_text(json.dumps(tables, indent=1) + "\n", "utf-8")


def introduction(run: Path, tables: Mapping[str, Any]) -> list[str]:
    """What was compared and how it was trained, as lines of Markdown."""
    recipe = settings_of(run)
    encoder, stopping = recipe.encoder, recipe.stopping
    rows = [row for key in ("table 1", "table 2", "features", "networks", "ours") for row in tables[key]]
    sittings = (
        "Somebody's clips are of two sittings; a table below tells them apart."
        if any(row["sittings"] for row in rows)
        else "All clips of a person are of one sitting, as in the paper. Clips of a second sitting weren't tested."
    )
    width = f"{encoder.components} principal components of the features" if encoder.components else "all features"
    ended = (
        f"It is trained for up to {recipe.optimiser.steps} steps, until {stopping.people:.0%} of the training people, "
        f"who are watched, gained nothing in {stopping.patience} looks, one every {stopping.every} steps."
        if stopping.people
        else f"It is trained for {recipe.optimiser.steps} steps."
    )
    begun = sorted(own.name for own in (run / "runs").iterdir() if own.name not in {row["run"] for row in rows})
    lines = [
        "[Version 2](../explanation/synth.md#synth-59-two-versions) of the benchmark has all ten takes of a motion. "
        f"{sittings} On [version 1](tables.md), the hard set, the same recipes were trained with fewer takes and "
        "steps. Written by `benchmarks/tables_page.py` from a run of `facemotion tables configs/tables_v2.toml`.",
        "",
        f"The paper's recipe takes {width} (layers: {encoder.layers}, heads: {encoder.heads}, length of the vector: "
        f"{encoder.embedding}). {ended}",
        "",
    ]
    own = {row["run"]: f"`{extractor_of(run, row['run'])}` ({row['run']})" for row in tables["ours"]}
    if own:
        lines += [f"Our own recipe is the same over features of {' and '.join(own.values())}.", ""]
    if "centred" in {row["run"] for row in tables["features"]}:
        lines += ['In the row "centred" the paper\'s recipe gets features less their mean over the clip.', ""]
    if begun:
        lines += [f"Begun, and not ended in all folds: {'; '.join(begun)}.", ""]
    return lines


def beside_field(tables: Mapping[str, Any], field: Mapping[str, Any]) -> list[str]:
    """The rows that both versions of the benchmark have, as lines of Markdown.

    Args:
        tables: of this run.
        field: those of version 1. The last of our own recipes is the same in both.
    """

    def figures(own: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, float]]:
        last = own["ours"][-1]["run"] if own["ours"] else ""
        rows = [*own["table 1"], *own["table 2"], *(row for row in own["ours"] if row["run"] == last)]
        named = {(OURS if row["run"] == last else row["run"], row["tested on"]): row for row in rows}
        return {key: row["within-subject"]["mean"] for key, row in named.items()}

    here, there = figures(tables), figures(field)
    lines = [
        "## Beside version 1",
        "",
        "Version 1 is the hard set: pairs across two sittings, more takes that went wrong, smaller faces. "
        "There each recipe had fewer takes and steps.",
        "",
        "| run | tested on | AP | prevalence | AP on version 1 | prevalence there |",
        "|---|---|---|---|---|---|",
    ]
    for key in (key for key in here if key in there):
        cells = [f"{own[name]:.3f}" for own in (here[key], there[key]) for name in ("average_precision", "prevalence")]
        lines.append("| " + " | ".join([*key, *cells]) + " |")
    return lines


def settings_of(run: Path) -> TrainingSettings:
    """The settings of the paper's recipe, or of the first recipe that the folder has, as its first fold keeps them."""
    folders = sorted((run / "runs").glob("*/fold-0/config.toml"), key=lambda path: "ours" in path.parts[-3])
    if not folders:
        raise DataError(f"{run} has no trained fold; let `facemotion tables` end first.")
    return RunFolder(folders[0].parent).read_settings(TrainingSettings)


def extractor_of(run: Path, name: str) -> str:
    """Whose features a row was trained on."""
    return RunFolder(folds_of(run, name)[0]).read_settings(TrainingSettings).extractor


def folds_of(run: Path, name: str) -> list[Path]:
    """Folders of a row's folds, in order."""
    return sorted((run / "runs" / name).glob("fold-*"), key=lambda path: int(path.name.removeprefix("fold-")))


def draw_curves(curves: Mapping[str, Sequence[Curve]], path: Path) -> None:
    """A panel a row of the tables, with a line a fold.

    Args:
        curves: steps and average precisions of the watched people, of each fold.
        path: SVG to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(curves))
    lines = -(-len(curves) // columns)
    figure = Figure(figsize=(max(5.2, 3.4 * columns), 2.9 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for number, (name, folds) in enumerate(curves.items()):
        panel = panels[number // columns, number % columns]
        for fold in folds:
            steps, precisions = zip(*fold, strict=True)
            best = max(range(len(fold)), key=lambda k: (precisions[k], -k))
            panel.plot(steps, precisions, color="C0", linewidth=0.9, alpha=0.65)
            panel.plot(steps[best], precisions[best], "o", color="C3", markersize=3.5)
        panel.set_title(f"{name}: {len(folds)} folds", fontsize="medium")
        panel.grid(alpha=0.25)
    for number in range(len(curves), panels.size):
        panels.flat[number].set_visible(False)
        if lines > 1:  # the one above has the steps
            panels.flat[number - columns].tick_params(labelbottom=True)
    figure.supxlabel("steps", fontsize="medium")
    figure.supylabel("AP of the watched people", fontsize="medium")
    # The same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
