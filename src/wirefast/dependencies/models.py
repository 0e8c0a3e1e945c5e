"""Dependant: the declarations of one callable, and the kind of call that it needs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal

from wirefast._core.scope import FromScope
from wirefast._core.source_location import innermost
from wirefast.concurrency import DependencyConcurrency
from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.markers import is_security_scheme
from wirefast.exceptions import EndpointContext

if sys.version_info >= (3, 13):
    from inspect import iscoroutinefunction
else:
    from asyncio import iscoroutinefunction

CallKind = Literal["coroutine", "generator", "async generator", "function"]


@dataclass(slots=True)
class Dependant:
    """The analysed signature of an endpoint or dependency, with its sub-dependencies in order.

    FastAPI's ``dependencies.models.Dependant``: integrations read it and wrap its ``call``.
    """

    path_params: list[ModelField] = field(default_factory=list)
    query_params: list[ModelField] = field(default_factory=list)
    header_params: list[ModelField] = field(default_factory=list)
    cookie_params: list[ModelField] = field(default_factory=list)
    body_params: list[ModelField] = field(default_factory=list)
    dependencies: list[Dependant] = field(default_factory=list)
    name: str | None = None
    call: Callable[..., Any] | None = None
    request_param_name: str | None = None
    websocket_param_name: str | None = None
    http_connection_param_name: str | None = None
    response_param_name: str | None = None
    background_tasks_param_name: str | None = None
    security_scopes_param_name: str | None = None
    #: Parameters that get an object of the scope, each with the class of the object.
    from_scope: dict[str, type[FromScope]] = field(default_factory=dict)
    #: More parameters for the connection, as containers add them: ("http", "websocket" or "any", name).
    other_connections: list[tuple[str, str]] = field(default_factory=list)
    own_oauth_scopes: list[str] | None = None
    parent_oauth_scopes: list[str] | None = None
    use_cache: bool = True
    path: str | None = None
    scope: Literal["function", "request", "message"] | None = None
    concurrency: DependencyConcurrency | None = None
    #: Parameters of places that FastAPI does not have, by place.
    other_params: dict[str, list[ModelField]] = field(default_factory=dict)
    #: Made by wirefast without a signature: only its dependencies are analysed again if overrides apply.
    made_here: bool = False

    def params_of(self, place: str) -> list[ModelField]:
        """Return the parameters of a place of `places.PLACES`; the caller may add to the list."""
        if place in ("path", "query", "header", "cookie"):
            named: list[ModelField] = getattr(self, f"{place}_params")
            return named
        return self.other_params.setdefault(place, [])


def _unpartial(call: Any) -> Any:
    while isinstance(call, partial):
        call = call.func
    return call


def _unwrapped(call: Any) -> Any:
    return inspect.unwrap(_unpartial(call))


class _ByIdentity:
    """A cache key that neither hashes nor compares the callable itself."""

    __slots__ = ("call",)

    def __init__(self, call: Any) -> None:
        self.call = call

    def __hash__(self) -> int:
        return id(self.call)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.call is other.call


def _answers(call: Any, predicate: Callable[[Any], bool], *, routines_only: bool = False) -> bool:
    """Whether the function, its wrapped original, or the ``__call__`` of either satisfies the predicate."""
    plain, unwrapped = _unpartial(call), _unwrapped(call)
    for candidate in (plain, unwrapped):
        if (not routines_only or inspect.isroutine(candidate)) and predicate(candidate):
            return True
    if inspect.isclass(unwrapped):
        return False
    for candidate in (plain, unwrapped):
        dunder_call = getattr(candidate, "__call__", None)  # noqa: B004 - the bound method itself is examined
        if dunder_call is None:
            return False
        if predicate(_unpartial(dunder_call)) or predicate(_unwrapped(dunder_call)):
            return True
    return False


@lru_cache(maxsize=4096)
def _is_async_gen_callable_cached(identity: _ByIdentity) -> bool:
    return _answers(identity.call, inspect.isasyncgenfunction)


@lru_cache(maxsize=4096)
def _is_gen_callable_cached(identity: _ByIdentity) -> bool:
    return _answers(identity.call, inspect.isgeneratorfunction)


@lru_cache(maxsize=4096)
def _is_coroutine_callable_cached(identity: _ByIdentity) -> bool:
    return _answers(identity.call, iscoroutinefunction, routines_only=True)


def call_kind(call: Callable[..., Any] | None) -> CallKind:
    """How a callable is called: awaited, run in a thread, or entered as a generator of either kind.

    Looks through ``functools.partial``, ``functools.wraps`` and ``__call__``, as FastAPI does. A wrapper and its
    wrapped function may be of different kinds; then the first of asynchronous generator, generator, coroutine counts.
    """
    if call is None:
        return "function"
    identity = _ByIdentity(call)
    if _is_async_gen_callable_cached(identity):
        return "async generator"
    if _is_gen_callable_cached(identity):
        return "generator"
    return "coroutine" if _is_coroutine_callable_cached(identity) else "function"


def is_generator_kind(call: Callable[..., Any] | None) -> bool:
    return call_kind(call) in ("generator", "async generator")


def computed_scope(dependant: Dependant) -> str | None:
    """Return the declared scope, else ``"request"`` for generators, else None."""
    if dependant.scope:
        return dependant.scope
    return "request" if is_generator_kind(dependant.call) else None


def oauth_scopes(dependant: Dependant) -> list[str]:
    """Return the scopes along the chain, parents first, without repetition."""
    scopes = list(dependant.parent_oauth_scopes or ())
    scopes.extend(scope for scope in dict.fromkeys(dependant.own_oauth_scopes or ()) if scope not in scopes)
    return scopes


def uses_scopes(dependant: Dependant) -> bool:
    """Whether the result may depend on security scopes, so that the cache must tell them apart."""
    unwrapped = None if dependant.call is None else _unwrapped(dependant.call)
    return bool(
        dependant.own_oauth_scopes
        or dependant.security_scopes_param_name is not None
        or is_security_scheme(unwrapped)
        or any(uses_scopes(child) for child in dependant.dependencies)
    )


def cache_key(dependant: Dependant) -> tuple[Any, tuple[str, ...], str]:
    """Return the key of a dependency: appearances with equal keys share one result on a connection."""
    scopes = tuple(sorted(set(oauth_scopes(dependant)))) if uses_scopes(dependant) else ()
    return dependant.call, scopes, computed_scope(dependant) or ""


def place_of(declared: Any) -> str:
    """Return the name of a function or class with its file and line, for errors."""
    name = getattr(declared, "__qualname__", None) or getattr(declared, "__name__", None) or repr(declared)
    code = getattr(innermost(declared), "__code__", None) if callable(declared) else None
    if code is not None:
        return f"{name} ({code.co_filename}:{code.co_firstlineno})"
    try:
        return f"{name} ({inspect.getsourcefile(declared)}:{inspect.getsourcelines(declared)[1]})"
    except (OSError, TypeError, ValueError):
        return name


@lru_cache(maxsize=4096)
def _source_of(identity: _ByIdentity) -> EndpointContext:
    call = identity.call
    try:
        file, line = inspect.getsourcefile(call), inspect.getsourcelines(call)[1]
        return EndpointContext(file=file or "", line=line, function=call.__name__)
    except (AttributeError, OSError, TypeError):
        return EndpointContext()


def endpoint_context(dependant: Dependant, method: str, scope: Mapping[str, Any]) -> EndpointContext:
    """Return an endpoint's place in the source and its route's path, for the text of validation errors.

    Args:
        dependant: the endpoint's.
        method: the word before the path: an HTTP method, or ``"WS"``.
        scope: the scope of the connection; its ``root_path`` is put before the path.
    """
    # Reading the source takes longer than all other steps of an invalid request.
    context = EndpointContext(**_source_of(_ByIdentity(dependant.call)))
    if dependant.path:
        context["path"] = f"{method} {scope.get('root_path', '').rstrip('/')}{dependant.path}"
    return context


# ---- FastAPI's names for the above ----


def _is_async_gen_callable(call: Callable[..., Any] | None) -> bool:
    return call is not None and _is_async_gen_callable_cached(_ByIdentity(call))


def _is_gen_callable(call: Callable[..., Any] | None) -> bool:
    return call is not None and _is_gen_callable_cached(_ByIdentity(call))


def _is_coroutine_callable(call: Callable[..., Any] | None) -> bool:
    return call is not None and _is_coroutine_callable_cached(_ByIdentity(call))


def _get_computed_scope(*, dependant: Dependant) -> str | None:
    return computed_scope(dependant)


def _get_oauth_scopes(*, dependant: Dependant) -> list[str]:
    return oauth_scopes(dependant)


def _uses_scopes(*, dependant: Dependant, cache: Any = None) -> bool:
    return uses_scopes(dependant)


def _get_cache_key(*, dependant: Dependant, uses_scopes_cache: Any = None) -> tuple[Any, tuple[str, ...], str]:
    return cache_key(dependant)


def _is_security_scheme(*, dependant: Dependant) -> bool:
    return dependant.call is not None and is_security_scheme(_unwrapped(dependant.call))


def _get_security_scheme(*, dependant: Dependant) -> Any:
    return _unwrapped(dependant.call)
