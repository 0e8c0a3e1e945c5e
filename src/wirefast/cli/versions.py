"""``wirefast --version``: the facts that a report of a problem needs."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import platform
from pathlib import Path

__all__ = ["version", "version_lines"]


def version() -> str:
    """Return the version of the installed package."""
    return importlib.metadata.version("wirefast")


def version_lines() -> str:
    """Return the version, the compiled modules, the event loop, the server and Python, a line each."""
    return "\n".join(
        [
            f"wirefast {version()}",
            f"compiled: {_compiled()}",
            f"event loop: {_installed('uvloop') or 'asyncio (uvloop is not installed)'}",
            f"server: {_installed('uvicorn') or 'none (uvicorn is not installed)'}",
            f"Python: {platform.python_implementation()} {platform.python_version()}, "
            f"{platform.system()} {platform.machine()}",
        ]
    )


def _compiled() -> str:
    """Return the number of wirefast's compiled modules, and the versions of two compiled packages that it uses."""
    root = Path(__file__).parents[1]
    endings = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    modules = sum(path.name.endswith(endings) for path in root.rglob("*.*"))
    return ", ".join([f"{modules} modules of wirefast", *filter(None, map(_installed, ("orjson", "pydantic-core")))])


def _installed(name: str) -> str | None:
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return None
