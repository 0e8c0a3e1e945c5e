"""``wirefast dev TARGET``: ``run`` for the developer of the application."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wirefast.cli.errors import CommandError
from wirefast.cli.serving import run

__all__ = ["dev"]

#: Without a TARGET the first existing one of these files is served; ``fastapi dev`` looks for the same files.
USUAL_FILES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")


def dev(target: str | None, app_dir: str, **options: Any) -> int:
    """Serve with reload, and say where the pages are; the body of ``wirefast dev``.

    Args:
        target: see ``Target.parse``; None for the first existing one of `USUAL_FILES`.
        app_dir: see `wirefast.cli.serving.run`.
        options: those of ``run``.

    Raises:
        CommandError: there is no target and none of the files; see also `wirefast.cli.serving.run`.
    """
    if target is None:
        found = [name for name in USUAL_FILES if Path(app_dir, name).is_file()]
        if not found:
            raise CommandError(f"there is no {', '.join(USUAL_FILES[:-1])} or {USUAL_FILES[-1]} here; name a .py file")
        target, app_dir = str(Path(app_dir, found[0])), ""
    return run(target, app_dir, shows_pages=True, **options)
