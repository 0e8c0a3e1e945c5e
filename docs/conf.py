"""How Sphinx builds these pages: ``sphinx-build -W --keep-going -b html docs build/docs``."""

import builtins
import os
from importlib.metadata import version as version_of

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import find_pending_xref_condition

project = "wirefast"
author = "the wirefast authors"
project_copyright = "2026, the wirefast authors"
version = release = version_of("wirefast")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]
# Pages are Markdown, so that they also read well where the repository is browsed; the reference comes from docstrings.
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence"]
# Sections can be linked by the anchors that code hosts give them.
myst_heading_anchors = 3

# `name` in a docstring is a link if the reference has that name, and plain code if it has not.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# A list beside the class: fields that are documented by themselves are not described twice.
napoleon_use_ivar = True

# What a reader copies is what a shell takes: no prompt, no output.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
# A transcript of a program is no command.
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"

html_theme = "furo"
html_title = f"wirefast {release}"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["narrow.css"]
#: Where the repository is, for "edit this page" and "source". A code host that builds these pages says so itself;
#: elsewhere WIREFAST_REPOSITORY does, and without either the pages show their own source alone.
REPOSITORY = os.environ.get("WIREFAST_REPOSITORY") or "/".join(
    os.environ[name] for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY") if os.environ.get("GITHUB_REPOSITORY")
)
html_theme_options = {"top_of_page_buttons": ["view", "edit"] if REPOSITORY else ["view"]}
if REPOSITORY:
    branch = os.environ.get("WIREFAST_BRANCH", "main")
    html_theme_options |= {
        "source_edit_link": f"{REPOSITORY}/edit/{branch}/docs/{{filename}}",
        "source_view_link": f"{REPOSITORY}/blob/{branch}/docs/{{filename}}",
        "footer_icons": [{"name": "Source", "url": REPOSITORY, "html": "Source", "class": ""}],
    }


def builtins_are_no_links(app: Sphinx, doctree: nodes.document) -> None:
    """``bytes`` in a signature is Python's, not the attribute of that name of one of our classes."""
    for reference in list(doctree.findall(addnodes.pending_xref)):
        if reference.get("refdomain") == "py" and hasattr(builtins, reference["reftarget"]):
            shown = find_pending_xref_condition(reference, "*") or reference
            reference.replace_self(shown.children)


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", builtins_are_no_links)
