"""The scope of a WebSocket is a dict to whoever looks, though its members are made when they are read."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState

from wirefast.server import WebSocketProtocol

MEMBERS = [
    "type", "asgi", "http_version", "scheme", "server", "client", "root_path", "path", "raw_path", "query_string",
    "headers", "subprotocols", "state", "extensions",
]  # fmt: skip
HEADERS = [
    (b"host", b"example.com"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-protocol", b"chat, news"),
    (b"cookie", b"a=1"),
]
HEAD = b"GET /a%20b?x=1 HTTP/1.1\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in HEADERS) + b"\r\n"


class Transport(asyncio.Transport):
    """A transport that has addresses, and takes what is written."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("10.0.0.1", 4321), "sockname": ("10.0.0.2", 80)}.get(name, default)

    def write(self, data: Any) -> None: ...
    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


def scopes(count: int = 1, state: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
    """Let the protocol make scopes of one request: what the application is called with."""
    seen: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)
        await send({"type": "websocket.close", "code": 1000, "reason": ""})

    async def main() -> None:
        config = Config(app, ws=WebSocketProtocol, proxy_headers=False, log_config=None, **options)
        config.load()
        server_state = ServerState()
        for _ in range(count):
            protocol = WebSocketProtocol(config, server_state, {"from": "lifespan"} if state is None else state)
            protocol.connection_made(Transport())
            protocol.data_received(HEAD)
        while len(seen) < count:
            await asyncio.sleep(0)

    asyncio.run(main())
    return seen


def expected(scope: dict[str, Any]) -> dict[str, Any]:
    """What uvicorn would call the application with; the extension is the connection itself."""
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": ("10.0.0.2", 80),
        "client": ("10.0.0.1", 4321),
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"x=1",
        "headers": HEADERS,
        "subprotocols": ["chat", "news"],
        "state": {"from": "lifespan"},
        "extensions": {"websocket.http.response": {}, "wirefast": scope["extensions"]["wirefast"]},
    }


WHOLE: list[Callable[[dict[str, Any]], Any]] = [
    dict,
    lambda scope: {**scope},
    lambda scope: dict(**scope),
    lambda scope: scope.copy(),
    copy.copy,
    lambda scope: dict(scope.items()),
    lambda scope: dict(zip(scope.keys(), scope.values(), strict=True)),
    lambda scope: {key: scope[key] for key in scope},
    lambda scope: {key: scope[key] for key in reversed(scope)},
    lambda scope: scope | {},
    lambda scope: {} | scope,
    lambda scope: {key: scope.get(key) for key in MEMBERS},
    lambda scope: {key: scope.setdefault(key, 1) for key in MEMBERS},
    lambda scope: {key: scope.pop(key) for key in MEMBERS},
    lambda scope: dict(scope.popitem() for _ in range(len(scope))),
]


@pytest.mark.parametrize("whole", WHOLE, ids=range(len(WHOLE)))
def test_however_it_is_read_whole(whole: Callable[[dict[str, Any]], Any]) -> None:
    scope = scopes()[0]
    made = whole(scope)
    assert type(made) is dict
    assert made == expected(made)
    assert list(made) in (MEMBERS, MEMBERS[::-1])


def test_updating_another_dict_with_it() -> None:
    scope = scopes()[0]
    other = {"path": "/other", "more": 1}
    other.update(scope)
    assert other == {**expected(scope), "more": 1}
    assert len(other) == len(MEMBERS) + 1


def test_comparing_and_printing() -> None:
    one, other = scopes(2)
    assert one == expected(one)
    assert expected(other) == other
    assert one != other  # each has its own connection
    assert repr(one) == repr(dict(one))
    assert "'path': '/a b'" in str(scopes()[0])
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_what_can_be_changed_is_made_once() -> None:
    one, other = scopes(2)
    for key in ("asgi", "headers", "subprotocols", "state", "extensions"):
        assert one[key] is one[key] is one.get(key) is dict(one)[key]
        assert one[key] is not other[key]
    one["state"]["mine"] = 1
    assert "mine" not in other["state"]
    assert dict(one)["state"] == {"from": "lifespan", "mine": 1}


def test_no_lifespan_state() -> None:
    one, other = scopes(2, state={})
    one["state"]["mine"] = 1
    assert other["state"] == {}


def test_state_is_copied_at_the_handshake() -> None:
    shared = {"from": "lifespan"}
    scope = scopes(state=shared)[0]
    shared["later"] = "1"
    assert scope["state"] == {"from": "lifespan"}


def test_what_is_set_counts() -> None:
    scope = scopes()[0]
    scope["path"] = "/set"
    scope["client"] = None
    scope.update({"headers": [], "more": 1})
    scope |= {"query_string": b"y=2"}
    assert scope["path"] == "/set"
    assert scope.get("client", 1) is None
    assert dict(scope) == {
        **expected(scope), "path": "/set", "client": None, "headers": [], "more": 1, "query_string": b"y=2",
    }  # fmt: skip


