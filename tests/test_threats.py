"""The attacks on a framework that concern this layer, one test for each row of the threat list (F5 to F9, F12, F13).

Over ASGI where the application answers, over our server protocol where the peer's view counts. What a network adds
stands in tests/wire.
"""
# ruff: noqa: B008

import asyncio
import gc
import json
import logging
import random
import time
import tracemalloc
from typing import Annotated

import pytest
from pydantic import AfterValidator

from asgi import Client, connect, finish, websocket_scope
from memory import Memory
from slower import SLOWER
from wirefast import App, Cookie, Depends, Header, HTTPException, Query, WebSocket, WebSocketException
from wirefast.security import HTTPBearer
from wirefast.websockets import WebSocketState


def best_time(call, rounds=5):
    def once():
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin

    return min(once() for _ in range(rounds))


async def turns(count=20):
    for _ in range(count):
        await asyncio.sleep(0)


# ---- F5: bad parameters ----


def items():
    app = App()

    @app.websocket("/item/{i:int}")
    async def converted(websocket: WebSocket, i: int):
        raise AssertionError(f"reached with {i!r}")

    @app.websocket("/plain/{i}")
    async def plain(websocket: WebSocket, i: int, s: Annotated[str, Query(max_length=5)] = ""):
        raise AssertionError(f"reached with {i!r}")

    return app


HOSTILE = {
    "letters": "abc", "digits": "9" * 10**5, "nul": "1\x00", "dots": "..", "surrogate": "\ud800",
    "other digits": "\u0663", "sign": "--1", "space": "1 1", "slash": "%2f",
}  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("prefix", ["/item/", "/plain/"])
def test_F5_bad_parameters(prefix, value, caplog):
    """Refused before accept, without a traceback, in less than a millisecond however many digits there are."""
    app = items()

    def refused():
        # int() refuses 10^5 digits: no route matches then.
        (close,) = connect(app, prefix + value).sent
        assert close["type"] == "websocket.close"
        assert close["code"] == (1000 if prefix == "/item/" else 1008)

    async def attack():
        client = Client()
        begin = time.perf_counter()
        await client.connect(app, prefix + value)
        return time.perf_counter() - begin

    refused()
    assert min(asyncio.run(attack()) for _ in range(5)) < SLOWER * 5e-3
    assert caplog.records == []


# ---- F6: JSON bombs ----


BOMBS = {
    "nested lists": "[" * 100_000,
    "closed nested lists": "[" * 100_000 + "]" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "digits": "9" * 100_000,
    "half a bomb": '{"a":1,' * 10_000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_F6_json_bombs(text):
    """A ValueError that the application can catch, never a RecursionError; the connection goes on."""
    seen = []
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        try:
            await websocket.receive_json()
        except ValueError as exc:
            seen.append(type(exc))
        await websocket.send_json(await websocket.receive_json())

    assert connect(app, "/", text, '{"a": 1, "a": 2}').texts == ['{"a":2}']
    assert issubclass(seen[0], json.JSONDecodeError)


def test_F6_values_that_only_look_like_bombs():
    app = App()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_json(await websocket.receive_json())

    assert connect(app, "/", "[1e9999]").texts == ["[null]"]
    assert connect(app, "/", f"[{10**300}]").texts == [f"[{10**300}]"]


def peak_of(call):
    tracemalloc.start()
    value = call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, value


def test_F6_memory_is_that_of_the_values():
    """A megabyte of one-key objects: what Python's dicts take, and less than that again while they are made."""
    text = "[" + ",".join(['{"a":1}'] * 131_072) + "]"

    async def receive():
        return {"type": "websocket.receive", "text": text}

    websocket = WebSocket(websocket_scope(), receive, None)
    websocket.client_state = websocket.application_state = WebSocketState.CONNECTED
    expected, values = peak_of(lambda: json.loads(text))
    peak, received = peak_of(lambda: finish(websocket.receive_json()))
    assert received == values
    assert peak < 2 * expected


# ---- F7: validation errors in the close reason ----


@pytest.mark.parametrize("explain", [None, "close", "http"])
def test_F7_validation_errors_in_the_close_reason(explain):
    secret = "s3cr3t-" * 1500
    app = App(explain_rejections=explain)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, n: int, m: Annotated[str, Query(pattern="^a$")]):
        raise AssertionError

    def say_it(value):
        raise ValueError(f"not {value}")

    @app.websocket("/quoting")
    async def quoting(websocket: WebSocket, n: Annotated[str, AfterValidator(say_it)]):
        raise AssertionError

    for target in (f"/?n={secret}&m={secret}", f"/quoting?n={secret}"):
        messages = connect(app, target).sent
        if explain == "http":
            assert messages[0]["status"] == 422
            continue
        close = messages[-1]
        assert (close["type"], close["code"]) == ("websocket.close", 1008)
        assert secret[:50] not in close["reason"]
        if explain == "close":
            assert len(close["reason"].encode()) <= 123


