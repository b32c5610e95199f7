"""Names and words of users may hold what the library of tables takes for mark-up."""

from __future__ import annotations

import pytest

from facemotion.cli.terminal.console import print_decision
from facemotion.types import Decision, FactorResult, OperatingPoint


@pytest.mark.parametrize("words", ["clips of the [new] door", "seen in [/takes/of/anna]"])
def test_what_a_threshold_was_measured_on_is_printed_as_it_was_given(words, capsys):
    """Words in brackets were left out, and a path in brackets ended the command by a fault."""
    point = OperatingPoint("own-fmr-1e-2", 0.5, 0.01, 0.1, 100, 1000, 10, words)
    print_decision(Decision((FactorResult("motion", 0.9, point),)))
    out = capsys.readouterr().out
    assert words in out
    assert "ACCEPTED" in out
