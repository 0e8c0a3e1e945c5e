"""Helpers for paths, routes and responses. FastAPI: ``fastapi.utils``."""

import re
from collections.abc import Collection
from typing import Any, Protocol

from wirefast.datastructures import Default, DefaultPlaceholder
from wirefast.dependencies.fields import create_model_field

__all__ = [
    "create_model_field",
    "deep_dict_update",
    "generate_unique_id",
    "get_path_param_names",
    "get_value_or_default",
    "is_body_allowed_for_status_code",
]

_RANGES = ("default", "1XX", "2XX", "3XX", "4XX", "5XX")


class _Route(Protocol):
    name: str
    path_format: str

    @property
    def methods(self) -> Collection[str] | None: ...


def is_body_allowed_for_status_code(status_code: int | str | None) -> bool:
    """Return whether a response of this ``status_code`` may have a body (RFC 9110, section 6.4.1).

    OpenAPI's keys ``None``, ``"default"`` and ranges such as ``"2XX"`` may have one, and every status but 1xx, 204, 205
    and 304.
    """
    if status_code is None or status_code in _RANGES:
        return True
    code = int(status_code)
    return code >= 200 and code not in (204, 205, 304)


def get_path_param_names(path: str) -> set[str]:
    """Return the names in braces of a formatted path (``/rooms/{room_id}``)."""
    return set(re.findall("{(.*?)}", path))


def generate_unique_id(route: _Route) -> str:
    """Return the default operation id of an HTTP route: name, path and lower-case method, ``_`` for punctuation."""
    if not route.methods:
        raise AssertionError
    method = next(iter(route.methods)).lower()
    return re.sub(r"\W", "_", f"{route.name}{route.path_format}") + f"_{method}"


def deep_dict_update(main_dict: dict[Any, Any], update_dict: dict[Any, Any]) -> None:
    """Merge ``update_dict`` into ``main_dict``: dicts key by key, lists one after the other; other values replace."""
    for key, value in update_dict.items():
        known = main_dict.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            deep_dict_update(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            main_dict[key] = known + value
        else:
            main_dict[key] = value


def get_value_or_default(first_item: Any, *extra_items: Any) -> Any:
    """Return the first item that is not a `DefaultPlaceholder`; ``first_item`` if all are.

    The first item is the innermost setting. FastAPI's placeholders count too: an included FastAPI router has them.
    """
    for item in (first_item, *extra_items):
        if type(item).__name__ != "DefaultPlaceholder":
            return item
    return first_item if isinstance(first_item, DefaultPlaceholder) else Default(first_item.value)
