"""Public data sets of filmed people: their files become the rows of a manifest."""
