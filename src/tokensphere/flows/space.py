"""Where tokens live: on the unit sphere, on the sphere with a norm of their own, or anywhere in R^d.

A flow names its space. Time steppers move *points*, rows of numbers of that space, and ask it for what they need: a
way back into the space after a step, and the length of an error.

    Sphere      points are tokens x, |x| = 1
    Stream      y = rθ, points are (θ, r): the residual stream of a Transformer, unit tokens θ with radii r > 0
    Euclidean   points are tokens in R^d
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import numpy as np

from tokensphere.errors import InputError, check_tokens
from tokensphere.jaxsetup import namespace, rowwise_dot

__all__ = ["EUCLIDEAN", "SPACES", "SPHERE", "STREAM", "AbstractSpace", "Euclidean", "Sphere", "Stream", "project"]


def project(tokens: Any, vectors: Any) -> Any:
    """P_x v = v − ⟨x, v⟩x, row by row (NumPy or JAX arrays)."""
    return vectors - rowwise_dot(tokens, vectors) * tokens


def lengths(rows: Any) -> Any:
    """|v_i| of every row, (n, 1) (NumPy or JAX arrays)."""
    return namespace(rows).sqrt(rowwise_dot(rows, rows))


class AbstractSpace(eqx.Module):
    """Points (n, width) of a space; arrays are NumPy's or JAX's."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name under which a stored state says what its points are."""

    @abc.abstractmethod
    def check(self, tokens: Any, radii: Any = None) -> np.ndarray:
        """Points of `tokens` (n, dim) and `radii` (n,) as a user gives them. **Raises:** `InputError`."""

    @abc.abstractmethod
    def retract(self, points: Any) -> Any:
        """Points near the space, as a step leaves them, put back into it."""

    @abc.abstractmethod
    def error(self, points: Any, errors: Any) -> Any:
        """The length (n,) of `errors` (n, width) at `points`, in radians or relative to the size of a token."""

    def split(self, points: Any) -> tuple[Any, Any]:
        """Tokens (n, dim) and radii (n,), or `None` for radii that the space has not; velocities split likewise."""
        return points, None

    def join(self, tokens: Any, radii: Any) -> Any:
        """Points of tokens and radii; the inverse of `split`."""
        return tokens

    def tangent(self, tokens: Any, vectors: Any) -> Any:
        """The part of `vectors` along which tokens can move."""
        return project(tokens, vectors)


class Sphere(AbstractSpace):
    """Unit tokens."""

    @property
    def name(self) -> str:
        return "sphere"

    def check(self, tokens: Any, radii: Any = None) -> np.ndarray:
        if radii is not None:
            raise InputError("this flow keeps no radii; leave them out, or use a scheme that does (such as 'pre')")
        return check_tokens(tokens)

    def retract(self, points: Any) -> Any:
        return points / lengths(points)

    def error(self, points: Any, errors: Any) -> Any:
        return lengths(project(points, errors))[:, 0]


class Stream(AbstractSpace):
    """Unit tokens θ and their radii r in the last column."""

    @property
    def name(self) -> str:
        return "stream"

    def check(self, tokens: Any, radii: Any = None) -> np.ndarray:
        unit = check_tokens(tokens)
        return np.concatenate([unit, check_radii(radii, len(unit))[:, None]], axis=1)

    def retract(self, points: Any) -> Any:
        tokens, radii = self.split(points)
        return self.join(tokens / lengths(tokens), radii)

    def error(self, points: Any, errors: Any) -> Any:
        tokens, radii = self.split(points)
        along, radial = self.split(errors)
        return namespace(points).hypot(lengths(project(tokens, along))[:, 0], radial / radii)

    def split(self, points: Any) -> tuple[Any, Any]:
        return points[:, :-1], points[:, -1]

    def join(self, tokens: Any, radii: Any) -> Any:
        return namespace(tokens, radii).concatenate([tokens, radii[:, None]], axis=1)


class Euclidean(AbstractSpace):
    """Tokens in R^d, any d ≥ 1; errors count relative to max(1, |x|)."""

    @property
    def name(self) -> str:
        return "euclidean"

    def check(self, tokens: Any, radii: Any = None) -> np.ndarray:
        if radii is not None:
            raise InputError("tokens in R^d have their length already; leave radii out")
        try:
            points = np.ascontiguousarray(tokens, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"tokens must be an array of numbers, got {type(tokens).__name__}") from None
        if points.ndim != 2 or 0 in points.shape:
            raise InputError(f"tokens must have shape (n, dim) with n >= 1 and dim >= 1, got {points.shape}")
        finite = np.isfinite(points).all(axis=1)
        if not finite.all():
            i = int(np.argmin(finite))
            raise InputError(f"token {i} is not finite: {points[i][:4]}")
        return points

    def retract(self, points: Any) -> Any:
        return points

    def error(self, points: Any, errors: Any) -> Any:
        return (lengths(errors) / namespace(points).maximum(1.0, lengths(points)))[:, 0]

    def tangent(self, tokens: Any, vectors: Any) -> Any:
        return vectors


SPHERE, STREAM, EUCLIDEAN = Sphere(), Stream(), Euclidean()
SPACES: dict[str, AbstractSpace] = {space.name: space for space in (SPHERE, STREAM, EUCLIDEAN)}


def check_radii(radii: Any, n: int) -> np.ndarray:
    """Radii as an (n,) float64 array: one positive number for all or one a token; `None` gives 1.

    **Raises:** `InputError` that names the first bad one.
    """
    try:
        array = np.asarray(1.0 if radii is None else radii, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"radii must be numbers, got {radii!r}") from None
    if array.shape not in ((), (n,)):
        raise InputError(f"radii must be a number or have shape ({n},), one a token, got {array.shape}")
    array = np.broadcast_to(array, (n,)).copy()
    bad = ~(np.isfinite(array) & (array > 0))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(f"radius {i} must be a finite number > 0, got {float(array[i])!r}")
    return array
