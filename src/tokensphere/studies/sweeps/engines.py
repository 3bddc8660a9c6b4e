"""Where the tasks of a sweep are carried out: in this process, in processes beside it, on a Dask or Slurm cluster.

The engines are existing ones; here is only the thin side that speaks to them. Each yields, in any order, events:
a task has started, a run has ended, a task has ended.
"""

from __future__ import annotations

import abc
import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokensphere.errors import InputError

from ..folder import RunError
from .plan import Task

if TYPE_CHECKING:
    from .work import Result

__all__ = ["Dask", "Engine", "Event", "InProcess", "Processes", "Submitit"]

_POLL = 0.5


@dataclass(frozen=True)
class Event:
    """Task number `task` has started, or (with `results`) has ended, or (`partial`) one of its runs has."""

    task: int
    results: tuple[Result, ...] | None = None
    partial: bool = False


class Engine(abc.ABC):
    """A place where tasks are carried out."""

    @abc.abstractmethod
    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Event]:
        """Carry out `tasks` of the sweep in `folder`.

        **Raises:** `KeyboardInterrupt`, after what runs here has saved its checkpoints; :class:`RunError` if the
        engine fails or the disk is full.
        """


class InProcess(Engine):
    """One task after another in this process."""

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Event]:
        from .work import carry

        for number, task in enumerate(tasks):
            yield Event(number)
            yield Event(number, tuple(carry(task, str(folder))))


@dataclass
class Processes(Engine):
    """`workers` spawned processes on this machine, which share out its cores."""

    workers: int

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Event]:
        import multiprocessing

        if not tasks:
            return
        from .work import carry

        context = multiprocessing.get_context("spawn")  # a fork after JAX has started its threads may hang
        count = min(self.workers, len(tasks))
        numbers = context.Queue()
        for i in range(count):
            numbers.put(i)
        pool = ProcessPoolExecutor(
            count, mp_context=context, initializer=_settle, initargs=(numbers, count, os.getpid())
        )
        waiting = list(range(len(tasks)))[::-1]
        going: dict[Future[list[Result]], int] = {}
        try:
            while waiting or going:
                while waiting and len(going) < count:
                    number = waiting.pop()
                    going[pool.submit(carry, tasks[number], str(folder))] = number
                    yield Event(number)
                for future in wait(going, return_when=FIRST_COMPLETED).done:
                    yield Event(going.pop(future), tuple(future.result()))
        except BrokenProcessPool:
            raise RunError("a worker process was killed; what it saved is kept: give the same command again") from None
        finally:
            # Runs that are going on come to their next step, save a checkpoint and end.
            for process in list((pool._processes or {}).values()) if going else ():
                with contextlib.suppress(OSError, ValueError):
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)


def _settle(numbers: Any, count: int, parent: int) -> None:
    """Give this worker its share of the cores, and end it if its parent goes away."""
    number = numbers.get()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        share = max(1, len(cores) // count)
        first = number * share % len(cores)
        os.sched_setaffinity(0, cores[first : first + share])

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        os._exit(1)  # as a kill would: everything saved stays whole

    threading.Thread(target=watch, daemon=True).start()


@dataclass
class Dask(Engine):
    """A Dask cluster: the address of its scheduler, or a client."""

    address: Any

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Event]:
        try:
            from distributed import Client, as_completed
        except ImportError:
            raise InputError("--dask needs dask.distributed: pip install 'tokensphere[cluster]'") from None
        from .work import carry

        given = not isinstance(self.address, str)
        try:
            client = self.address if given else Client(self.address, timeout="10s")
        except OSError as error:
            raise InputError(f"--dask {self.address}: no scheduler answers there ({error})") from None
        try:
            futures = {
                # pure=False: a task that is given again must be carried out again
                client.submit(carry, task, str(folder.absolute()), pure=False): number
                for number, task in enumerate(tasks)
            }
            yield from (Event(number) for number in range(len(tasks)))
            for future in as_completed(list(futures)):
                yield Event(futures[future], _result(future.result, "Dask"))
        finally:
            if not given:
                client.close()


@dataclass
class Submitit(Engine):
    """Jobs of submitit: `cluster` "slurm", "local" (processes) or "debug" (this process); `options` of the jobs."""

    cluster: str
    options: dict[str, Any] = field(default_factory=dict)

    def run(self, tasks: Sequence[Task], folder: Path) -> Iterator[Event]:
        try:
            import submitit
        except ImportError:
            raise InputError("--slurm and --submitit need submitit: pip install 'tokensphere[cluster]'") from None
        from .work import carry

        try:
            executor = submitit.AutoExecutor(folder=folder / "jobs", cluster=self.cluster)
            executor.update_parameters(name="tokensphere", **{"timeout_min": 60} | self.options)
        except (ValueError, TypeError, NameError, RuntimeError) as error:
            raise InputError(f"submitit on '{self.cluster}' refuses: {' '.join(str(error).split())}") from None
        with executor.batch():
            jobs = [executor.submit(carry, task, str(folder.absolute())) for task in tasks]
        left = dict(enumerate(jobs))
        yield from (Event(number) for number in left)
        try:
            while left:
                for number in [number for number, job in left.items() if job.done()]:
                    yield Event(number, _result(left.pop(number).result, "submitit"))
                if left:
                    time.sleep(_POLL)
        except KeyboardInterrupt:
            for job in left.values():
                job.cancel(check=False)
            raise


def _result(get: Any, engine: str) -> tuple[Result, ...]:
    """The results of a remote task; what its process died of becomes a `RunError`."""
    try:
        return tuple(get())
    except RunError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines()
        raise RunError(
            f"a job of {engine} ended with {type(error).__name__}: {said[-1] if said else 'no message'}; "
            "what it saved is kept: give the same command again"
        ) from None
