"""``wirefast client TARGET``: a typed client of an application's sockets, as one file, without a server."""

from __future__ import annotations

from pathlib import Path

from wirefast.cli.described import document_of, read_document, write
from wirefast.cli.errors import CommandError
from wirefast.clients.python import make_python
from wirefast.clients.reading import UnreadableDocument
from wirefast.clients.typescript import make_typescript

__all__ = ["LANGUAGES", "client"]

LANGUAGES = {"ts": make_typescript, "python": make_python}
_ENDINGS = {".ts": "ts", ".mts": "ts", ".py": "python"}


def client(target: str, lang: str | None = None, output: str = "-", app_dir: str = "", factory: bool = False) -> int:
    """Write a client; return the exit code.

    Args:
        target: see ``Target.parse``; or a file that ends in ``.json``, with an AsyncAPI document.
        lang: one of `LANGUAGES`. Default: by the ending of the output.
        output: a file; ``-`` for the standard output.
        app_dir: the directory of the module; the working directory when empty.
        factory: whether the target is a function that returns the application.

    Raises:
        CommandError: something is wrong with the command line, the application, its document or the file.
    """
    lang = lang or _ENDINGS.get(Path(output).suffix.lower())
    if lang is None:
        languages = " or ".join(f"--lang {name}" for name in LANGUAGES)
        raise CommandError(f"the language is not known; add {languages}, or -o with {' or '.join(_ENDINGS)}")
    if target.endswith(".json"):
        document = read_document(target, "TARGET")
    else:
        document = document_of(target, "asyncapi", app_dir, factory)
    try:
        text = LANGUAGES[lang](document)
    except UnreadableDocument as exc:
        raise CommandError(f"'{target}': {exc}") from None
    write(text, output)
    return 0
