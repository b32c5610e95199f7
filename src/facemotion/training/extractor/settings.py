"""Everything that a training run of a spatial feature extractor depends on, as one TOML file (see `configs/`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from facemotion.config import option
from facemotion.training.extractor.photometric import PhotometricSettings


@dataclass(frozen=True)
class StillsSource:
    """One data set of stills, and its part of a batch."""

    folder: str = option("stills", "data set of stills; relative to the working folder")
    share: float = option(1.0, "its part of every batch, relative to the other sources", minimum=0.001)
    tolerance: float = option(
        0.0, "errors up to it cost nothing: for weak labels", unit="crop sides", minimum=0, maximum=0.2
    )
    lip_tolerance: float = option(0.0, "the same for the lips", unit="crop sides", minimum=0, maximum=0.2)


@dataclass(frozen=True)
class SfeOptimiserSettings:
    """AdamW; the rate rises, stays, and falls at the end, so that a run can be judged, and left, at any moment."""

    steps: int = option(40000, "batches trained on", minimum=1)
    batch: int = option(32, "stills in a batch", minimum=2, maximum=4096)
    learning_rate: float = option(2e-3, "peak", minimum=1e-7, maximum=1)
    weight_decay: float = option(0.01, "of AdamW, on matrices", minimum=0, maximum=10)
    rise: int = option(200, "steps in which the rate rises", minimum=0)
    fall: float = option(
        0.3, "share of the steps, at the end, in which the rate falls to nothing", minimum=0, maximum=1
    )
    gradient_norm: float = option(5.0, "longer gradients are shortened to it", minimum=1e-3)
    average: float = option(
        0.998, "decay of the running mean of the weights, which is the result", minimum=0, maximum=0.99999
    )


@dataclass(frozen=True)
class SfeSettings:
    """A run of `facemotion train sfe`."""

    seed: int = option(0, "of the weights, the batches and the augmentations", minimum=0)
    task: str = option("landmarks", "SFE-L, SFE-E or the multi-task SFE-MT", choices=("landmarks", "emotions", "both"))
    network: str = option(
        "mobilefacenet",
        "MobileFaceNet as in the paper, or MobileViT of size XXS",
        choices=("mobilefacenet", "mobilevit"),
    )
    width: float = option(1.0, "of the network's channels; 0.5 and 0.25 for small devices", minimum=0.1, maximum=2)
    begin: str = option(
        "",
        "run folder, or exported file (.onnx, of MobileFaceNet), of the same network and width that this run begins "
        "with; empty for none",
    )
    loss: str = option("wing", "of the landmarks", choices=("wing", "smooth-l1"))
    precision: str = option(
        "auto",
        "of the arithmetic, sums stay float32; auto: bfloat16 where the machine computes in it, elsewhere it is slow",
        choices=("auto", "bfloat16", "float32"),
    )
    threads: int = option(1, "threads of torch; 0 lets it choose", minimum=0, maximum=256)
    checkpoint_steps: int = option(200, "batches between two checkpoints", minimum=1)
    validation_steps: int = option(1000, "batches between two validations", minimum=1)
    validation_stills: int = option(400, "stills of the validation split looked at, evenly spread", minimum=1)
    sources: tuple[StillsSource, ...] = option((StillsSource(),), "data sets that every batch takes stills from")
    augmentation: PhotometricSettings = field(default_factory=PhotometricSettings)
    optimiser: SfeOptimiserSettings = field(default_factory=SfeOptimiserSettings)
