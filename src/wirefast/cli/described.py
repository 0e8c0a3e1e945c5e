"""The common part of commands that write a document or a client of an application."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any, Literal

from wirefast.cli.errors import REFUSED, CommandError
from wirefast.cli.target import find_target

__all__ = ["document_of", "read_document", "write"]


def document_of(
    target: str, method: Literal["openapi", "asyncapi"], app_dir: str = "", factory: bool = False
) -> dict[str, Any]:
    """Return a document of an application, without a server.

    Args:
        target: see ``Target.parse``.
        method: ``"openapi"`` or ``"asyncapi"``, the method that makes the document.
        app_dir: the directory of the module; the working directory when empty.
        factory: whether the target is a function that returns the application.

    Raises:
        CommandError: something is wrong with the command line, the application or its document.
    """
    found = find_target(target, app_dir)
    application: Any = found.load()
    words = {"openapi": "an OpenAPI document", "asyncapi": "an AsyncAPI document"}[method]
    try:
        if factory:
            application = application()
        make = getattr(application, method, None)
        if not callable(make):
            kind = type(application).__name__
            raise CommandError(f"{found.import_string!r} is of class {kind}, without {words}; name an App")
        document: dict[str, Any] = make()
    except CommandError:
        raise
    except Exception as exc:
        traceback.print_exception(exc)
        raise CommandError(
            f"{found.import_string!r} raised {type(exc).__name__} while its document was made, see above", REFUSED
        ) from None
    return document


def read_document(name: str, option: str) -> dict[str, Any]:
    """Return the document in a JSON file.

    Args:
        name: the name of the file.
        option: the name of the option, for errors.

    Raises:
        CommandError: there is no such file, or it has no JSON object.
    """
    try:
        document = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as exc:
        raise CommandError(f"{option} '{name}' cannot be read: {exc.strerror or exc}") from None
    except (ValueError, RecursionError) as exc:
        raise CommandError(f"{option} '{name}' is no JSON: {exc}") from None
    if not isinstance(document, dict):
        raise CommandError(f"{option} '{name}' has no JSON object")
    return document


def write(text: str, output: str) -> None:
    """Write text to a file; ``-`` is the standard output.

    Raises:
        CommandError: the file cannot be written.
    """
    if output == "-":
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise CommandError(f"--output '{output}' cannot be written: {exc.strerror or exc}", REFUSED) from None
