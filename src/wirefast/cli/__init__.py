"""The ``wirefast`` command: ``wirefast run TARGET`` serves an application with uvicorn. ``command`` lists all.

uvicorn handles the processes, the signals, TLS, the lifespan and every option. Its own click parameters are used
unchanged, so names, types, environment variables (``UVICORN_*``) and help texts are always uvicorn's. wirefast adds:

* the target may also be a path to a ``.py`` file;
* a few defaults (``OWN_DEFAULTS`` and the two protocol classes), by click's default map;
* one line on stderr for a mistake of the user, before anything has started.

Exit codes: 0 after a normal end, 1 when this machine refused (address taken, extra missing, the application's module
raised), 2 when the command line is wrong, 3 when the application did not start (uvicorn's code).
"""

from __future__ import annotations

from wirefast.cli.command import main as main
from wirefast.cli.command import make_command as make_command
from wirefast.cli.options import OWN_DEFAULTS as OWN_DEFAULTS
from wirefast.cli.options import PROTOCOLS as PROTOCOLS

__all__ = ["OWN_DEFAULTS", "PROTOCOLS", "main", "make_command"]
