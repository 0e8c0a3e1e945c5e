"""``wirefast schema --check OLD TARGET``: find the changes of an application's document that break older clients."""

from __future__ import annotations

import sys
from typing import Literal

from wirefast.cli.described import document_of, read_document
from wirefast.cli.errors import REFUSED, CommandError
from wirefast.documents.comparison.documents import IncomparableDocuments, find_breaks

__all__ = ["check_schema"]


def check_schema(old: str, target: str, app_dir: str = "", factory: bool = False) -> int:
    """Print each breaking change in one line; return 1 for any, else 0.

    Args:
        old: a JSON file with an OpenAPI or AsyncAPI document; the application's document of the same kind is compared.
        target: see ``Target.parse``.
        app_dir: the directory of the module; the working directory when empty.
        factory: whether the target is a function that returns the application.

    Raises:
        CommandError: something is wrong with the command line, a document or the application.
    """
    document = read_document(old, "--check")
    kind: Literal["openapi", "asyncapi"] = "asyncapi" if "asyncapi" in document else "openapi"
    try:
        breaks = find_breaks(document, document_of(target, kind, app_dir, factory))
    except IncomparableDocuments as exc:
        raise CommandError(f"--check '{old}': {exc}") from None
    except (KeyError, AttributeError, TypeError, RecursionError) as exc:
        raise CommandError(f"--check '{old}' is damaged: {exc!r}") from None
    sys.stdout.writelines(f"{line}\n" for line in breaks)
    return REFUSED if breaks else 0
