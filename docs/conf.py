"""Sphinx settings: pages in Markdown, tutorials executed at build time, no outside requests."""

import sys
from pathlib import Path

import tokensphere

sys.path.insert(0, str(Path(__file__).parent))

project = "tokensphere"
author = "The tokensphere authors"
copyright = "2026, the tokensphere authors"
version = release = tokensphere.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "mathml"]
source_suffix = {".md": "myst-nb", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
html_math_renderer = "mathml"
default_role = "code"
# Docstrings show equations as indented lines, which reStructuredText reads as quotations.
suppress_warnings = ["docutils"]

html_theme = "pydata_sphinx_theme"
html_title = f"tokensphere {version}"
html_theme_options = {"navigation_with_keys": False, "show_prev_next": True, "footer_start": ["copyright"]}
html_sidebars = {"**": []}
