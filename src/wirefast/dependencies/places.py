"""Where parameters are read from: the places of a connection, each with the values that lie there.

A new place is its line in `PLACES`, its class in ``params`` (with ``in_``) and its function in ``param_functions``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection

__all__ = ["PLACES", "Place"]


class Place(NamedTuple):
    """One place.

    Attributes:
        values: what lies there, of a connection: by name, a multi-dict where a name may come more than once.
        is_compiled: whether the core reads single parameters from there (``FieldOp`` in ``_core/plan``).
            `groups.read_field` reads the others, which costs Starlette's objects.
    """

    values: Callable[[HTTPConnection], Mapping[str, Any]]
    is_compiled: bool = False


#: By the value of ``in_``, in FastAPI's order: errors come in it.
PLACES: dict[str, Place] = {
    "path": Place(lambda connection: connection.path_params, is_compiled=True),
    "query": Place(lambda connection: connection.query_params, is_compiled=True),
    "header": Place(lambda connection: connection.headers, is_compiled=True),
    "cookie": Place(lambda connection: connection.cookies, is_compiled=True),
}
