"""Warnings of mistakes in declarations that FastAPI accepts without a warning.

wirefast behaves as FastAPI does, so each mistake is a `DeclarationWarning` and no error. The warning names the line of
the endpoint, so Python shows it once.
"""

from __future__ import annotations

import difflib
import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlette.routing import BaseRoute

from wirefast._core.source_location import describe, place_of
from wirefast.dependencies.models import Dependant
from wirefast.exceptions import DeclarationWarning

__all__ = [
    "advise_of_handlers",
    "advise_of_missing_parentheses",
    "advise_of_path",
    "advise_of_repetition",
    "advise_of_socket_endpoint",
    "silence",
]

_is_silent = False

_PARAMETER = re.compile(r"{[a-zA-Z_][a-zA-Z0-9_]*(:[a-zA-Z_][a-zA-Z0-9_]*)?}")
#: Code that has one of these names may read path parameters by itself.
_READS_PATH = frozenset({"path_params", "scope"})


def silence() -> None:
    """Stop warning in this process: a service under FastAPI's name gets only FastAPI's warnings."""
    global _is_silent
    _is_silent = True


def _advise(function: Any, text: str) -> None:
    if _is_silent:
        return
    file, line = place_of(function)
    warnings.warn_explicit(f"{describe(function)}: {text}", DeclarationWarning, file, line)


def advise_of_missing_parentheses(decorator: str, function: Any) -> None:
    """Warn of a decorator that got the function in place of the path.

    Args:
        decorator: its name.
        function: the argument in the place of the path.
    """
    if callable(function):
        _advise(function, f'nothing was declared; write @{decorator}("/path") with parentheses and a path')


def advise_of_path(path: str, endpoint: Any) -> None:
    """Warn of a path that no request has.

    Args:
        path: the whole path.
        endpoint: the endpoint of the route.
    """
    if not path.startswith("/"):
        _advise(endpoint, f"the path {path!r} matches no request; begin it with a slash: {'/' + path!r}")
    rest = _PARAMETER.sub("", path)
    if "{" in rest or "}" in rest:
        _advise(endpoint, f"a brace in the path {path!r} is no parameter's; write {{name}} or {{name:convertor}}")


def advise_of_socket_endpoint(path: str, endpoint: Callable[..., Any], dependant: Dependant) -> None:
    """Warn once of a socket's endpoint that cannot be called or whose parameters do not mean what their author expects.

    Args:
        path: the whole path.
        endpoint: the declared endpoint.
        dependant: the parameters of the endpoint and its dependencies.
    """
    said = list(_mistakes_of(path, endpoint, dependant))
    if said:
        _advise(endpoint, "; ".join(said))


def _mistakes_of(path: str, endpoint: Callable[..., Any], dependant: Dependant) -> Iterator[str]:
    inner = inspect.unwrap(endpoint)
    if inspect.isfunction(inner) and inner.__name__ != "<lambda>" and not inspect.iscoroutinefunction(inner):
        if inspect.signature(inner).return_annotation in (inspect.Signature.empty, None, "None"):
            yield "a socket's endpoint is a coroutine function; write async def"
    if dependant.request_param_name:
        name = dependant.request_param_name
        yield f"a socket has no Request, so {name!r} is missing in each call; write {name}: WebSocket"
    tree = list(_tree(dependant))
    if not any(each.websocket_param_name or each.http_connection_param_name for each in tree):
        first = next(iter(inspect.signature(inner).parameters.values()), None) if inspect.isfunction(inner) else None
        if first is not None and first.annotation is first.empty and first.default is first.empty:
            if first.name in {field.alias for field in dependant.query_params}:
                yield (
                    f"{first.name!r} has no annotation, so it is a required query parameter; "
                    f"write {first.name}: WebSocket for the socket"
                )
    missing = _not_taken(path, tree)
    if missing and not any(_reads_path(each.call) for each in tree):
        names = ", ".join(sorted(map(repr, missing)))
        yield "; ".join([f"the path {path!r} has a parameter that is not taken: {names}", *_near_names(missing, tree)])


def _not_taken(path: str, tree: list[Dependant]) -> set[str]:
    return set(dependant_path_names(path)) - {field.alias for each in tree for field in each.path_params}


def _near_names(missing: set[str], tree: list[Dependant]) -> list[str]:
    """Return a text for each name of a path that is not taken and is like that of a query parameter."""
    queried = [field.name for each in tree for field in each.query_params]
    near = [(name, found) for name in sorted(missing) if (found := _nearest(name, queried))]
    return [f"{found!r} is a query parameter; did you mean {name!r}?" for name, found in near]


def advise_of_handlers(path: str, before: Iterable[Dependant], handlers: Iterable[tuple[Any, Dependant]]) -> None:
    """Warn of handlers of typed messages with a query parameter that is named like a path parameter which none takes.

    Args:
        path: the path of the route.
        before: the dependencies of the route.
        handlers: each function with its Dependant.
    """
    trees = [(function, list(_tree(dependant))) for function, dependant in handlers]
    whole = [each for one in before for each in _tree(one)] + [each for _, tree in trees for each in tree]
    missing = _not_taken(path, whole)
    for function, tree in trees:
        hints = _near_names(missing, tree)
        if hints and not any(_reads_path(each.call) for each in whole):
            _advise(function, "; ".join(hints))


def _nearest(name: str, others: list[str]) -> str | None:
    """Return the one that is spelled like a name, or is a word of the name, such as ``id`` of ``room_id``."""
    near = difflib.get_close_matches(name, others, n=1)
    words = [other for other in others if other in name.split("_") or name in other.split("_")]
    return next(iter([*near, *words]), None)


def dependant_path_names(path: str) -> list[str]:
    """Return the names of a path's parameters, in order."""
    return [found.group()[1:-1].partition(":")[0] for found in _PARAMETER.finditer(path)]


def _tree(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for child in dependant.dependencies:
        yield from _tree(child)


def _reads_path(call: Any) -> bool:
    code = getattr(inspect.unwrap(call), "__code__", None) if callable(call) else None
    return code is None or not _READS_PATH.isdisjoint(code.co_names)


def advise_of_repetition(routes: Iterable[BaseRoute], path: str, methods: Iterable[str] | None, endpoint: Any) -> None:
    """Warn of a route that an earlier route hides: the same path and, for HTTP, the same method.

    Args:
        routes: the earlier routes.
        path: the whole path.
        methods: HTTP methods; None for a socket.
        endpoint: the endpoint of the new route.
    """
    for route in routes:
        if getattr(route, "path", None) != path or not hasattr(route, "endpoint"):
            continue
        known = getattr(route, "methods", None)
        both = known is None if methods is None else known is not None and not known.isdisjoint(methods)
        if both:
            first: Any = route.endpoint
            _advise(endpoint, f"the route {path!r} is declared already, and only the first is used: {describe(first)}")
            return
