"""`python -m facemotion.cli`."""

from facemotion.cli import main

main()
