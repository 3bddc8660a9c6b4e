"""The contract of a mean-field equation: tokens as a density, in one geometry, given by coefficients.

    ∂_t μ = −div(μ χ[μ]) + τ Δμ
    SA           χ = (v/β) ∇ log ∫ e^{β⟨·,y⟩} dμ(y)
    USA          χ = v ∇ ∫ W(⟨·,y⟩) dμ(y),     W(q) = e^{βq}/β     (shifted: e^{β(q−1)}/β)

An equation is a frozen record of numbers and of its resolution. It turns coefficients into their rate of change and
into numbers; time stepping is :func:`tokensphere.solve.evolve`. The noise term is diagonal in a spectral basis
(`damping`), and time steppers treat it exactly.
"""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from tokensphere.errors import InputError, check_beta
from tokensphere.theory.growth import check_flow, check_real

__all__ = ["AbstractMeanField"]


@dataclass(frozen=True)
class AbstractMeanField(abc.ABC):
    """One equation in one geometry.

    **Fields:** `beta` > 0; `flow`, "sa", "usa" or "usa-shifted"; `resolution`, the highest degree kept (or the
    number of points); `value` v, a number; `noise` τ ≥ 0, of √(2τ) dW.

    **Raises:** `InputError` naming the field.
    """

    beta: float
    flow: str = "sa"
    resolution: int = 64
    value: float = 1.0
    noise: float = 0.0

    geometry: ClassVar[str]
    dim: ClassVar[int | None] = None

    @property
    def scale(self) -> float:
        """log of what the kernel e^{β(q−1)} is multiplied by: β, or 0 where the flow is shifted."""
        return 0.0 if self.flow == "usa-shifted" else self.beta

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", check_beta(self.beta))
        if self.beta == 0.0:
            raise InputError("beta must be > 0 for a mean-field equation")
        check_flow(self.flow)
        if self.flow == "usa" and self.beta > 700:
            raise InputError(f"e^beta is not a float at beta = {self.beta:g}; use flow='usa-shifted'")
        if not isinstance(self.resolution, (int, np.integer)) or self.resolution < 4:
            raise InputError(f"resolution must be a whole number >= 4, got {self.resolution!r}")
        object.__setattr__(self, "resolution", int(self.resolution))
        object.__setattr__(self, "value", check_real(self.value, "value"))
        object.__setattr__(self, "noise", check_real(self.noise, "noise", 0.0))

    # -- the equation -----------------------------------------------------------------------------------------

    @abc.abstractmethod
    def check(self, coefficients: Any) -> np.ndarray:
        """The coefficients as an array of the right kind and shape. **Raises:** `InputError`."""

    @abc.abstractmethod
    def rate(self, coefficients: np.ndarray) -> np.ndarray:
        """dc/dt of the transport term alone; where the noise is not diagonal, of both."""

    @abc.abstractmethod
    def damping(self) -> np.ndarray:
        """τΛ of every coefficient (≥ 0), of the shape of the coefficients: dc/dt = rate(c) − damping · c."""

    # -- what a state shows -----------------------------------------------------------------------------------

    @abc.abstractmethod
    def mass(self, coefficients: np.ndarray) -> float:
        """∫ dμ, which is 1 but for rounding."""

    @abc.abstractmethod
    def least(self, coefficients: np.ndarray) -> float:
        """The smallest value of the density with respect to the uniform probability, on the grid of the equation."""

    @abc.abstractmethod
    def energy(self, coefficients: np.ndarray) -> float:
        """½ ∬ W dμ dμ, with the W of the flow (that of "usa" for SA; inf where that is no float)."""

    @abc.abstractmethod
    def dissipation(self, coefficients: np.ndarray) -> float:
        """dE/dt along the transport term: v⁻¹ ∫ |χ|² dμ for USA, v⁻¹ ∫ Z_μ |χ|² dμ for SA, Z_μ = ∫ e^{β⟨x,y⟩} dμ."""

    @abc.abstractmethod
    def order(self, coefficients: np.ndarray, degrees: Any) -> np.ndarray:
        """Order parameters A_k ≥ 0 of the given degrees, A_k² = ∬ P_k(⟨x,y⟩) dμ dμ."""

    @abc.abstractmethod
    def tail(self, coefficients: np.ndarray) -> float:
        """Largest of the last tenth of the spectrum over the largest of degree ≥ 1 (0 where all of these vanish)."""

    @abc.abstractmethod
    def speed_squared(self, coefficients: np.ndarray) -> float:
        """∫ |χ|² dμ, the mean squared speed without noise."""

    @abc.abstractmethod
    def entropy(self, coefficients: np.ndarray) -> float:
        """∫ u log u dσ ≥ 0 of the density u with respect to the uniform probability σ; NaN where u < 0 somewhere.

        With noise, USA raises the free energy E − τ ∫ u log u dσ / v.
        """

    def size(self, coefficients: np.ndarray) -> float:
        """What the error of a time step is relative to: the largest coefficient of degree ≥ 1."""
        return float(np.abs(coefficients[1:]).max())

    # -- resolution -------------------------------------------------------------------------------------------

    def refined(self, resolution: int) -> Self:
        """The same equation with another resolution."""
        return dataclasses.replace(self, resolution=resolution)

    @abc.abstractmethod
    def lift(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients of another resolution as coefficients of this one: filled up with zeros, or cut."""
