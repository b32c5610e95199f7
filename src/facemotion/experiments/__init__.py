"""Cross-validation and the paper's tables: many trainings, compared."""
