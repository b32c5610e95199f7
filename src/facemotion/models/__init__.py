"""Weights and their cards: what each model file is, where it came from, and that it is the one on disk."""

from facemotion.models.cards import ModelCard, card, load_cards, model_path
from facemotion.models.runtime import open_session

__all__ = ["ModelCard", "card", "load_cards", "model_path", "open_session"]
