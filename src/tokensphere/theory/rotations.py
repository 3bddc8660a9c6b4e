"""Rates on the circle when query-key and value matrices are rotations: complex growth rates.

B = s R(phi), V = v R(psi),  f(a) = v sin(a + psi) e^{beta s cos(a + phi)},  z(a) = e^{beta s cos(a + phi)}
F_k, G_k = (1/2 pi) integral (f, z) e^{i k a} da
USA  lambda_k = -i k (F_0 + F_k)                                  (shifted: times e^{-beta})
SA   lambda_k = -i k [F_0/G_0 + (F_k - (F_0/G_0) G_k)/G_0]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import check_beta
from ..special import check_degrees
from .growth import _LOG_MAX, RateOverflowError, check_flow, check_real

__all__ = ["rotation_rates"]


def rotation_rates(
    beta: float,
    degrees: Any,
    query_key_angle: float = 0.0,
    value_angle: float = 0.0,
    flow: str = "sa",
    *,
    query_key: float = 1.0,
    value: float = 1.0,
) -> np.ndarray:
    """Complex rates of e^{-i k theta}-perturbations of the uniform law on the circle.

    **Arguments:** `beta` >= 0; `degrees` >= 0, any shape; `query_key_angle` phi and `value_angle` psi in
    radians (counter-clockwise); `query_key` s; `value` v; `flow`.

    **Returns:** complex128 array of the shape of `degrees`; the real part is the growth rate. For phi = psi
    it is e^{-i k phi} k^2 I_k / beta (USA).

    **Raises:** InputError; RateOverflowError for rates above the float range.

    **Source:** derived. In dim 2 the uniform law is stationary for every pair of rotations.
    """
    beta, wanted, flow = check_beta(beta), check_degrees(degrees), check_flow(flow)
    s, v = check_real(query_key, "query_key"), check_real(value, "value")
    phi, psi = check_real(query_key_angle, "query_key_angle"), check_real(value_angle, "value_angle")
    z = abs(beta * s)
    # The shifted kernel is e^{beta(s cos - 1)}: shifted by beta, whatever s.
    log_scale = {"sa": 0.0, "usa": z, "usa-shifted": z - beta}[flow]
    if log_scale > _LOG_MAX - 10:
        way_out = "use flow='usa-shifted'" if flow == "usa" else "scale query_key down"
        raise RateOverflowError(f"the rates of flow='{flow}' at beta = {beta:g} overflow; {way_out}")
    # The trapezoidal rule is exact once the nodes outnumber the degree plus the width ~ sqrt(beta) of the
    # spectrum.
    top = int(wanted.max())
    nodes = 1 << int(2 * top + 20.0 * np.sqrt(z) + 64.0).bit_length()
    a = 2.0 * np.pi * np.arange(nodes) / nodes
    # cos - 1 and cos + 1 from half angles keep every digit at large beta.
    half = 0.5 * (a + phi)
    weight = np.exp(-2.0 * z * (np.sin(half) if s >= 0 else np.cos(half)) ** 2)
    force = np.fft.ifft(v * np.sin(a + psi) * weight)
    mass = np.fft.ifft(weight)
    if flow == "sa":
        mean = force[0] / mass[0]
        bracket = mean + (force[wanted] - mean * mass[wanted]) / mass[0]
    else:
        bracket = (force[0] + force[wanted]) * np.exp(log_scale)
    return np.asarray(-1j * wanted * bracket)
