"""A progress line for long runs: live on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tokensphere.studies import Progress

__all__ = ["Line", "ProgressLine", "clock"]

_LIVE_SECONDS = 0.1
_PLAIN_SECONDS = 10.0


class Line:
    """One line that is written again and again on a terminal, and now and then as a line of its own elsewhere."""

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._live = sys.stderr.isatty()
        self._every = _LIVE_SECONDS if self._live else _PLAIN_SECONDS
        self._shown_at = time.monotonic() - (0.0 if not self._live else self._every)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Make room for other lines."""
        if self._enabled and self._live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def show(self, text: Callable[[], str]) -> None:
        """Show `text()`, if it is time to."""
        now = time.monotonic()
        if not self._enabled or now - self._shown_at < self._every:
            return
        self._shown_at = now
        if self._live:
            print(f"\r\033[K{text()}", end="", file=sys.stderr, flush=True)
        else:
            print(text(), file=sys.stderr, flush=True)


class ProgressLine(Line):
    """Shows time, step size, largest order parameters and remaining time; called after every step."""

    def __init__(self, enabled: bool = True) -> None:
        super().__init__(enabled)
        self._first: tuple[float, float] | None = None

    def __call__(self, progress: Progress) -> None:
        if self._first is None:
            self._first = (progress.t, progress.seconds)
        self.show(lambda: self._text(progress))

    def _text(self, progress: Progress) -> str:
        assert self._first is not None
        done, spent = progress.t - self._first[0], progress.seconds - self._first[1]
        left = (progress.t_end - progress.t) * spent / done if done > 0 else float("nan")
        order = progress.order
        largest = sorted(range(len(order)), key=lambda i: -order[i])[:3]
        shown = "  ".join(f"A{i + 1}={order[i]:.3g}" for i in largest)
        remaining = "" if left != left else f"  {clock(left)} left"
        return (
            f"t = {progress.t:.4g} of {progress.t_end:g}  step {progress.step_size:.2g} (#{progress.steps})  "
            f"{shown}  {progress.frames} frames{remaining}"
        )


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
