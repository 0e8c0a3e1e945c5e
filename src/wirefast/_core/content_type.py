"""Content types, read by the standard library's e-mail parser as in FastAPI."""

from __future__ import annotations

from email.message import Message
from functools import lru_cache


def is_json_media_type(value: bytes) -> bool:
    """Whether a Content-Type header names JSON: ``application/json`` or ``application/*+json``, parameters aside."""
    # The header comes from the client, so the cache has a bound of entries and of their length.
    return _remembered(value) if len(value) <= 128 else _is_json(value)


def _is_json(value: bytes) -> bool:
    message = Message()
    message["content-type"] = value.decode("latin-1")
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


_remembered = lru_cache(maxsize=128)(_is_json)
