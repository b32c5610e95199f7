"""The losses over the pairs of a batch: the paper's two (section 3.3), by name in LOSSES.

A pair counts if `pairs` says so: the paper forms positives and negatives inside one subject, so that identity can't
be the cue. Both losses are 0, with gradient 0, where a batch has no pair that counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from facemotion.config import option


def same_subject_pairs(subjects: Tensor) -> Tensor:
    """(B,) subject numbers -> (B, B) bool, true for two different clips of one subject."""
    same = subjects[:, None] == subjects[None, :]
    return same & ~torch.eye(len(subjects), dtype=torch.bool, device=subjects.device)


def all_pairs(subjects: Tensor) -> Tensor:
    """(B,) subject numbers -> (B, B) bool, true for any two different clips."""
    return ~torch.eye(len(subjects), dtype=torch.bool, device=subjects.device)


PAIRS = {
    "within-subject": (same_subject_pairs,),
    "all": (all_pairs,),
    # A person's other motions are few among all that are others'; so they keep a weight of their own.
    "both": (same_subject_pairs, all_pairs),
}
"""Which pairs count, by what the settings say; the loss is the mean over them."""


def contrastive_loss(embeddings: Tensor, motions: Tensor, pairs: Tensor, margin: float) -> Tensor:
    """Equations 1 and 2: (1 - S) for two takes of one motion, max(0, S - m_c) for two motions; the mean over i of the
    mean over its pairs.

    Args:
        embeddings: (B, n), rows of norm 1; S is their cosine.
        motions: (B,) motion numbers; equal numbers are the same motion of the same subject.
        pairs: (B, B) bool, which pairs count.
        margin: m_c, the cosine below which two different motions are far enough apart.
    Returns:
        Scalar, at least 0.
    """
    similarity = embeddings @ embeddings.T
    same = motions[:, None] == motions[None, :]
    terms = torch.where(same, 1 - similarity, (similarity - margin).clamp_min(0))
    return _mean_of_row_means(terms, pairs)


def n_pair_loss(embeddings: Tensor, motions: Tensor, pairs: Tensor, temperature: float) -> Tensor:
    """Equations 5 and 6: -log exp(S_ij / tau) / sum over k != i of exp(S_ik / tau), the mean over i of the mean over
    its positive pairs. Other positives stay in the denominator.

    Args:
        embeddings, motions, pairs: as in `contrastive_loss`; the denominator runs over the pairs of i that count.
        temperature: tau.
    Returns:
        Scalar, at least 0.
    """
    logits = (embeddings @ embeddings.T / temperature).masked_fill(~pairs, float("-inf"))
    # A clip without any pair has an empty denominator; its row is taken out before it can make a NaN.
    lonely = ~pairs.any(dim=1, keepdim=True)
    log_share = logits - logits.masked_fill(lonely, 0.0).logsumexp(dim=1, keepdim=True)
    positives = pairs & (motions[:, None] == motions[None, :])
    return _mean_of_row_means(-log_share.masked_fill(~positives, 0.0), positives)


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor, LossSettings], Tensor]] = {
    "contrastive": lambda embeddings, motions, pairs, settings: contrastive_loss(
        embeddings, motions, pairs, settings.margin
    ),
    "n-pair": lambda embeddings, motions, pairs, settings: n_pair_loss(
        embeddings, motions, pairs, settings.temperature
    ),
}
"""The losses by what the settings call them: embeddings (B, n), motions (B,), pairs (B, B) and settings -> scalar."""


@dataclass(frozen=True)
class LossSettings:
    """The loss over the pairs of a batch."""

    name: str = option("contrastive", "equations 1 and 2, or 5 and 6 of the paper", choices=tuple(LOSSES))
    pairs: str = option(
        "within-subject",
        "pairs inside one subject, as in the paper, or any, or the mean of both losses",
        choices=tuple(PAIRS),
    )
    margin: float = option(0.25, "m_c of the contrastive loss, a cosine", minimum=-1, maximum=1)
    temperature: float = option(0.1, "tau of the N-pair loss", minimum=0.005, maximum=10)
    gate: float = option(
        0.3, "weight of the gate's errors about rest and motion, if the encoder has a gate", minimum=0, maximum=10
    )


def batch_loss(embeddings: Tensor, subjects: Tensor, motions: Tensor, settings: LossSettings) -> Tensor:
    """The loss of the settings over a batch: (B, n) embeddings, (B,) subject and motion numbers -> scalar."""
    loss = LOSSES[settings.name]
    return torch.stack([loss(embeddings, motions, count(subjects), settings) for count in PAIRS[settings.pairs]]).mean()


def gate_loss(odds: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of a gate's log-odds (N,) against what it should say (N,), 0 or 1; frames of NaN don't count.

    Returns:
        Scalar, at least 0; 0 where no frame counts.
    """
    known = wanted.isfinite()
    terms = nn.functional.binary_cross_entropy_with_logits(odds, wanted.nan_to_num(), reduction="none")
    return (terms * known).sum() / known.sum().clamp_min(1)


def _mean_of_row_means(terms: Tensor, chosen: Tensor) -> Tensor:
    counts = chosen.sum(dim=1)
    means = (terms * chosen).sum(dim=1) / counts.clamp_min(1)
    return means.sum() / (counts > 0).sum().clamp_min(1)
