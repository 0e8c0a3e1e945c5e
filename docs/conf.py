"""How Sphinx builds these pages: ``sphinx-build -W --keep-going -b html docs build/docs``."""

from importlib.metadata import version as version_of

project = "wirefast"
author = "the wirefast authors"
project_copyright = "2026, the wirefast authors"
version = release = version_of("wirefast")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Pages are Markdown, so that they also read well where the repository is browsed; the reference comes from docstrings.
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
# Sections can be linked by the anchors that code hosts give them.
myst_heading_anchors = 3

# `name` in a docstring is a link where the reference has that name, and plain code where it has not.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# A list beside the class: fields that are documented by themselves are not described twice.
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"wirefast {release}"
html_copy_source = False
