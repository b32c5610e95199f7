"""What the tables train: every recipe, on which clips, and the clips themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from facemotion.config import from_table, option
from facemotion.data.manifest import Manifest, check_manifest, read_manifest
from facemotion.errors import DataError
from facemotion.experiments.crossval import refuse_begun
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.nets.inputs import InputStreams
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.types import ClipKind

MAIN = "sfe-l, contrastive, trimmed"
DTW = "dtw"
ALL_KINDS = tuple(ClipKind)
FACIAL = (ClipKind.FACIAL,)
SPOKEN = (ClipKind.LIP,)
SPOKEN_TOO = (ClipKind.FACIAL, ClipKind.LIP)
ATTACKED = (ClipKind.FACIAL, ClipKind.NEAR_MISS, ClipKind.MIMIC)
CONTROLS = ("frames shuffled", "last frame", "peak frame")

Kinds = tuple[str, ...]
Changes = Mapping[str, Mapping[str, object]]
NOTHING: Changes = MappingProxyType({})


@dataclass(frozen=True)
class TableSettings:
    """What `facemotion tables` measures."""

    folds: int = option(10, "folds without a common subject", minimum=2, maximum=1000)
    replicates: int = option(300, "draws of the bootstrap over subjects", minimum=10)
    most_takes: int = option(5, "most enrolment takes tried", minimum=1, maximum=20)
    synth_59: int = option(
        0, "version of Synth-59 that the clips must be of, by their ground truth; 0: any clips", minimum=0
    )
    sfe_l: str = option("sfe-l", "extractor trained on landmarks; empty leaves its rows out")
    sfe_e: str = option("sfe-e", "extractor trained on emotions; empty leaves its rows out")
    landmarks: str = option("sfe-l-landmarks", "extractor of landmarks; empty leaves its rows out")
    mesh: str = option("face-mesh", "extractor of mesh points; empty leaves its rows out")
    recipe: TrainingSettings = field(default_factory=TrainingSettings)
    ours: tuple[TrainingSettings, ...] = option((), "further recipes that are measured beside the paper's")


@dataclass(frozen=True)
class Run:
    """One recipe, trained once a fold.

    Attributes:
        name: of its folder and in the tables.
        kinds: of clips that it is trained on.
        settings: of every training, without what the fold decides; None for a system without any.
        tested: kinds of held-out clips that the tables ask about; its extractor needs features of no others.
        controls: also embed clips robbed of their order, and pool features without a network.
    """

    name: str
    kinds: tuple[str, ...]
    extractor: str
    settings: TrainingSettings | None
    tested: tuple[str, ...] = ALL_KINDS
    controls: bool = False


def plan_runs(settings: TableSettings, models: Models) -> list[Run]:
    """Every training of the tables, those of the paper first.

    Args:
        settings: the settings of the tables.
        models: the models of the deployment, which say how many features an extractor gives.

    Raises:
        SettingsError: a change that the recipe doesn't take.
    """

    def run(
        name: str, extractor: str, kinds: Kinds = FACIAL, tested: Kinds = FACIAL, changes: Changes = NOTHING
    ) -> Run:
        table = dataclasses.asdict(settings.recipe) | {"extractor": extractor}
        for group, values in changes.items():
            table[group] = table[group] | values
        if name == MAIN:
            tested = ATTACKED
        return Run(name, kinds, extractor, from_table(TrainingSettings, table, name), tested, name == MAIN)

    runs = []
    for sfe, extractor in (("sfe-e", settings.sfe_e), ("sfe-l", settings.sfe_l)):
        for loss in ("contrastive", "n-pair"):
            for trimmed, share in (("trimmed", 1.0), ("not trimmed", 0.0)):
                changes: Changes = {"loss": {"name": loss}, "augmentation": {"trimming": share}}
                runs.append(run(f"{sfe}, {loss}, {trimmed}", extractor, changes=changes))
    runs += [
        run("lips", settings.sfe_l, kinds=SPOKEN, tested=SPOKEN),
        run("facial and lips", settings.sfe_l, kinds=SPOKEN_TOO, tested=SPOKEN_TOO),
        run("centred", settings.sfe_l, changes={"encoder": {"centre": True}}),
        run("landmarks", settings.landmarks),
        run("frame differences", settings.sfe_l, changes={"encoder": {"inputs": "difference"}}),
        run("mesh", settings.mesh, changes={"encoder": {"heads": heads_for(settings.recipe, settings.mesh, models)}}),
        *(
            run(network, settings.sfe_l, tested=ATTACKED, changes={"encoder": {"network": network}})
            for network in ("gru", "tcn", "conformer")
        ),
        Run(DTW, (), settings.landmarks, None, ATTACKED),
        *(
            Run(
                f"ours {number}",
                own.sources[0].kinds,
                own.extractor,
                own,
                ALL_KINDS if ClipKind.LIP in own.sources[0].kinds else ATTACKED,
            )
            for number, own in enumerate(settings.ours, 1)
        ),
    ]
    return [run for run in runs if run.extractor]


def choose_runs(runs: Sequence[Run], manifest: Manifest, only: Sequence[str] = ()) -> list[Run]:
    """Those that a set has the clips for, and whose name begins as asked for, if anything is.

    Args:
        runs: of `plan_runs`.
        manifest: of the set.
        only: beginnings of names; empty for all.
    Raises:
        DataError: there is none.
    """
    kinds = {record.kind for record in manifest.records}
    possible = [run for run in runs if kinds & set(run.tested) and (run.tested == ALL_KINDS or set(run.kinds) <= kinds)]
    chosen = [run for run in possible if not only or run.name.startswith(tuple(only))]
    if not possible:
        raise DataError(f"{manifest.folder} has no clips that a table is about; they are facial motions and lips.")
    if not chosen:
        raise DataError(
            f"No run begins with {' or '.join(only)}; choose among {'; '.join(run.name for run in possible)}."
        )
    return chosen


def heads_for(recipe: TrainingSettings, extractor: str, models: Models) -> int:
    """The most heads, up to the recipe's, that divide the width of the encoder over this extractor."""
    if not extractor:
        return recipe.encoder.heads
    own, dimension = recipe.encoder, load_extractor(extractor, models).dimension
    width = own.width or InputStreams(dimension, own.inputs, own.scaling, own.centre, own.components).width
    return max(heads for heads in range(1, recipe.encoder.heads + 1) if width % heads == 0)


def load_clips(settings: TableSettings) -> Manifest:
    """The manifest of the recipe, checked; near misses that only reorder steps have their name.

    Raises:
        ManifestError: see `check_manifest`.
        DataError: a recipe asks for clips that it wouldn't get.
        TrainingError: a recipe begins with a trained run.
    """
    recipe = settings.recipe
    for own in (recipe, *settings.ours):
        refuse_begun(own)
        same = [(source.manifest, source.split) for source in own.sources] == [(recipe.sources[0].manifest, "")]
        if not same or own.features != recipe.features:
            raise DataError(
                "Tables compare recipes on the same clips: each needs one source, without a split, of the recipe's own "
                f"manifest ({recipe.sources[0].manifest}), and its feature cache ({recipe.features})."
            )
    manifest = read_manifest(Path(settings.recipe.sources[0].manifest))
    check_manifest(manifest)
    return manifest
