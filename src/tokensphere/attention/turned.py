"""What many tokens on the circle receive, from Z and the force along the circle in one compiled pass.

Its logarithm is one that compilers vectorise: z = 2^e m with m ∈ [1/√2, √2), and with f = m − 1, s = f/(2 + f), u = s²

    log m = 2 artanh s = 2s (1 + u R(u)),      2s = f − f²/2 + s f²/2,

R a polynomial on [0, (√2 − 1)²/(√2 + 1)²], the whole to 3e-20 before rounding; f has no error of rounding, and so
stands in front. The exponent is cut out of the bits of z, and log 2 is added in two parts, the first short enough for
e · log 2 to be exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from tokensphere.parallel import Mesh
from tokensphere.threads import in_chunks

from .compiled import compiled
from .rows import far_rows

__all__ = ["Turned", "bits_of", "log", "number_of", "turned"]

_R = (
    0.3333333333333333,
    0.2000000000000044,
    0.14285714285401807,
    0.11111111195856958,
    0.09090897820066453,
    0.07693119851407329,
    0.06634386569328443,
    0.06543313073920051,
)
_LOG2_HIGH, _LOG2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_ONE = int(np.float64(1.0).view(np.int64))
_ABOVE_ROOT = _ONE - int(np.sqrt(np.float64(0.5)).view(np.int64))  # moves m ≥ 1/√2 to the next exponent
_EXPONENT = 0x7FF << 52
_MAGIC = int(np.float64(2.0**52).view(np.int64))  # its last bits are an integer, read as a number
_BIASED = 2.0**52 + 1023


@intrinsic
def bits_of(_context: Any, x: Any) -> Any:
    """The bits of a number as a signed integer: positive numbers, ∞ and NaN above them, keep their order."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def number_of(_context: Any, bits: Any) -> Any:
    """The number that has these bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


def log(z: Any) -> Any:
    """log z for 2^−1022 ≤ z < ∞; anything else gives a number without meaning."""
    raise NotImplementedError("compiled code only")


@overload(log, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _log_for(z: Any) -> Any:
    def double(z: Any) -> Any:
        bits: Any = bits_of(z)  # type: ignore[call-arg]
        exponent = (bits + _ABOVE_ROOT) & _EXPONENT
        f: Any = number_of(bits - exponent + _ONE) - 1.0
        e = number_of((exponent >> 52) | _MAGIC) - _BIASED
        s = f / (f + 2.0)
        u = s * s
        p = _R[7] * u + _R[6]
        p = p * u + _R[5]
        p = p * u + _R[4]
        p = p * u + _R[3]
        p = p * u + _R[2]
        p = p * u + _R[1]
        p = p * u + _R[0]
        half = 0.5 * f * f
        return e * _LOG2_HIGH + (f - (half - (s * (half + 2.0 * u * p) + e * _LOG2_LOW)))

    return double


@compiled({"contract", "nsz"})
def turned(both: Any, coordinates: Any, scale: float, shift: float, log_z: Any, mean: Any) -> Any:
    """log Z_i + shift and (F_i/Z_i) (−y_i, x_i) from Z_i and scale · F_i.

    **Arguments:** `both` (2n,): Z_0, scale · F_0, Z_1, …; `coordinates` (2n,): x_0, y_0, x_1, …; `log_z` (n,) and
    `mean` (2n,) are written. Where Z_i is not positive, both are without meaning.

    **Returns:** the least and the largest Z. A least one that is not positive says no more than that there is one
    such; where there is NaN, one of the two is not positive or NaN.
    """
    low: Any = bits_of(both[0])  # type: ignore[call-arg]
    high = low
    for i in range(log_z.size):
        z = both[2 * i]
        bits = bits_of(z)
        low, high = min(low, bits), max(high, bits)  # of floats they would keep the loop from being vectorised
        along = both[2 * i + 1] / (scale * z)
        mean[2 * i] = -along * coordinates[2 * i + 1]
        mean[2 * i + 1] = along * coordinates[2 * i]
        log_z[i] = log(z) + shift
    return number_of(low), number_of(high)


@dataclass(frozen=True)
class Turned:
    """Z_i and the force F_i along the circle as they come out of a transform; see :class:`.spectral.Receipt`.

    `both` (m,) holds Z_i + scale · F_i · √−1; `points` (m, 2); `size` the root mean square of Z over the circle.
    """

    both: np.ndarray
    scale: float
    points: np.ndarray
    size: float

    @property
    def z(self) -> np.ndarray:
        """Z (m,)."""
        z: np.ndarray = self.both.real
        return z

    @property
    def sums(self) -> np.ndarray:
        """F_i (−y_i, x_i), (m, 2)."""
        along = self.both.imag / self.scale
        return np.stack([-along * self.points[:, 1], along * self.points[:, 0]], axis=1)

    def normalised(self, shift: float, threshold: float, mesh: Mesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log Z + shift, the mean and the far rows; the object stays as it is."""
        log_z, mean = np.empty(len(self.points)), np.empty(self.points.shape)
        extremes: list[tuple[float, float]] = []

        def turn(part: slice) -> None:
            both, points = self.both[part].view(np.float64), self.points[part].reshape(-1)
            extremes.append(turned(both, points, self.scale, shift, log_z[part], mean[part].reshape(-1)))

        in_chunks(len(log_z), turn)
        least, largest = np.array(extremes).T
        return log_z, mean, far_rows(self.z, self.size, threshold, mesh, (float(least.min()), float(largest.max())))
