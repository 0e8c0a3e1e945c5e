"""The command that installs one of wirefast's extras, in the way that wirefast itself was installed."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["how_to_install"]


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra: from the checkout, file or repository of this wirefast, or by name.

    Args:
        extra: its name, such as ``server``.
    """
    import importlib.metadata  # a slow import, which most programs do not need

    try:
        distribution = importlib.metadata.distribution("wirefast")
    except importlib.metadata.PackageNotFoundError:
        return f"pip install 'wirefast[{extra}]'"
    installer = (distribution.read_text("INSTALLER") or "").strip()
    command = "uv pip install" if installer == "uv" else "pip install"
    return f"{command} {_what(extra, distribution.read_text('direct_url.json'))}"


def _what(extra: str, origin: str | None) -> str:
    """Return the arguments behind ``pip install``.

    Args:
        extra: its name.
        origin: the contents of ``direct_url.json`` (PEP 610); None if wirefast came from an index.
    """
    by_name = f"'wirefast[{extra}]'"
    try:
        told: dict[str, Any] = json.loads(origin or "{}")
        url = str(told["url"])
    except (KeyError, TypeError, ValueError):
        return by_name
    if "vcs_info" in told:
        return f"'wirefast[{extra}] @ {told['vcs_info'].get('vcs', 'git')}+{url}'"
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme != "file" or not os.path.exists(path):
        return by_name
    editable = "-e " if told.get("dir_info", {}).get("editable") else ""
    return f"{editable}'{path}[{extra}]'"
