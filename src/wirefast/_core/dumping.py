"""pydantic models as values for JSON, also if pydantic's JSON mode raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def dumped(dump: Callable[..., Any], **options: Any) -> Any:
    """Return ``dump(mode="json")``, or ``mode="python"`` if pydantic raises: a lone surrogate in a key, deep values.

    Args:
        dump: ``model_dump`` of a model, or ``dump_python`` with its value.
        options: the options of both.
    """
    try:
        return dump(mode="json", **options)
    except UnicodeEncodeError:
        pass
    except ValueError as exc:
        # For deep values pydantic 2.12 says "depth exceeded".
        if not any(words in str(exc) for words in ("serialization depth", "depth exceeded", "surrogates not allowed")):
            raise
    return dump(mode="python", **options)
