"""The report of a run as one self-contained HTML page."""

from __future__ import annotations

from .document import render_report, write_report

__all__ = ["render_report", "write_report"]
