"""Tokens on the unit sphere S^(dim-1): geometry, samplers, files and harmonic moments.

Everything here is plain NumPy and loads light; SciPy, ducc0 and safetensors are imported when first needed.
"""

from __future__ import annotations

from .files import load_tokens
from .geometry import angles, chordal, from_angles, geodesic, normalize, project
from .harmonics import harmonic_power, moments
from .matrices import MATRIX_LAWS, random_matrix
from .perturbed import equispaced, perturbed_uniform, quiet
from .poisson import poisson_kernel
from .random import cap, mixture, uniform, von_mises_fisher
from .shared import shared_power
from .span import in_span
from .structured import equiangular

__all__ = [
    "MATRIX_LAWS",
    "angles",
    "cap",
    "chordal",
    "equiangular",
    "equispaced",
    "from_angles",
    "geodesic",
    "harmonic_power",
    "in_span",
    "load_tokens",
    "mixture",
    "moments",
    "normalize",
    "perturbed_uniform",
    "poisson_kernel",
    "project",
    "quiet",
    "random_matrix",
    "shared_power",
    "uniform",
    "von_mises_fisher",
]
