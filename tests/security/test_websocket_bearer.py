"""WebSocketBearer: a token from each source, in order; what is refused, and what is never answered."""

import asyncio
import gc
import json
from base64 import urlsafe_b64encode
from typing import Annotated, Any
from weakref import ref

import pytest
from starlette.websockets import WebSocketDisconnect

from wirefast import App, Depends, Security, WebSocket
from wirefast.security import SecurityScopes, WebSocketBearer
from wirefast.security.websocket_bearer import MAX_AUTH_MESSAGE, MAX_TOKEN
from wirefast.testclient import TestClient

ALL = ("header", "subprotocol", "cookie", "message", "query")


def encoded(token: str) -> str:
    return "bearer." + urlsafe_b64encode(token.encode()).decode().rstrip("=")


def client_of(**options: Any) -> TestClient:
    bearer = WebSocketBearer(**options)
    app = App(origins="*")

    @app.websocket("/")
    async def socket(websocket: WebSocket, token: Annotated[str | None, Depends(bearer)]) -> None:
        offered = websocket.scope["subprotocols"]
        await websocket.accept()
        await websocket.send_json([token, offered])
        if token is None:
            async for text in websocket.iter_text():
                await websocket.send_text(text)
        else:
            async for _ in websocket.iter_text():
                pass

    @app.get("/")
    def page(token: Annotated[str | None, Depends(bearer)]) -> str | None:
        return token

    return TestClient(app)


def found(client: TestClient, path: str = "/", says: str | None = None, **options: Any) -> tuple[Any, str | None]:
    """What the endpoint got, and the subprotocol that was answered."""
    with client.websocket_connect(path, **options) as websocket:
        if says is not None:
            websocket.send_text(says)
        return websocket.receive_json()[0], websocket.accepted_subprotocol


def refused(client: TestClient, path: str = "/", says: str | bytes | None = None, **options: Any) -> Any:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - a denial or a close
        with client.websocket_connect(path, **options) as websocket:
            if isinstance(says, str):
                websocket.send_text(says)
            elif says is not None:
                websocket.send_bytes(says)
            websocket.receive_json()
    return raised.value


def auth(token: Any, **more: Any) -> str:
    return json.dumps({"type": "auth", "token": token, **more})


# ---- Sources ----


def test_each_source() -> None:
    for source, options, says in (
        ("header", {"headers": {"authorization": "Bearer abc"}}, None),
        ("header", {"headers": {"authorization": "bEARER abc"}}, None),
        ("subprotocol", {"subprotocols": ["chat", encoded("abc")]}, None),
        ("cookie", {"headers": {"cookie": "token=abc"}}, None),
        ("message", {}, auth("abc")),
        ("query", {"path": "/?token=abc"}, None),
    ):
        assert found(client_of(sources=(source,)), says=says, **options)[0] == "abc", source
        others = tuple(name for name in ALL if name not in (source, "message"))
        assert refused(client_of(sources=others), **options).status_code == 401, source


def test_the_order_given_counts() -> None:
    options = {"headers": {"authorization": "Bearer one", "cookie": "token=two"}, "path": "/?token=three"}
    for sources, expected in (
        (("header", "cookie", "query"), "one"),
        (("cookie", "header"), "two"),
        (("query", "message"), "three"),
    ):
        assert found(client_of(sources=sources), **options)[0] == expected


def test_the_query_only_if_asked() -> None:
    assert refused(client_of(), "/?token=abc").status_code == 401


def test_names_of_cookie_and_query() -> None:
    assert found(client_of(sources=["cookie"], cookie="sid"), headers={"cookie": "token=a; sid=b"})[0] == "b"
    assert found(client_of(sources=["query"], query="t"), "/?token=a&t=b")[0] == "b"


def test_requests() -> None:
    client = client_of(sources=ALL)
    assert client.get("/", headers={"authorization": "Bearer abc"}).json() == "abc"
    assert client.get("/", headers={"cookie": "token=abc"}).json() == "abc"
    missing = client.get("/", headers={"sec-websocket-protocol": encoded("abc")})
    assert (missing.status_code, missing.headers["www-authenticate"]) == (401, "Bearer")
    assert client_of(auto_error=False).get("/").json() is None


