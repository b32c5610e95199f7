"""Manifests of recorded clips, the cache of their features, and how they are cut into folds."""
