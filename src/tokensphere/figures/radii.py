"""The radii of the tokens against time, for schemes that keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .reading import describe, time_label
from .style import ENERGY, headline, in_style, new_figure, short

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = ["radii"]


@in_style
def radii(
    run: xarray.Dataset, setting: Setting, prediction: EmergencePrediction | None, seen: EmergenceMeasurement
) -> Figure:
    """Median, 10–90 % and the whole range over the tokens of the radii r."""
    times, values = run.time.values, run.radii.values
    least, low, middle, high, most = np.quantile(values, (0.0, 0.1, 0.5, 0.9, 1.0), axis=1)
    figure = new_figure(3.6)
    axes = figure.subplots()
    axes.fill_between(times, least, most, color=ENERGY, alpha=0.15, linewidth=0, label="all tokens")
    axes.fill_between(times, low, high, color=ENERGY, alpha=0.3, linewidth=0, label="10 to 90 %")
    axes.plot(times, middle, color=ENERGY, label="median")
    axes.set_xlim(float(times[0]), float(times[-1]))
    axes.set_xlabel(time_label(setting))
    axes.set_ylabel("radius $r$")
    axes.legend(frameon=False, loc="best")
    axes.set_title(describe(run, setting))
    headline(figure, f"Radii from {short(middle[0])} to {short(middle[-1])} (median)")
    return figure
