"""``wirefast.run(app, ...)``: the server of the command, started by a program."""

from __future__ import annotations

import difflib
import sys
from typing import Any

from wirefast.cli.errors import REFUSED, CommandError, complain, flag
from wirefast.extras import how_to_install

__all__ = ["serve"]

_is_serving = False


def serve(app: Any, given: dict[str, Any]) -> int:
    """Serve, and return the exit code.

    Args:
        app: an application, a factory, or a TARGET as text.
        given: the options that the program sets, by their names in Python.

    Raises:
        TypeError: an option with an unknown name.
    """
    global _is_serving
    # This process imports the module while its run() is called, or a new process does that has to serve it.
    if _is_serving or sys._getframe(2).f_globals.get("__name__") == "__mp_main__":
        raise RuntimeError(
            'wirefast.run() was called while its application was imported; write it below: if __name__ == "__main__":'
        )
    try:
        from wirefast.cli.serving import defaults, start  # the command's packages, when a server is started
    except ModuleNotFoundError as exc:
        if exc.name not in ("click", "uvicorn"):
            raise
        return complain(
            f"no server is installed ({exc}); install the server extra: {how_to_install('server')}", REFUSED
        )
    options = defaults()
    for name in given:
        if name not in options and name != "app_dir":
            near = difflib.get_close_matches(name, options, n=1)
            raise TypeError(
                f"run() has no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else f" ({flag(name)})")
            )
    options.update(given)
    if "log_config" in given and given["log_config"] is None:
        options["log_config"] = False  # as for uvicorn.run: logging stays as the program has set it up
    _is_serving = True
    try:
        if not isinstance(app, str):
            _check_object(app, options)
        return start(app, options, options.pop("app_dir", None), given.keys())
    except CommandError as exc:
        return complain(str(exc), exc.code)
    except KeyboardInterrupt:
        return 0
    finally:
        _is_serving = False


def _check_object(app: Any, options: dict[str, Any]) -> None:
    """Refuse options of other processes for an object: those processes import the application by its name."""
    for name, needed in (("reload", options["reload"]), ("workers", (options["workers"] or 1) > 1)):
        if needed:
            raise CommandError(
                f"{name}= starts processes that import the application, so pass its name instead of the object: "
                f"wirefast.run({_name_of(app)!r}, ...)"
            )
    if options["as_fastapi"]:
        raise CommandError(
            f"as_fastapi= has to come before the application is imported, so pass its name: {_name_of(app)!r}"
        )


def _name_of(app: Any) -> str:
    """Return the name by which other processes import an object of the program's main module."""
    main: Any = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    file: str = getattr(main, "__file__", None) or "main.py"
    module = spec.name if spec is not None else file.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    names = [name for name, value in vars(main).items() if value is app] if main is not None else []
    return f"{module}:{names[0] if names else 'app'}"
