"""Whole data sets: the plan, its clips with ground truth, stills, shards and contact sheets."""
