"""``wirefast.run``: serve from a program, as ``uvicorn.run`` does. wirefast only."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from wirefast.run_options import RunOptions  # only type checkers need this import, which takes some milliseconds

__all__ = ["run"]


def run(app: Callable[..., Any] | str, **options: Unpack[RunOptions]) -> None:
    """Serve an application until a signal ends it: for ``python main.py`` and an editor's run button.

    The checks, the defaults and the exit codes are those of ``wirefast run``. As with ``uvicorn.run``, environment
    variables (``UVICORN_PORT``) are not read.

    Args:
        app: the application; with ``factory=True`` a function that returns the application; or the text that ``wirefast
            run`` takes, ``"main:app"`` or ``"main.py"``. ``reload`` and ``workers`` need the text: each of their
            processes imports the application.
        options: see `wirefast.run_options.RunOptions`. Default: those of ``wirefast run``.

    Raises:
        TypeError: an option with an unknown name.
        SystemExit: the server was refused, or did not start.
    """
    program: Any = importlib.import_module("wirefast.cli.program")
    code: int = program.serve(app, dict(options))
    if code:
        sys.exit(code)