def test_F7_after_accept_the_reason_fits_into_a_frame():
    app = App()

    async def accepts(websocket: WebSocket):
        await websocket.accept()

    @app.websocket("/", dependencies=[Depends(accepts)])
    async def endpoint(websocket: WebSocket, **missing): ...

    @app.websocket("/many", dependencies=[Depends(accepts)])
    async def many(websocket: WebSocket, a: int, b: int, c: int, é: int, d: int): ...

    async def main():
        server = Memory(app)
        peer = server.open("/many?a=x&b=" + "y" * 5000)
        await turns()
        peer.close()
        await server.ended()
        return peer

    peer = asyncio.run(main())
    assert peer.close_code == 1008
    (payload,) = (data for opcode, data in peer.frames if opcode == 8)
    assert len(payload) <= 125
    payload[2:].decode()


# ---- F8: exceptions of a handler ----


def failing_app(where, events):
    app = App()

    async def dependency():
        try:
            yield
        finally:
            events.append("teardown")
            if where == "teardown":
                raise LookupError("in the teardown")

    @app.websocket("/")
    async def endpoint(websocket: WebSocket, _=Depends(dependency)):
        await websocket.accept()
        if where == "after close":
            await websocket.close()
        if where != "teardown":
            raise LookupError("in the handler" + "x" * 100)

    @app.websocket("/next")
    async def fine(websocket: WebSocket):
        await websocket.accept()
        await websocket.send_text("fine")

    return app


@pytest.mark.parametrize(("where", "code"), [("handler", 1011), ("teardown", 1011), ("after close", 1000)])
def test_F8_a_failing_handler(where, code, caplog):
    """1011 to the peer, one record, the teardown once, and the next connection is served."""
    events = []

    async def main():
        server = Memory(failing_app(where, events))
        peers = []
        for target in ("/", "/next"):
            peers.append(server.open(target))
            await turns()
            peers[-1].close()
            await server.ended()
        return peers

    with caplog.at_level(logging.WARNING):
        failed, fine = asyncio.run(main())
    assert failed.close_code == code
    assert fine.messages == ["fine"]
    assert events == ["teardown"]
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(records) == 1
    assert len(logging.Formatter().format(records[0])) < 4096


# ---- F9: a disconnect at every await ----


STEPS = 10


class Fault(Exception):
    pass


@pytest.mark.parametrize("fault", ["cancelled", "receive fails", "send fails", "disconnect"])
@pytest.mark.parametrize("step", range(STEPS))
def test_F9_a_disconnect_at_every_await(step, fault, caplog):
    """Whatever happens at whichever await: everything entered is left exactly once, and no task stays behind."""
    entered, left = [], []
    awaits = [0]

    async def pause():
        """A place where the connection may end."""
        awaits[0] += 1
        if awaits[0] - 1 == step:
            if fault == "cancelled":
                task.cancel()
            elif fault != "disconnect":
                raise OSError(fault)
        await asyncio.sleep(0)

    def resource(name):
        async def generator():
            entered.append(name)
            try:
                await pause()
                yield name
            finally:
                await asyncio.sleep(0)
                left.append(name)

        return generator

    async def plain(_=Depends(resource("outer"))):
        await pause()

    app = App()

    @app.websocket("/")
    async def endpoint(
        websocket: WebSocket,
        a=Depends(plain),
        b=Depends(resource("inner")),
        c=Depends(resource("function"), scope="function"),
    ):
        await websocket.accept()
        for _ in range(3):
            await websocket.send_text(await websocket.receive_text())

    class Faulty(Client):
        async def receive(self):
            await pause()
            if fault == "disconnect" and awaits[0] > step:
                return {"type": "websocket.disconnect", "code": 1006}
            return await super().receive()

        async def send(self, message):
            await pause()
            await super().send(message)

    async def main():
        nonlocal task
        task = asyncio.ensure_future(Faulty("a", "b", "c").connect(app))
        done, _ = await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    task = None
    asyncio.run(main())
    assert awaits[0] > step
    assert sorted(left) == sorted(entered)
    assert len(left) == len({*left})
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


