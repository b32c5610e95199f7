"""Two runs that must have come to the same."""

from __future__ import annotations

import torch

from facemotion.training.run_folder import RunFolder


def assert_same_run(whole: RunFolder, broken: RunFolder, step: int, *tables: str) -> None:
    """The same tables, the same steps behind them and the same tensors, to the last bit."""
    for name in tables:
        assert (whole.path / name).read_text() == (broken.path / name).read_text()
    one, other = whole.load(), broken.load()
    assert one.step == other.step == step
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(tensor, other.tensors[name], atol=0, rtol=0)
