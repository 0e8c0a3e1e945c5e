"""The places of a connection that parameters are read from, each with its values.

A new place needs a line in `PLACES`, a class in ``params`` (with ``in_``) and a function in ``param_functions``.
Documents and the fuzzer have lists of their own, which docs/architecture.md names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from starlette.requests import HTTPConnection

__all__ = ["PLACES", "Place"]


class Place(NamedTuple):
    """One place.

    Attributes:
        values: a function that returns the values of a connection by name: a multi-dict if a name may be repeated.
        is_compiled: whether the core reads single parameters of this place (``FieldOp`` in ``_core/plan``).
            `groups.read_field` reads the others, which costs Starlette's objects.
    """

    values: Callable[[HTTPConnection], Mapping[str, Any]]
    is_compiled: bool = False


#: The places by the value of ``in_``, in FastAPI's order, which is the order of errors.
PLACES: dict[str, Place] = {
    "path": Place(lambda connection: connection.path_params, is_compiled=True),
    "query": Place(lambda connection: connection.query_params, is_compiled=True),
    "header": Place(lambda connection: connection.headers, is_compiled=True),
    "cookie": Place(lambda connection: connection.cookies, is_compiled=True),
}
