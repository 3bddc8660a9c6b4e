"""Small sweeps and the bytes of their runs."""

import hashlib
from pathlib import Path

from studies.small_runs import write_study

from tokensphere.studies.sweeps import InProcess, plan_sweep, run_sweep

# The Fourier sum needs no compilation; each run takes a few steps.
CIRCLE = {
    "flow.attention": "circle",
    "tokens.n": 60,
    "solve.t_end": 0.1,
    "solve.frames": 4,
    "solve.rtol": 1e-5,
    "solve.checkpoint_seconds": 0.0,
}
LANES = {
    "flow.kind": "sa",
    "tokens.n": 6,
    "tokens.dim": 3,
    "solve.method": "rk4",
    "solve.step_size": 0.02,
    "solve.t_end": 0.4,
    "solve.frames": 5,
    "solve.checkpoint_seconds": 0.0,
    "measure.degrees": 2,
}
OVER = ["beta=1,2", "seed=0:2"]


def plan(folder, settings=CIRCLE, over=OVER, **options):
    """The plan of a sweep whose study file is put into `folder`."""
    Path(folder).mkdir(exist_ok=True)
    return plan_sweep(str(write_study(Path(folder) / "small.toml", settings)), over=over, **options)


def sweep(tmp_path, settings=CIRCLE, engine=None, out="out", over=OVER, **options):
    return run_sweep(plan(tmp_path, settings, over), tmp_path / out, engine or InProcess(), **options)


def all_digests(folder):
    """SHA-256 of every file of a sweep, by path; the wall clock is in none of them."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file() and "jobs" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stamps(folder):
    """Time of the last change of every file of the runs."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("run-*/**/*") if path.is_file()}
