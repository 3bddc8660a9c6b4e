"""Small studies and what their run folders hold, for the tests of studies, experiments and the command line."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import zarr

from tokensphere import studies

# The Fourier sum needs no compilation, which would take most of the time of so small a run.
SMALL = {
    "flow.attention": "circle",
    "tokens.n": 600,
    "solve.t_end": 0.1,
    "solve.frames": 6,
    "solve.rtol": 1e-6,
    "solve.checkpoint_seconds": 0.0,
}
DIM3 = {
    "flow.attention": "dense",
    "tokens.dim": 3,
    "tokens.n": 60,
    "solve.method": "tsit5",
    "solve.t_end": 0.2,
    "measure.exit": 0.4,
    "measure.degrees": 4,
}


def study(**settings):
    """A small study; double underscores stand for dots: `flow__beta=7`."""
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    return studies.Study().with_settings(SMALL | dotted)


def settle(folder, **settings):
    """Run a small study in `folder` to its verdicts; returns (prepared, outcome)."""
    prepared = studies.prepare(study(**settings))
    prediction = studies.predict_study(prepared)
    return prepared, studies.carry_out(prepared, Path(folder), prediction=prediction)


def digests(folder):
    """SHA-256 of every file under `folder`/run.zarr, by name."""
    root = Path(folder) / "run.zarr"
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def committed(folder):
    """The commit mark of a run that another process may be writing; 0 before there is one."""
    try:
        return int(zarr.open_group(str(Path(folder) / "run.zarr"), mode="r").attrs["n_frames"])
    except (FileNotFoundError, KeyError):
        return 0


def write_study(path, settings):
    """A study file with these dotted settings."""
    sections = {}
    for key, value in settings.items():
        *section, name = key.split(".")
        text = f'"{value}"' if isinstance(value, str) else str(value).lower()
        sections.setdefault(".".join(section), []).append(f"{name} = {text}")
    blocks = [*sections.pop("", []), *(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items())]
    path.write_text("\n".join(blocks) + "\n")
    return path


def start_process(*arguments, cwd):
    """`tokensphere ARGUMENTS` in a process of its own."""
    command = [sys.executable, "-c", "from tokensphere.cli import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop_at(process, folder, frames, number, seed=0):
    """Send signal `number` a random moment after `frames` frames; returns (exit code, stderr)."""
    limit = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < limit and committed(folder) < frames:
        time.sleep(0.005)
    time.sleep(random.Random(seed).uniform(0.0, 0.05))
    if process.poll() is None:
        os.kill(process.pid, number)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def killed(code):
    """Whether this exit code is that of SIGKILL."""
    return code == -signal.SIGKILL