# ---- F12: who may not enter ----


def refuses_by(way):
    bearer = HTTPBearer()

    async def check(websocket: WebSocket, x: Annotated[str | None, Header()] = None):
        if way == "http":
            raise HTTPException(403, "no")
        if way == "websocket":
            raise WebSocketException(1008, "no")
        if way == "close":
            await websocket.close(1008)
        if way == "exception":
            raise LookupError

    return bearer if way == "scheme" else check


@pytest.mark.parametrize("place", ["parameter", "route", "router", "app", "deep"])
@pytest.mark.parametrize("way", ["http", "websocket", "close", "exception", "scheme"])
def test_F12_a_refused_client(way, place):
    """No accept, no message read, and the endpoint and what comes after the check never run."""
    check = refuses_by(way)
    reached = []

    async def deep(_=Depends(check)):
        reached.append("deep")

    async def later():
        if way != "close":  # solving goes on, but the socket stays closed
            reached.append("later")

    async def endpoint(websocket: WebSocket):
        reached.append("endpoint")
        await websocket.accept()

    async def with_parameter(websocket: WebSocket, _=Depends(deep if place == "deep" else check), more=Depends(later)):
        await endpoint(websocket)

    app = App(dependencies=[Depends(check)] if place == "app" else None)
    app.router.dependencies += [Depends(check)] if place == "router" else []
    own = [Depends(check)] if place == "route" else []
    app.websocket("/", dependencies=own)(with_parameter if place in ("parameter", "deep") else endpoint)

    client = Client("secret")
    try:
        asyncio.run(client.connect(app))
    except LookupError:
        assert way == "exception"
    assert [kind for kind in reached if kind != "deep" or way != "close"] == []
    assert "websocket.accept" not in [message["type"] for message in client.sent]
    assert {"type": "websocket.receive", "text": "secret"} in client.events


# ---- F13: nothing is shared between sockets ----


def test_F13_sockets_share_nothing():
    """Two users a round, in 10,000 interleavings: each sees its own scope, headers, cookies, state and values."""
    app = App()
    rng = random.Random(13)

    async def user(token: Annotated[str, Query()], session: Annotated[str, Cookie()]):
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        return {"token": token, "session": session}

    async def resource(user=Depends(user)):
        await asyncio.sleep(0)
        yield [user["token"]]

    @app.websocket("/{room}")
    async def endpoint(
        websocket: WebSocket,
        room: str,
        x_name: Annotated[str, Header()],
        user=Depends(user),
        held=Depends(resource),
        fresh: Annotated[list[str], Query()] = ["default"],  # noqa: B006
    ):
        await websocket.accept()
        websocket.state.name = x_name
        websocket.scope["mine"] = x_name
        fresh.append(x_name)
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        said = await websocket.receive_text()
        await websocket.send_json(
            [room, x_name, user["token"], user["session"], held[0], fresh, said]
            + [websocket.state.name, websocket.scope["mine"], websocket.query_params["token"]]
            + [websocket.headers["x-name"], websocket.cookies["session"], websocket.path_params["room"]]
        )

    async def one(name):
        client = Client(name, waits=True)
        headers = [("x-name", name), ("cookie", f"session={name}")]
        await client.connect(app, f"/{name}?token={name}", headers=headers, state={})
        (text,) = client.texts
        assert json.loads(text) == [name] * 5 + [["default", name]] + [name] * 7

    async def main():
        for start in range(0, 10_000, 50):
            await asyncio.gather(*(one(f"user{i}") for i in range(start, start + 50)))

    asyncio.run(main())
