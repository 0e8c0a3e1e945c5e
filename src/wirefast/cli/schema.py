"""``wirefast schema TARGET``: an application's OpenAPI or AsyncAPI document as a file, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wirefast.cli.described import document_of, write
from wirefast.cli.errors import REFUSED, CommandError
from wirefast.cli.schema_check import check_schema
from wirefast.extras import how_to_install

__all__ = ["schema"]


def schema(
    target: str,
    output: str = "-",
    app_dir: str = "",
    factory: bool = False,
    asyncapi: bool = False,
    check: str | None = None,
) -> int:
    """Write the document of an application; return the exit code.

    Args:
        target: see ``Target.parse``.
        output: a file that ends in ``.json``, ``.yaml`` or ``.yml``; ``-`` for JSON on the standard output.
        app_dir: the directory of the module; the working directory when empty.
        factory: whether the target is a function that returns the application.
        asyncapi: whether the AsyncAPI document is written; otherwise OpenAPI's.
        check: an older document; then the application's document is compared with it and not written.

    Raises:
        CommandError: something is wrong with the command line, the application, its document or the file.
    """
    if check is not None:
        if output != "-" or asyncapi:
            raise CommandError("--check writes no document; leave out --output and --asyncapi")
        return check_schema(check, target, app_dir, factory)
    to_text = _format_of(output)
    write(to_text(document_of(target, "asyncapi" if asyncapi else "openapi", app_dir, factory)), output)
    return 0


def _format_of(output: str) -> Any:
    """Return the function that writes a document as the text of a file, chosen by the file's ending."""
    suffix = Path(output).suffix.lower()
    if output == "-" or suffix == ".json":
        return _json
    if suffix not in (".yaml", ".yml"):
        raise CommandError(f"--output '{output}' says no format; name a file that ends in .json, .yaml or .yml")
    try:
        import yaml  # an extra
    except ModuleNotFoundError:
        raise CommandError(
            f"YAML needs PyYAML; write .json, or install the yaml extra: {how_to_install('yaml')}", REFUSED
        ) from None
    return lambda document: yaml.safe_dump(document, allow_unicode=True, sort_keys=False)


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
