"""The command line. Importing this package loads neither JAX nor SciPy; commands load what they need."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of `tokensphere`: exit code 0 done, 1 stopped on the way, 2 bad input, 130 interrupted."""
    from cyclopts import CycloptsError

    from tokensphere.errors import InputError

    from .app import app

    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(" ".join(str(error).split()), 2)
    except InputError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)
    except RuntimeError as error:
        if not type(error).__module__.startswith("tokensphere"):
            raise
        _fail(str(error), 1)


def _fail(message: str, code: int) -> None:
    print(f"tokensphere: {message}", file=sys.stderr)
    sys.exit(code)
