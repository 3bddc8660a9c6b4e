"""The command line. Importing this package loads neither JAX nor SciPy; commands load what they need."""

from __future__ import annotations

import sys

__all__ = ["failure", "main"]


def main() -> None:
    """Entry point of `tokensphere`: exit code 0 done, 1 stopped on the way, 2 bad input, 130 interrupted."""
    from .app import app

    try:
        app(exit_on_error=False, print_error=False)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except (Exception, KeyboardInterrupt) as error:
        explained = failure(error)
        if explained is None:
            raise
        print(f"tokensphere: {explained[0]}", file=sys.stderr)
        sys.exit(explained[1])


def failure(error: BaseException) -> tuple[str, int] | None:
    """The message for a person and the exit code of an error; `None` for one that needs its stack trace."""
    from cyclopts import CycloptsError

    from tokensphere.errors import InputError

    if isinstance(error, CycloptsError):
        return " ".join(str(error).split()), 2
    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, OSError):
        return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1
    if isinstance(error, RuntimeError) and type(error).__module__.startswith("tokensphere"):
        return str(error), getattr(error, "exit_code", 1)
    return None
