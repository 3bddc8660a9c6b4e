"""The same attention by others: each peer is a function of tokens and β, or absent where its library is.

softmax over j of β⟨x_i, x_j⟩, applied to the tokens themselves.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

Peer = Callable[[np.ndarray, float], Callable[[], np.ndarray]]


def numpy_blocks(tokens: np.ndarray, beta: float) -> Callable[[], np.ndarray]:
    """Rows in blocks of 1,000: what one writes in five minutes."""

    def run() -> np.ndarray:
        out = np.empty_like(tokens)
        for start in range(0, len(tokens), 1000):
            logits = beta * (tokens[start : start + 1000] @ tokens.T)
            kernel = np.exp(logits - logits.max(axis=1, keepdims=True))
            out[start : start + 1000] = (kernel @ tokens) / kernel.sum(axis=1, keepdims=True)
        return out

    return run


def torch_fused(tokens: np.ndarray, beta: float) -> Callable[[], np.ndarray]:
    """`torch.nn.functional.scaled_dot_product_attention`: the fused CPU kernel."""
    import torch

    x = torch.from_numpy(tokens)[None, None]
    return lambda: torch.nn.functional.scaled_dot_product_attention(x, x, x, scale=beta)[0, 0].numpy()


def keops(tokens: np.ndarray, beta: float) -> Callable[[], np.ndarray]:
    """KeOps' symbolic reduction, on the CPU."""
    import torch
    from pykeops.torch import LazyTensor

    x = torch.from_numpy(tokens)
    row, column = LazyTensor(x[:, None, :].contiguous()), LazyTensor(x[None, :, :].contiguous())

    def run() -> np.ndarray:
        logits = beta * (row | column)
        return logits.sumsoftmaxweight(LazyTensor(x[None, :, :].contiguous()), axis=1).numpy()

    return run


_SOURCE = r"""
#include <math.h>
#include <stdlib.h>
void attend(const REAL *x, REAL *out, long n, long d, REAL beta) {
#pragma omp parallel
  {
    REAL *sum = malloc(d * sizeof(REAL));
#pragma omp for schedule(static)
    for (long i = 0; i < n; i++) {
      REAL z = 0;
      for (long k = 0; k < d; k++) sum[k] = 0;
      for (long j = 0; j < n; j++) {
        REAL s = -1;
        for (long k = 0; k < d; k++) s += x[i * d + k] * x[j * d + k];
        REAL e = EXP(beta * s);
        z += e;
        for (long k = 0; k < d; k++) sum[k] += e * x[j * d + k];
      }
      for (long k = 0; k < d; k++) out[i * d + k] = sum[k] / z;
    }
    free(sum);
  }
}
"""


def c_loop(tokens: np.ndarray, beta: float) -> Callable[[], np.ndarray]:
    """A double loop in C, with the known largest logit, gcc -O3 -march=native -ffast-math -fopenmp."""
    single = tokens.dtype == np.float32
    folder = Path(tempfile.mkdtemp())
    (folder / "loop.c").write_text(_SOURCE)
    options = ["-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
    names = ["-DREAL=float", "-DEXP=expf"] if single else ["-DREAL=double", "-DEXP=exp"]
    subprocess.run(["gcc", *options, *names, "loop.c", "-o", "loop.so", "-lm"], cwd=folder, check=True)
    function = ctypes.CDLL(str(folder / "loop.so")).attend
    real = ctypes.c_float if single else ctypes.c_double
    out = np.empty_like(tokens)

    def run() -> np.ndarray:
        function(
            tokens.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_long(len(tokens)),
            ctypes.c_long(tokens.shape[1]),
            real(beta),
        )
        return out

    return run


def available() -> dict[str, Peer]:
    """The peers that can run here."""
    found: dict[str, Peer] = {"numpy": numpy_blocks}
    for name, module, peer in (("torch SDPA", "torch", torch_fused), ("pykeops", "pykeops", keops)):
        try:
            __import__(module)
        except ImportError:
            print(f"({name} is not installed: left out)")
            continue
        found[name] = peer
    if shutil.which("gcc"):
        found["C loop"] = c_loop
    else:
        print("(no gcc: C loop left out)")
    return found
