"""``wirefast schema TARGET``: an application's OpenAPI document as a file, without a server."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from wirefast.cli.errors import REFUSED, CommandError
from wirefast.cli.target import find_target

__all__ = ["schema"]


def schema(target: str, output: str = "-", app_dir: str = "", factory: bool = False) -> int:
    """Write the document of an application; return the exit code.

    Args:
        target: see ``Target.parse``.
        output: a file that ends in ``.json``, ``.yaml`` or ``.yml``; ``-`` for JSON on the standard output.
        app_dir: where a module is looked for, the working directory when empty.
        factory: whether the target is a function that returns the application.

    Raises:
        CommandError: something is wrong with the command line, the application, its document or the file.
    """
    to_text = _format_of(output)
    found = find_target(target, app_dir)
    application: Any = found.load()
    try:
        if factory:
            application = application()
        make = getattr(application, "openapi", None)
        if not callable(make):
            kind = type(application).__name__
            raise CommandError(f"{found.import_string!r} is of class {kind}, without an OpenAPI document; name an App")
        text = to_text(make())
    except CommandError:
        raise
    except Exception as exc:
        traceback.print_exception(exc)
        raise CommandError(
            f"{found.import_string!r} raised {type(exc).__name__} while its document was made, see above", REFUSED
        ) from None
    if output == "-":
        sys.stdout.write(text)
        return 0
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CommandError(f"--output '{output}' cannot be written: {exc.strerror or exc}", REFUSED) from None
    return 0


def _format_of(output: str) -> Any:
    """Return the function that writes a document as the text of a file, chosen by the file's ending."""
    suffix = Path(output).suffix.lower()
    if output == "-" or suffix == ".json":
        return _json
    if suffix not in (".yaml", ".yml"):
        raise CommandError(f"--output '{output}' says no format; name a file that ends in .json, .yaml or .yml")
    try:
        import yaml
    except ModuleNotFoundError:
        raise CommandError(
            "YAML needs PyYAML; write .json, or install the yaml extra: pip install 'wirefast[yaml]'", REFUSED
        ) from None
    return lambda document: yaml.safe_dump(document, allow_unicode=True, sort_keys=False)


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
