"""``wirefast.run``: serve from a program, as ``uvicorn.run`` does. wirefast only."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from wirefast.run_options import RunOptions  # some milliseconds, which only a type checker needs

__all__ = ["run"]


def run(app: Callable[..., Any] | str, **options: Unpack[RunOptions]) -> None:
    """Serve an application until a signal ends it: for ``python main.py`` and an editor's run button.

    What ``wirefast run`` checks is checked here, its defaults hold, and its exit codes end the program; environment
    variables (``UVICORN_PORT``) are not read, as by ``uvicorn.run``.

    Args:
        app: the application; a function that returns it, with ``factory=True``; or what ``wirefast run`` takes as text,
            ``"main:app"`` or ``"main.py"``, as ``reload`` and ``workers`` need it, whose processes import it afresh.
        options: see `wirefast.run_options.RunOptions`. Default: those of ``wirefast run``.

    Raises:
        TypeError: there is no option of a name.
        SystemExit: the server was refused, or did not start.
    """
    program: Any = importlib.import_module("wirefast.cli.program")
    code: int = program.serve(app, dict(options))
    if code:
        sys.exit(code)
