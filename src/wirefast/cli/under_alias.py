"""The application of ``wirefast run --as-fastapi``, in the process that serves it: the alias first, then the target."""

from __future__ import annotations

import importlib
import os
from typing import Any

#: The environment variable with the target, which workers and the reloader's child inherit.
VARIABLE = "WIREFAST_AS_FASTAPI"


def load(import_string: str) -> Any:
    """Return what ``module:attribute`` names, imported with wirefast under the name ``fastapi``."""
    importlib.import_module("wirefast.as_fastapi")
    module, _, path = import_string.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def __getattr__(name: str) -> Any:
    if name == "application" and VARIABLE in os.environ:
        return load(os.environ[VARIABLE])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
