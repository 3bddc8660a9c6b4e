"""The commands and their names. A new command is one file and one line here."""

from __future__ import annotations

from cyclopts import App

import tokensphere

from .explain_attention import explain_attention
from .predict import predict
from .report import report
from .reproduce import reproduce
from .run import run
from .sweep import sweep

__all__ = ["app"]

app = App(
    name="tokensphere",
    help="Simulate, predict and measure how tokens cluster in deep Transformers.",
    version=tokensphere.__version__,
    suppress_keyboard_interrupt=False,
)
app.command(predict)
app.command(run)
app.command(sweep)
app.command(reproduce)
app.command(report)
app.command(explain_attention)
