"""Items that cost nothing, for the runner and the command."""

import numpy as np

from tokensphere.experiments import compare, not_applicable
from tokensphere.experiments.catalogue import Curve, Image, Item, Outcome, Panel
from tokensphere.experiments.reproduce import Entry

X = np.linspace(0.0, 1.0, 5)


def outcome(measured=1.0):
    panel = Panel("a line", "time t", "x (1)", (Curve("a", X, X**2), Curve("b", X, X, "points", X - 0.1, X + 0.1)))
    image = Image("an image", "time t", "angle (rad)", np.eye(3), (0.0, 1.0, -1.0, 1.0), label="density", log=True)
    verdicts = (compare("one", 1.0, measured, 0.1, unit="rad"), not_applicable("two", "no theory"))
    return Outcome(verdicts, (panel, image), {"squares": X**2, "count": 3, "measured": measured, "name": "it"})


def entry(name="T1", run=None, seconds=1.0):
    """An entry whose item is the function `run`; `entry.calls` lists what it was told."""

    calls = []

    class Made(Entry):
        def load(self):
            def counted(progress):
                calls.append(self.id)
                return (run or (lambda progress: outcome()))(progress)

            return Item(self.id, self.title, self.source, self.seconds, counted)

    made = Made(name, f"Title of {name}", "derived", seconds, "rates:dominant_degrees")
    object.__setattr__(made, "calls", calls)  # entries are frozen
    return made