# ---- The subprotocol ----


@pytest.mark.parametrize(
    ("offered", "spoken", "answered"),
    [
        (["chat", "bearer"], (), "chat"),
        (["bearer", "chat"], (), "chat"),
        (["bearer"], (), None),
        (["bearer", "one", "two"], ("two", "one"), "two"),
        (["bearer", "one"], ("two",), None),
    ],
)
def test_the_token_is_never_answered(offered: list[str], spoken: tuple[str, ...], answered: str | None) -> None:
    names = [encoded("abc") if name == "bearer" else name for name in offered]
    token, subprotocol = found(client_of(subprotocols=spoken), subprotocols=names)
    assert (token, subprotocol) == ("abc", answered)


def test_an_endpoint_that_repeats_what_is_offered() -> None:
    bearer = WebSocketBearer()
    app = App()
    token = encoded("secret")

    @app.websocket("/{first}")
    async def socket(websocket: WebSocket, first: bool, _: Annotated[str, Depends(bearer)]) -> None:
        await websocket.accept(token if first else websocket.headers["sec-websocket-protocol"].split(", ")[0])
        await websocket.send_json(websocket.scope["subprotocols"])
        with pytest.raises(RuntimeError):
            await websocket.accept()

    for first in ("true", "false"):
        with TestClient(app).websocket_connect(f"/{first}", subprotocols=[token, "chat"]) as websocket:
            assert websocket.accepted_subprotocol == "chat"
            assert websocket.receive_json() == ["chat"]


@pytest.mark.parametrize(
    "subprotocol",
    [
        *("bearer.", "bearer.a", "bearer.YWJj=", "bearer.YW Jj", "Bearer.YWJj", "bearer.Y+/j", "bearer", "bearer.4pyT"),
        *("bearer.YWJjCg", "bearer." + "a" * (MAX_TOKEN * 2 + 4)),
    ],
)
def test_subprotocols_that_are_no_tokens(subprotocol: str) -> None:
    assert refused(client_of(), subprotocols=["chat", subprotocol]).status_code == 401


def test_two_tokens_are_none() -> None:
    assert refused(client_of(), subprotocols=[encoded("a"), encoded("b")]).status_code == 401


def test_another_subprotocol_is_left_to_the_endpoint() -> None:
    token, subprotocol = found(client_of(), subprotocols=["chat"], headers={"authorization": "Bearer abc"})
    assert (token, subprotocol) == ("abc", None)


# ---- The first message ----


def test_the_first_message() -> None:
    client = client_of(sources=["message"], subprotocols=["chat"])
    assert found(client, says=auth("abc", more=1), subprotocols=["chat", "x"]) == ("abc", "chat")


@pytest.mark.parametrize(
    "says",
    [
        *(
            "",
            "abc",
            "[]",
            "{}",
            '"auth"',
            "[" * 5000,
            auth(None),
            auth(1),
            auth(""),
            auth("a b"),
            auth("é"),
            auth("\n"),
        ),
        *(json.dumps({"type": "hello", "token": "abc"}), json.dumps({"token": "abc"}), auth("a" * (MAX_TOKEN + 1))),
        *(auth("abc", pad="x" * MAX_AUTH_MESSAGE), b"\xff", b""),
    ],
)
def test_first_messages_that_are_no_authentication(says: str | bytes) -> None:
    closed = refused(client_of(sources=["message"]), says=says)
    assert isinstance(closed, WebSocketDisconnect)
    assert (closed.code, closed.reason) == (4401, "Not authenticated")


def test_a_token_at_its_bound() -> None:
    assert found(client_of(sources=["message"]), says=auth("a" * MAX_TOKEN))[0] == "a" * MAX_TOKEN


def test_a_silent_client() -> None:
    closed = refused(client_of(sources=["message"], first_message=0.05))
    assert (closed.code, closed.reason) == (4401, "no token within 0.05 seconds")


def test_without_an_error_the_message_is_the_endpoints() -> None:
    client = client_of(sources=["message"], auto_error=False)
    with client.websocket_connect("/") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_json() == [None, []]
        assert websocket.receive_text() == "hello"
    with client_of(sources=["message"], auto_error=False, first_message=0.05).websocket_connect("/") as websocket:
        assert websocket.receive_json() == [None, []]
        websocket.send_text("later")
        assert websocket.receive_text() == "later"


