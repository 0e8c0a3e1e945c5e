"""What an editor and help() show of the public names: a docstring, and a signature that is FastAPI's."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, get_type_hints

import pytest
import starlette.websockets

import wirefast
from wirefast.rooms import Policy

#: FastAPI's public modules, of which every name of ours is checked, and modules that are ours alone.
MODULES = (
    "wirefast background concurrency datastructures encoders exceptions param_functions params responses security "
    "server testclient types websockets"
).split()


def public() -> list[tuple[str, Any]]:
    """Our classes and functions by their full names; what Starlette or pydantic made is theirs to describe."""
    found = {}
    for short in MODULES:
        module = importlib.import_module("wirefast" if short == "wirefast" else f"wirefast.{short}")
        for name in getattr(module, "__all__", None) or vars(module):
            value = getattr(module, name)
            ours = str(getattr(value, "__module__", "")).startswith("wirefast")
            if not name.startswith("_") and ours and (inspect.isclass(value) or inspect.isroutine(value)):
                found[f"{module.__name__}.{name}"] = value
    return sorted(found.items())


PUBLIC = public()


def ids(pair: tuple[str, Any]) -> str:
    return pair[0]


def own_methods(kind: type) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(kind).items()
        if not name.startswith("_") and inspect.isroutine(getattr(kind, name))
    }


def test_there_are_names() -> None:
    names = {name for name, _ in PUBLIC}
    assert len(names) > 50 and len(SHOWN) > 40
    assert {"wirefast.App", "wirefast.WebSocket", "wirefast.Query", "wirefast.security.HTTPBearer"} <= names


@pytest.mark.parametrize("pair", PUBLIC, ids=ids)
def test_every_name_has_a_docstring(pair: tuple[str, Any]) -> None:
    name, value = pair
    text = value.__doc__  # not getdoc, which takes a base class's
    assert text and len(text.split()) > 2, name
    if inspect.isclass(value) and not name.startswith("wirefast.server"):
        # What replaces a base's method does what that says.
        new = [method for method in own_methods(value) if not any(hasattr(base, method) for base in value.__bases__)]
        assert not [method for method in new if not inspect.getdoc(getattr(value, method))]


def shows_its_signature(value: Any) -> bool:
    """Python shows none of a TypedDict, of an exception that takes what every exception takes, or of a compiled class,
    and of what is deprecated that of the decorator; then an editor has the stub's or the base class's."""
    if not inspect.isclass(value):
        return True
    compiled = not value.__flags__ & 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement
    return not (compiled or issubclass(value, (dict, BaseException)) or hasattr(value, "__deprecated__"))


SHOWN = [pair for pair in PUBLIC if shows_its_signature(pair[1])]


@pytest.mark.parametrize("pair", SHOWN, ids=ids)
def test_every_name_has_a_signature(pair: tuple[str, Any]) -> None:
    assert "*args" not in str(inspect.signature(pair[1])), pair[0]


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


def test_websocket_is_made_as_starlettes() -> None:
    assert inspect.signature(wirefast.WebSocket) == inspect.signature(starlette.websockets.WebSocket)
    names = [name for name in own_methods(starlette.websockets.WebSocket) if name != "send_denial_response"]
    assert len(names) == 13
    for name in names:
        theirs, mine = getattr(starlette.websockets.WebSocket, name), getattr(wirefast.WebSocket, name)
        assert shape(mine) == shape(theirs), name
        assert get_type_hints(mine) == get_type_hints(theirs), name
        assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(theirs), name
        assert inspect.isasyncgenfunction(mine) == inspect.isasyncgenfunction(theirs), name


def test_a_policy_shows_what_it_takes() -> None:
    assert str(inspect.signature(Policy)) == "(name, *, max_messages=1024, max_bytes=1048576, deadline=5.0)"
    assert str(Policy.__doc__).startswith("What happens to a message")
    one = Policy("close")
    for name, default in (("max_messages", one.max_messages), ("max_bytes", one.max_bytes), ("deadline", one.deadline)):
        assert inspect.signature(Policy).parameters[name].default == default
