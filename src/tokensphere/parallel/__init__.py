"""One run over many processes, hosts and devices: who takes part, how tokens are divided, how numbers are summed.

Importing this package loads neither JAX nor NumPy; `connect`, `TokenMesh` and `Shard` load what they need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .placement import Placement, from_environment

if TYPE_CHECKING:
    from .mesh import SERIAL, Mesh, PeerLost, Serial, TokenMesh, connect
    from .shard import Shard, shard_block

_HOMES = {
    "mesh": ("SERIAL", "Mesh", "PeerLost", "Serial", "TokenMesh", "connect"),
    "shard": ("Shard", "shard_block"),
}

__all__ = [
    "SERIAL",
    "Mesh",
    "PeerLost",
    "Placement",
    "Serial",
    "Shard",
    "TokenMesh",
    "connect",
    "from_environment",
    "shard_block",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