def test_a_client_that_leaves() -> None:
    ended: list[Any] = []
    app = App()
    bearer = WebSocketBearer(sources=["message"])

    async def noting(websocket: WebSocket) -> Any:
        try:
            yield
        except WebSocketDisconnect as exc:
            ended.append(exc.code)
            raise

    @app.websocket("/", dependencies=[Depends(noting)])
    async def socket(websocket: WebSocket, token: Annotated[str, Depends(bearer)]) -> None:
        ended.append("entered")

    with pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/") as websocket:
        websocket.close(4000)
    assert ended == [4000]


def test_the_socket_is_let_go() -> None:
    seen: list[Any] = []
    app = App()

    async def refusing(websocket: WebSocket, token: Annotated[str, Depends(WebSocketBearer())]) -> None:
        seen.append(ref(websocket))
        await websocket.close()

    @app.websocket("/", dependencies=[Depends(refusing)])
    async def socket(websocket: WebSocket) -> None: ...

    gc.collect()
    gc.disable()
    try:
        refused(TestClient(app), subprotocols=[encoded("abc")])
    finally:
        gc.enable()
    assert seen[0]() is None


# ---- As a scheme ----


def test_scopes_and_typed_messages() -> None:
    bearer = WebSocketBearer(sources=["message"])
    app = App()

    async def user(needed: SecurityScopes, token: Annotated[str, Depends(bearer)]) -> str:
        return f"{token} {needed.scopes}"

    messages = app.messages("/")

    @messages.on("say")
    def say(text: str, user: Annotated[str, Security(user, scopes=["rooms"])]) -> dict[str, str]:
        return {"type": "said", "text": f"{user}: {text}"}

    with TestClient(app).websocket_connect("/") as websocket:
        websocket.send_text(auth("abc"))
        websocket.send_json({"type": "say", "text": "hello"})
        assert websocket.receive_json() == {"type": "said", "text": "abc ['rooms']: hello"}


def test_the_document() -> None:
    bearer = WebSocketBearer(sources=["header", "message"], bearerFormat="JWT", scheme_name="token")
    app = App(openapi_websockets=True)

    @app.websocket("/")
    async def socket(websocket: WebSocket, token: Annotated[str, Depends(bearer)]) -> None: ...

    @app.get("/page")
    def page(token: Annotated[str, Depends(bearer)]) -> None: ...

    document = app.openapi()
    scheme = document["components"]["securitySchemes"]["token"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    assert "Authorization" in scheme["description"] and '"auth"' in scheme["description"]
    assert document["paths"]["/"]["get"]["security"] == document["paths"]["/page"]["get"]["security"] == [{"token": []}]


@pytest.mark.parametrize("sources", [(), "header", ["headers"], ["header", "body"]])
def test_sources_that_are_none(sources: Any) -> None:
    with pytest.raises(ValueError, match="sources takes some of 'header', 'subprotocol'"):
        WebSocketBearer(sources=sources)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_seconds_that_are_none(seconds: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        WebSocketBearer(first_message=seconds)


def test_many_sockets_at_once_keep_their_tokens() -> None:
    """Two sockets share nothing (CVE-2020-35681)."""
    bearer = WebSocketBearer(sources=["subprotocol", "message"])

    async def one(number: int) -> str:
        sent: list[Any] = []
        first = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": auth(f"m{number}")}]

        async def receive() -> Any:
            await asyncio.sleep(0)
            return first.pop(0)

        async def send(message: Any) -> None:
            await asyncio.sleep(0)
            sent.append(message)

        offered = [encoded(f"s{number}")] if number % 2 else []
        scope = {"type": "websocket", "headers": [], "subprotocols": offered, "query_string": b""}
        token = await bearer(WebSocket(scope, receive, send))
        assert isinstance(token, str)
        return token

    async def every() -> list[str]:
        return list(await asyncio.gather(*map(one, range(100))))

    assert asyncio.run(every()) == [f"{'s' if number % 2 else 'm'}{number}" for number in range(100)]
