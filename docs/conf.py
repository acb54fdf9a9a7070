"""How Sphinx makes the site from these pages: ``nox -s docs``, into ``docs/_build``."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "trioflow"
author = "The trioflow authors"
project_copyright = "The trioflow authors"
release = version = version_of("trioflow")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
# Broken references are errors: the session passes -W.
nitpicky = False
# Offline builds are the same as others: nothing is looked up elsewhere.
intersphinx_mapping: dict[str, tuple[str, None]] = {}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# Pages link to files of the repository, which are no pages of the site.
myst_ref_domains = ["py"]
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]

# `name` in a docstring is code.
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
autoclass_content = "class"

html_theme = "furo"
html_title = "trioflow"
html_show_sphinx = False
