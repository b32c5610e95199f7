"""What both networks need to become ONNX files: one set of operators, one tolerance, a quiet exporter, and no traces of
the machine."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference between a file and its network."""


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """The exporter warns of its own internals and of packages that the encoder doesn't need."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def strip(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about its machine: source paths and stack traces."""
    for holder in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del holder.metadata_props[:]
        holder.doc_string = ""
    del model.graph.value_info[:]
    for initializer in model.graph.initializer:
        del initializer.metadata_props[:]
        initializer.doc_string = ""
