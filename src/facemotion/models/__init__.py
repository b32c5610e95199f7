"""Weights and their cards: what each model file is, where it came from, and that it is the one on disk."""

from facemotion.models.cards import ModelCard
from facemotion.models.deployment import Models

__all__ = ["ModelCard", "Models"]
