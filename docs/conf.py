"""Sphinx: how the documentation is built. `make docs` builds it; any warning is an error."""

from importlib.metadata import version as installed_version

from sphinx.util.nodes import make_refnode

project = "analysis_store"
author = "analysis_store contributors"
copyright = "2026, analysis_store contributors"
version = release = installed_version("analysis_store")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "analysis_store"
html_show_sourcelink = False
html_theme_options = {
    "github_url": "https://github.com/bluesky/analysis_store",
    "show_toc_level": 2,
    "use_edit_page_button": False,
}

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more than the types do: shapes, dtypes, units
autodoc_default_options = {"members": True, "show-inheritance": True}
default_role = "py:obj"
numpydoc_show_class_members = False  # autodoc lists them

nitpick_ignore_regex = [
    (r"py:obj", r"[a-z_]+"),  # numpydoc writes the names of parameters as it does links
    # Links to other projects' pages would need the network to be checked.
    (
        r"py:.*",
        r"(abc|collections|concurrent|pathlib|blake3|bluesky|bluesky_tiled_plugins|dask|databroker|distributed|event_model|h5py|numpy|pandas|scipy|tiled|typer|xarray|analysis_store\.frames)(\..*)?",
    ),
]


def _resolve_short_name(app, env, node, content):
    """Link a name that is written without its module, if only one thing has it."""
    if node.get("refdomain") != "py":
        return None
    python = env.get_domain("py")
    found = python.find_obj(env, "", "", node["reftarget"].strip("()"), None, searchmode=1)
    if len(found) != 1:
        return None
    ((name, entry),) = found
    return make_refnode(app.builder, node.get("refdoc"), entry.docname, entry.node_id, content, name)


def setup(app):
    """Connect what this file adds."""
    app.connect("missing-reference", _resolve_short_name)
