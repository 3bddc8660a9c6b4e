"""Which process of a team this one is: read from what `srun` and `mpirun` leave in the environment.

| launcher | rank, size | place on its host | where process 0 listens |
|---|---|---|---|
| Slurm | `SLURM_PROCID`, `SLURM_NTASKS` | `SLURM_LOCALID` | first host of `SLURM_STEP_NODELIST` |
| Open MPI | `OMPI_COMM_WORLD_RANK`, `_SIZE` | `OMPI_COMM_WORLD_LOCAL_RANK`, `_SIZE` | the host of `mpirun` |
| MPICH, Intel MPI | `PMI_RANK`, `PMI_SIZE` | `MPI_LOCALRANKID`, `MPI_LOCALNRANKS` | this host, if all are here |
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from tokensphere.errors import InputError

__all__ = ["Placement", "from_environment"]

_FIRST_PORT, _PORTS = 61440, 4096  # above the ports that a kernel hands out by itself


@dataclass(frozen=True)
class Placement:
    """`rank` of `size` processes, `local_rank` of the `local_size` on this host, and where process 0 listens."""

    rank: int
    size: int
    coordinator: str
    local_rank: int = 0
    local_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise InputError(f"process {self.rank} of {self.size}: the rank must lie in 0..{self.size - 1}")
        host, _, port = self.coordinator.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise InputError(f"the coordinator must be host:port, as node1:7000, got {self.coordinator!r}")


def from_environment(coordinator: str | None = None, environment: Mapping[str, str] | None = None) -> Placement:
    """The placement of a process started by `srun` or `mpirun`.

    **Arguments:** `coordinator` "host:port" where process 0 listens, needed where the environment does not tell;
    `environment`, by default that of this process.

    **Raises:** `InputError` if no launcher is recognised, a number is missing, or the coordinator is unknown.
    """
    env = os.environ if environment is None else environment
    if "SLURM_PROCID" in env and "SLURM_NTASKS" in env:
        found = _slurm(env)
    elif "OMPI_COMM_WORLD_RANK" in env:
        found = _open_mpi(env)
    elif "PMI_RANK" in env:
        found = _pmi(env)
    else:
        raise InputError(
            "--distributed needs srun or mpirun: none of SLURM_PROCID, OMPI_COMM_WORLD_RANK, PMI_RANK is set; "
            "on one machine use --processes N"
        )
    rank, size, local_rank, local_size, place = found
    place = coordinator or place
    if place is None:
        raise InputError("where process 0 listens is not known here; give --coordinator host:port to all processes")
    return Placement(rank, size, place, local_rank, local_size)


_Found = tuple[int, int, int, int, str | None]


def _number(env: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = env.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise InputError(f"{name} must be a whole number, got {text!r}") from None


def _port(job: str) -> int:
    """A port that all processes of one job agree on and two jobs on one host seldom share."""
    return _FIRST_PORT + zlib.crc32(job.encode()) % _PORTS


def _slurm(env: Mapping[str, str]) -> _Found:
    rank, size = _number(env, "SLURM_PROCID"), _number(env, "SLURM_NTASKS")
    hosts = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST")
    job = f"{env.get('SLURM_JOB_ID', '')}.{env.get('SLURM_STEP_ID', '')}"
    place = f"{first_host(hosts)}:{_port(job)}" if hosts else None
    # as "2(x3),1": tasks on every node; the first number serves when all nodes are alike
    tasks = re.match(r"\d+", env.get("SLURM_STEP_TASKS_PER_NODE", ""))
    return rank, size, _number(env, "SLURM_LOCALID", 0), int(tasks.group()) if tasks else 1, place


def first_host(nodes: str) -> str:
    """The first host of a Slurm list: `"node[03-05,9],gpu1"` → `"node03"`."""
    first = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,\[]*))?", nodes.strip())
    if first is None:
        raise InputError(f"SLURM_STEP_NODELIST holds no host: {nodes!r}")
    return "".join(part or "" for part in first.groups())


def _open_mpi(env: Mapping[str, str]) -> _Found:
    rank, size = _number(env, "OMPI_COMM_WORLD_RANK"), _number(env, "OMPI_COMM_WORLD_SIZE")
    local_rank = _number(env, "OMPI_COMM_WORLD_LOCAL_RANK", 0)
    local_size = _number(env, "OMPI_COMM_WORLD_LOCAL_SIZE", 1)
    job = env.get("OMPI_MCA_ess_base_jobid") or env.get("PMIX_NAMESPACE") or ""
    host = "127.0.0.1" if local_size == size else None
    if host is None and (found := re.search(r"tcp://([0-9.]+)[,:]", env.get("OMPI_MCA_orte_hnp_uri", ""))):
        host = found.group(1)
    return rank, size, local_rank, local_size, f"{host}:{_port(job)}" if host and job else None


def _pmi(env: Mapping[str, str]) -> _Found:
    rank, size = _number(env, "PMI_RANK"), _number(env, "PMI_SIZE")
    local_rank, local_size = _number(env, "MPI_LOCALRANKID", 0), _number(env, "MPI_LOCALNRANKS", 1)
    job = env.get("PMI_PORT") or env.get("PMI_ID") or env.get("PMI_JOBID") or ""
    place = f"127.0.0.1:{_port(job)}" if local_size == size and job and size > 1 else None
    return rank, size, local_rank, local_size, place
