"""How `make docs` builds the site: Sphinx reads these pages as Markdown (MyST) and the API from docstrings.

Nothing is fetched while it is built or read: fonts are the reader's own, scripts and styles come with the theme.
"""

from importlib.metadata import version as installed

project = "facemotion"
author = "The facemotion authors"
copyright = author  # Sphinx asks for this name
version = release = installed("facemotion")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"

# Headings down to the third level can be linked to as on the code host, by their words: page.md#what-is-noticed.
myst_heading_anchors = 3

# What is in single backticks in a docstring is code.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"facemotion {release}"
html_copy_source = False
html_show_sourcelink = False
# Links lead to files, so that the site can be read from a folder, without a server.
html_theme_options = {"top_of_page_buttons": []}
