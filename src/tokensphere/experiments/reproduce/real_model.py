"""Cosines of tokens in a trained model (C23): what theory expects, and why nothing is measured here.

Cosines c_ij of ALBERT-XLarge v2 at layers 0, 5, 30, 48                                           [survey, Figure 1]
"""

from __future__ import annotations

import numpy as np

from tokensphere.experiments.catalogue import Curve, Outcome, Panel, Progress
from tokensphere.experiments.verdicts import not_applicable
from tokensphere.theory import equiangular_layer_path

__all__ = ["trained_model"]

_LAYERS = (0, 5, 30, 48)
_N, _BETA, _STEPS = 128, 1.0, (0.05, 0.1, 0.2)


def trained_model(progress: Progress) -> Outcome:
    """C23: the histogram of cosines at four layers of ALBERT-XLarge v2, which shares its weights between layers.

    Nothing is loaded: the panel is the common cosine of equiangular tokens at the same depths.
    """
    progress(0.0, "equiangular tokens at the depths of the figure")
    depths = np.arange(_LAYERS[-1] + 1)
    curves, said, data = [], [], {"layers": np.array(_LAYERS)}
    for i, step in enumerate(_STEPS):
        rho = equiangular_layer_path(int(depths[-1]), step, _BETA, _N).rho
        curves.append(Curve(f"step {step:g}", depths, rho, predicted=True, color=i))
        curves.append(Curve("", np.array(_LAYERS), rho[list(_LAYERS)], "points", predicted=True, color=i))
        said.append("/".join(f"{rho[layer]:.2f}" for layer in _LAYERS) + f" for step {step:g}")
        data[f"cosine_{i}"] = rho
    reason = (
        "there are no tokens of a trained model in this package, and none are downloaded; equiangular tokens "
        f"(Post-LN, V = B = I, n = {_N}, beta = {_BETA:g}, from orthogonal ones) have the common cosine "
        f"{', '.join(said)} at layers 0/5/30/48: a histogram that narrows and moves to 1"
    )
    verdict = not_applicable("histogram of cosines, ALBERT-XLarge v2, layers 0, 5, 30, 48", reason)
    title = f"what equiangular theory expects, n = {_N}, β = {_BETA:g}, V = B = I"
    return Outcome((verdict,), (Panel(title, "layer", "common cosine of two tokens", tuple(curves)),), data)
