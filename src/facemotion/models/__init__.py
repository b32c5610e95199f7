"""Weights and their cards: what each model file is, where it came from, and that it is the one on disk."""

from facemotion.models.cards import ModelCard
from facemotion.models.deployment import OWN_POINT, Models

__all__ = ["OWN_POINT", "ModelCard", "Models"]