def test_what_c_code_wrote_is_replaced() -> None:
    scope = scopes()[0]
    for key in WRITTEN:
        dict.__setitem__(scope, key, "by C")
        assert scope[key] == "by C"
        scope[key] = "by the application"
        assert scope[key] == "by the application"


def test_what_is_removed_is_gone() -> None:
    scope = scopes()[0]
    del scope["extensions"]
    assert scope.pop("state") == {"from": "lifespan"}
    assert scope.pop("nothing", 7) == 7
    assert "extensions" not in scope
    assert "state" not in scope
    assert scope.get("state") is None
    assert scope.setdefault("state", {"new": 1}) == {"new": 1}
    for key in ("extensions", "nothing"):
        with pytest.raises(KeyError, match=key):
            scope[key]
        with pytest.raises(KeyError, match=key):
            scope.pop(key)
        with pytest.raises(KeyError, match=key):
            del scope[key]
    scope.clear()
    assert not scope
    assert "type" not in scope


def test_what_is_no_key() -> None:
    scope = scopes()[0]
    assert "nothing" not in scope
    assert 7 not in scope
    for use in (lambda: scope[[]], lambda: [] in scope, lambda: scope.get([])):
        with pytest.raises(TypeError, match="unhashable"):
            use()


def test_deep_copies() -> None:
    scope = scopes()[0]
    copied = copy.deepcopy(scope)
    assert type(copied) is dict
    assert copied == expected(scope)
    assert copied["state"] is not scope["state"]
    # It stands for the same connection.
    assert copied["extensions"]["wirefast"] is scope["extensions"]["wirefast"]


def test_pickled_and_encoded() -> None:
    scope = scopes()[0]
    del scope["extensions"]
    assert pickle.loads(pickle.dumps(scope)) == dict(scope)
    kept = {key: scope[key] for key in ("path", "client")}
    assert json.loads(json.dumps(kept)) == {"path": "/a b", "client": ["10.0.0.1", 4321]}
    for key in ("raw_path", "query_string", "headers"):
        del scope[key]
    assert json.loads(json.dumps(scope))["server"] == ["10.0.0.2", 80]


@pytest.mark.parametrize("made", [lambda scope: type(scope)(scope), lambda scope: type(scope)(**scope)])
def test_another_of_its_class_is_an_ordinary_dict(made: Callable[[dict[str, Any]], Any]) -> None:
    scope = scopes()[0]
    assert made(scope) == expected(scope)
    empty = type(scope)({"path": "/x"})
    assert empty == {"path": "/x"}
    assert empty.get("extensions") is None
    assert "asgi" not in empty


def test_root_path() -> None:
    scope = scopes(root_path="/api")[0]
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/api", "/api/a b", b"/api/a%20b")


#: What applications and routers write, some of it into fields of the scope.
WRITTEN = ["app", "router", "path_params", "endpoint", "starlette.exception_handlers", "route"]
KEYS = st.sampled_from([*MEMBERS, *WRITTEN])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["[]", "get", "in", "pop", "del", "setdefault"]), KEYS),
    st.tuples(st.sampled_from(["set", "update", "set by C"]), KEYS),
    st.tuples(st.sampled_from(["len", "list", "items", "popitem", "copy", "==", "|"]), st.none()),
)


def step(scope: dict[str, Any], what: str, key: Any) -> Any:
    """Use a dict; the outcome, or the class of the exception."""
    try:
        if what == "set":
            scope[key] = 1
        elif what == "update":
            scope.update({key: 2})
        elif what == "set by C":
            dict.__setitem__(scope, key, 4)
        elif what == "del":
            del scope[key]
        else:
            return {
                "[]": lambda: scope[key],
                "get": lambda: scope.get(key, 5),
                "in": lambda: key in scope,
                "pop": lambda: scope.pop(key),
                "setdefault": lambda: scope.setdefault(key, 3),
                "len": lambda: len(scope),
                "list": lambda: sorted(scope),
                "items": lambda: sorted(scope.items(), key=lambda pair: pair[0]),
                "popitem": lambda: None if len(scope) else scope.popitem(),
                "copy": lambda: scope.copy(),
                "==": lambda: scope == {**scope},
                "|": lambda: scope | {"more": 1},
            }[what]()
    except Exception as exc:
        return type(exc)
    return None


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_like_a_dict(steps: list[tuple[str, Any]]) -> None:
    scope = scopes()[0]
    plain = expected(copy.copy(scopes()[0]))
    plain["extensions"] = None
    scope["extensions"] = None
    for what, key in steps:
        assert step(scope, what, key) == step(plain, what, key), (what, key)
    assert scope == plain
