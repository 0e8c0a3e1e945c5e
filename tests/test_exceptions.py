"""`wirefast.exceptions` beside FastAPI's: same families, attributes and texts."""

import inspect
from typing import Any

import fastapi.exceptions as oracle
import pytest
import starlette.exceptions

from wirefast import exceptions

CONTEXTS: list[dict[str, Any] | None] = [
    None,
    {},
    {"path": "WS /items/{id}"},
    {"function": "read"},
    {"function": "read", "file": "/app/main.py", "line": 12},
    {"function": "read", "file": "/app/main.py", "line": 12, "path": "WS /items/{id}"},
    {"function": "read", "file": "/app/main.py", "path": "WS /items/{id}"},
]
ERRORS: list[list[Any]] = [
    [],
    [{"type": "missing", "loc": ("query", "q"), "msg": "Field required", "input": None}],
    ["first", "second  "],
]
VALIDATION = [
    "ValidationException",
    "RequestValidationError",
    "WebSocketRequestValidationError",
    "ResponseValidationError",
]


@pytest.mark.parametrize("context", CONTEXTS, ids=str)
@pytest.mark.parametrize("errors", ERRORS, ids=len)
@pytest.mark.parametrize("name", VALIDATION)
def test_validation_error(name: str, errors: list[Any], context: Any) -> None:
    ours = getattr(exceptions, name)(errors, endpoint_ctx=context)
    theirs = getattr(oracle, name)(errors, endpoint_ctx=context)
    assert str(ours) == str(theirs)
    assert ours.errors() is errors
    for attribute in ("endpoint_ctx", "endpoint_function", "endpoint_path", "endpoint_file", "endpoint_line"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_body_is_kept() -> None:
    assert exceptions.RequestValidationError([], body={"a": 1}).body == {"a": 1}
    assert exceptions.ResponseValidationError([], body={"a": 1}).body == {"a": 1}


@pytest.mark.parametrize("name", sorted(set(exceptions.__all__) - {"DeclarationWarning", "Refuse"}))  # which are ours
def test_signature_and_family(name: str) -> None:
    ours, theirs = getattr(exceptions, name), getattr(oracle, name)
    if name == "EndpointContext":
        assert ours.__annotations__ == theirs.__annotations__
        return
    assert [c.__name__ for c in ours.__mro__] == [c.__name__ for c in theirs.__mro__]
    if issubclass(ours, exceptions.ValidationException | starlette.exceptions.HTTPException):
        parameters, expected = (inspect.signature(cls).parameters.values() for cls in (ours, theirs))
        assert [(p.name, p.kind, p.default) for p in parameters] == [(p.name, p.kind, p.default) for p in expected]


@pytest.mark.parametrize(
    "arguments",
    [{"status_code": 404}, {"status_code": 401, "detail": {"a": [1]}, "headers": {"WWW-Authenticate": "Bearer"}}],
    ids=str,
)
def test_http_exception(arguments: dict[str, Any]) -> None:
    ours, theirs = exceptions.HTTPException(**arguments), oracle.HTTPException(**arguments)
    assert isinstance(ours, starlette.exceptions.HTTPException)
    assert (ours.status_code, ours.detail, ours.headers) == (theirs.status_code, theirs.detail, theirs.headers)
    assert (str(ours), repr(ours)) == (str(theirs), repr(theirs))


@pytest.mark.parametrize("arguments", [(4001,), (1008, "not allowed")])
def test_websocket_exception(arguments: tuple[Any, ...]) -> None:
    ours, theirs = exceptions.WebSocketException(*arguments), oracle.WebSocketException(*arguments)
    assert isinstance(ours, starlette.exceptions.WebSocketException)
    assert (ours.code, ours.reason) == (theirs.code, theirs.reason)
    assert (str(ours), repr(ours)) == (str(theirs), repr(theirs))
