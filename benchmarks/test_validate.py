"""Parameters by type: a connection whose endpoint has eight query parameters of one type and does nothing."""

import importlib
from datetime import date
from typing import Annotated, Literal, Optional
from uuid import UUID

import pytest

from benchmarks import peers
from benchmarks.asgi import Opening, scope_of

UNITS = 50
NAMES = "abcdefgh"
UUID_TEXT = "0b41a6ee-3c8a-4a0d-9d57-3f0f3c3f8a11"
TYPES = {
    "str": (str, "value", "value"),
    "optional str": (Optional[str], "value", "value"),  # noqa: UP045
    "int": (int, "42", 42),
    "float": (float, "1.5", 1.5),
    "bool": (bool, "true", True),
    "uuid": (UUID, UUID_TEXT, UUID(UUID_TEXT)),
    "date": (date, "2026-11-21", date(2026, 11, 21)),
    "literal": (Literal["red", "green"], "green", "green"),
    "list of int": (list[int], "7", [7]),
}


def build(framework, annotation, constraint=None):
    """The application, and where its endpoint leaves what it was given."""
    package = importlib.import_module(framework)
    app = package.App() if framework == "wirefast" else package.FastAPI()
    seen = {}
    field = Annotated[annotation, package.Query(**(constraint or {}))]

    async def endpoint(websocket, a, b, c, d, e, f, g, h):
        seen["values"] = [a, b, c, d, e, f, g, h]

    endpoint.__annotations__ = {"websocket": package.WebSocket, **dict.fromkeys(NAMES, field)}
    app.websocket("/ws")(endpoint)
    return app, seen


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
@pytest.mark.parametrize("case", TYPES)
def test_type(measure, loop, case, peer):
    annotation, text, value = TYPES[case]
    app, seen = build(peer, annotation)
    opening = Opening(loop, app, scope_of("/ws", "&".join(f"{name}={text}" for name in NAMES).encode()))
    assert opening.answer() == []
    assert seen["values"] == [value] * 8
    measure(lambda: opening.run(UNITS), UNITS, step="validate", case=f"8 × {case}", peer=peer)


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
def test_bounded(measure, loop, peer):
    app, seen = build(peer, int, {"ge": 1, "le": 100})
    opening = Opening(loop, app, scope_of("/ws", "&".join(f"{name}=42" for name in NAMES).encode()))
    assert opening.answer() == []
    assert seen["values"] == [42] * 8
    measure(lambda: opening.run(UNITS), UNITS, step="validate", case="8 × int with bounds", peer=peer)


@pytest.mark.parametrize("peer", peers.FRAMEWORKS)
def test_invalid(measure, loop, peer):
    """One of the eight is wrong: the connection is refused."""
    app, seen = build(peer, int)
    opening = Opening(loop, app, scope_of("/ws", b"a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=eight"))
    (close,) = opening.answer()
    assert close["type"] == "websocket.close" and close["code"] == 1008 and not seen
    measure(lambda: opening.run(UNITS), UNITS, step="validate", case="8 × int, one invalid", peer=peer)
