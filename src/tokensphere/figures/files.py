"""All figures of a run, and figures as files."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .density import density
from .energy import energy
from .order import order_parameters
from .radii import radii
from .style import DPI, in_style
from .trajectories import trajectories

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from tokensphere.experiments.emergence import EmergenceMeasurement, Setting
    from tokensphere.theory import EmergencePrediction

__all__ = ["emergence_figures", "png_bytes", "save_figures"]


def emergence_figures(
    run: xarray.Dataset,
    setting: Setting,
    prediction: EmergencePrediction | None,
    seen: EmergenceMeasurement,
) -> dict[str, Figure]:
    """Every figure of the emergence experiment: trajectories, order_parameters, density and energy, and radii
    where the run has them.

    **Arguments:** `run` as opened from its folder; `setting` and `prediction` of the experiment (`None`: no theory
    speaks about this flow); `seen`, what was measured in the run.

    **Raises:** `InputError` if matplotlib is not installed.
    """
    makers = {
        "trajectories": trajectories,
        "order_parameters": order_parameters,
        "density": density,
        "energy": energy,
        **({"radii": radii} if "radii" in run else {}),
    }
    return {name: make(run, setting, prediction, seen) for name, make in makers.items()}


@in_style
def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file in memory; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save_figures(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    """Write `folder/NAME.png` for every figure, each whole or not at all, and return the paths.

    The folder is made if it does not exist.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        path = place / f"{name}.png"
        temporary = path.with_name(path.name + ".partial")
        try:
            temporary.write_bytes(png_bytes(figure))
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        paths.append(path)
    return paths
