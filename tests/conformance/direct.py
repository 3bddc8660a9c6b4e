"""Direct sums in NumPy: the oracles of the conformance suites, written with nothing of the package."""

import numpy as np

__all__ = ["attended", "circle_sums", "energy", "project", "random_tokens", "rotation", "velocity"]


def random_tokens(rng, n, dim):
    rows = rng.standard_normal((n, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rotation(rng, dim, sign=1):
    """A random orthogonal matrix of determinant `sign`."""
    q, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    q[:, 0] *= sign * np.sign(np.linalg.det(q))
    return q


def project(x, v):
    return v - np.sum(x * v, axis=1, keepdims=True) * x


def attended(queries, keys, values=None, weights=None, beta=1.0):
    """log Σ_j w_j e^{β⟨q_i,y_j⟩} and the weighted mean of the values, by log-sum-exp."""
    n = len(keys)
    values = keys if values is None else values
    weights = np.full(n, 1.0 / n) if weights is None else weights
    kept = weights > 0
    logits = beta * (queries @ keys[kept].T) + np.log(weights[kept])
    top = logits.max(axis=1, keepdims=True)
    terms = np.exp(logits - top)
    total = terms.sum(axis=1, keepdims=True)
    return (top + np.log(total))[:, 0], terms @ values[kept] / total


def circle_sums(theta, at, masses, beta):
    """Σ_j w_j e^{β(cos(θ_j−φ)−1)} {1, sin(θ_j−φ)} at the angles φ, from differences of angles only."""
    z, force = np.empty(at.size), np.empty(at.size)
    for start in range(0, at.size, 50):
        part = slice(start, start + 50)
        gap = theta[None, :] - at[part, None]
        # 1 − cos = 2 sin² keeps the relative accuracy of small gaps
        terms = masses * np.exp(-2 * beta * np.sin(gap / 2) ** 2)
        z[part], force[part] = terms.sum(axis=1), (terms * np.sin(gap)).sum(axis=1)
    return z, force


def _matrix(given, dim):
    return (
        np.eye(dim) if given is None else np.asarray(given, dtype=float) * (np.eye(dim) if np.ndim(given) == 0 else 1)
    )


def velocity(tokens, weights, beta, value, query_key, kind, skip_self=False, causal=False):
    """dx_i/dt term by term, token by token, as the formula is written. `kind`: sa, usa or usa-shifted."""
    n, dim = tokens.shape
    v, b = _matrix(value, dim), _matrix(query_key, dim)
    weights = np.full(n, 1.0 / n) if weights is None else weights
    out = np.zeros((n, dim))
    for i, x in enumerate(tokens):
        kernel = np.array([w * np.exp(beta * (x @ b @ y - 1.0)) for y, w in zip(tokens, weights, strict=True)])
        if skip_self:
            kernel[i] = 0.0
        if causal:
            kernel[i + 1 :] = 0.0
        scale = 1.0 / kernel.sum() if kind == "sa" else np.exp(beta) if kind == "usa" else 1.0
        attention = scale * sum(c * (v @ y) for c, y in zip(kernel, tokens, strict=True))
        out[i] = attention - (x @ attention) * x
    return out


def energy(tokens, weights, beta, query_key=None, shifted=False):
    """(1/2β) Σ_ij w_i w_j e^{β(x_iᵀB x_j − shifted)} in extended precision."""
    x, w = tokens.astype(np.longdouble), weights.astype(np.longdouble)
    gram = x @ _matrix(query_key, tokens.shape[1]).astype(np.longdouble) @ x.T
    return w @ np.exp(beta * (gram - shifted)) @ w / (2 * np.longdouble(beta))
