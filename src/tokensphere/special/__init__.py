"""Special functions of the sphere: Bessel ratios, Gegenbauer polynomials, Funk-Hecke eigenvalues."""

from .bessel import bessel_ratio, bessel_ratios, log_scaled_partition, mean_resultant
from .funk_hecke import (
    funk_hecke,
    funk_hecke_exponential,
    log_funk_hecke,
    log_funk_hecke_exponential,
)
from .gegenbauer import basis_coefficient, check_degrees, gegenbauer, laplacian_eigenvalue, multiplicity

__all__ = [
    "basis_coefficient",
    "bessel_ratio",
    "bessel_ratios",
    "check_degrees",
    "funk_hecke",
    "funk_hecke_exponential",
    "gegenbauer",
    "laplacian_eigenvalue",
    "log_funk_hecke",
    "log_funk_hecke_exponential",
    "log_scaled_partition",
    "mean_resultant",
    "multiplicity",
]
