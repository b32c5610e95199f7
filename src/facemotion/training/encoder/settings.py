"""Everything that a training run of the sequence encoder depends on, as one TOML file (see `configs/`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from facemotion.config import option
from facemotion.nets.sequence_encoder import EncoderSettings
from facemotion.synth.points.simulate import SimulationSettings
from facemotion.training.encoder.losses import LossSettings
from facemotion.training.encoder.material.augment import AugmentSettings
from facemotion.training.encoder.material.sampling import SamplerSettings
from facemotion.types import ClipKind

TRAINED_ON = "train"  # the part of the data engine's people, motions and takes that an encoder may learn from


@dataclass(frozen=True)
class SourceSettings:
    """One manifest to train on, and what a batch takes from it."""

    manifest: str = option("manifest.csv", "manifest of the clips; relative to the working folder")
    split: str = option(
        "", "train on rows of this split only; empty for all", choices=("", "train", "validation", "test")
    )
    kinds: tuple[str, ...] = option(
        tuple(kind.value for kind in (ClipKind.FACIAL, ClipKind.LIP, ClipKind.NEAR_MISS)),
        "train on clips of these kinds only",
        choices=tuple(ClipKind),
    )
    without_subjects: tuple[str, ...] = option((), "subjects that are not trained on")
    without_motions: tuple[str, ...] = option((), "motions that are not trained on, whoever makes them")
    batch: SamplerSettings = field(default_factory=SamplerSettings)

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError("kinds must name one kind of clips or more")


@dataclass(frozen=True)
class SubclipSettings:
    """What a batch of self-supervised pretraining is made of (task "subclips"); its loss is that of `[loss]`."""

    clips: int = option(48, "clips of a batch, two subclips of each", minimum=2, maximum=4096)
    shortest: float = option(0.5, "shortest subclip, as a share of its clip", minimum=0.05, maximum=1)


@dataclass(frozen=True)
class OptimiserSettings:
    """AdamW, a linear rise to the peak rate and a cosine down to nothing."""

    steps: int = option(2000, "batches trained on", minimum=1, maximum=100_000_000)
    learning_rate: float = option(1e-3, "peak", minimum=1e-7, maximum=1)
    weight_decay: float = option(0.05, "of AdamW", minimum=0, maximum=10)
    rise: float = option(0.1, "share of the steps in which the rate rises", minimum=0, maximum=1)
    gradient_norm: float = option(1.0, "longer gradients are shortened to it", minimum=1e-3)
    average: float = option(
        0.0, "decay of a running mean of the weights, which is then the result; 0 for none", minimum=0, maximum=0.9999
    )


@dataclass(frozen=True)
class StoppingSettings:
    """End before the last batch when people who aren't trained on gain no more; the best weights are the result."""

    people: float = option(
        0.0, "share of the first source's people who are watched, not trained on; 0: all steps", minimum=0, maximum=0.5
    )
    every: int = option(100, "batches between two looks at them", minimum=1)
    patience: int = option(5, "looks without a gain after which training ends", minimum=1)


@dataclass(frozen=True)
class TrainingSettings:
    """A run of `facemotion train encoder`."""

    seed: int = option(0, "of the weights, the batches and the augmentations", minimum=0, maximum=2**32 - 1)
    extractor: str = option("face-mesh", "feature extractor whose features are in the cache, by the name of its card")
    task: str = option(
        "motions",
        "learn to tell motions by their labels, or to find two subclips of one clip without any",
        choices=("motions", "subclips"),
    )
    begin: str = option("", "run folder whose weights training starts from; empty for new ones")
    features: str = option("features", "folder of the feature cache; relative to the working folder")
    threads: int = option(0, "threads of torch; 0 lets it choose", minimum=0, maximum=256)
    checkpoint_steps: int = option(200, "batches between two checkpoints", minimum=1)
    sources: tuple[SourceSettings, ...] = option((SourceSettings(),), "manifests that every batch takes clips from")
    resting: str = option(
        "",
        "manifest of recordings that begin and end with rest, which other clips are given by `rest`; empty for the "
        "sources' own",
    )
    # Simulated people to train on beside the recorded ones; nobody where the table isn't there.
    simulation: SimulationSettings | None = None
    simulation_batch: SamplerSettings = field(default_factory=SamplerSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    augmentation: AugmentSettings = field(default_factory=AugmentSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    subclips: SubclipSettings = field(default_factory=SubclipSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    stopping: StoppingSettings = field(default_factory=StoppingSettings)

    def __post_init__(self) -> None:
        if self.simulation is not None and self.simulation.people.part != TRAINED_ON:
            raise ValueError(
                f'simulated people are trained on, and others are tested: set part = "{TRAINED_ON}" under '
                "[simulation.people]"
            )
        if self.stopping.people and self.stopping.every > self.optimiser.steps:
            raise ValueError(
                f"watched people are looked at after every {self.stopping.every} of {self.optimiser.steps} batches, so "
                "never: every under [stopping] must be no more than steps under [optimiser]"
            )
