"""Who may open a WebSocket: origins parsed and compared, the default against foreign pages, where it is set."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute

from wirefast import APIRouter, App, Cookie, Depends, WebSocket
from wirefast.limits.counters import refusals
from wirefast.limits.origins import MAX_ORIGIN, OriginPolicy, parse_origin
from wirefast.middleware import Middleware
from wirefast.security import APIKeyCookie, HTTPBasic
from wirefast.testclient import TestClient
from wirefast.testing import Refused, live

LISTED = ["https://app.example.com", "http://local.example:8080", "https://*.example.org", "https://[2001:db8::1]:8443"]

# Spellings of origins and whether a page that says so may come in under LISTED.
SPELLINGS = {
    "https://app.example.com": True,
    "HTTPS://App.Example.COM": True,
    "https://app.example.com:443": True,
    "http://local.example:8080": True,
    "https://a.example.org": True,
    "https://a.b.c.example.org": True,
    "https://a.example.org:443": True,
    "https://xn--bcher-kva.example.org": True,
    "https://[2001:db8::1]:8443": True,
    "https://[2001:0DB8:0:0::1]:8443": True,
    "http://app.example.com": False,
    "https://app.example.com:8443": False,
    "https://app.example.com:80": False,
    "https://app.example.com:0443": False,
    "https://app.example.com:": False,
    "https://app.example.com.": False,
    "https://app.example.com/": False,
    "https://app.example.com/path": False,
    "https://app.example.com?": False,
    "https://app.example.com#": False,
    "https://app.example.com.evil.com": False,
    "https://app.example.community": False,
    "https://evilapp.example.com": False,
    "https://x.app.example.com": False,
    "https://app.example.com@evil.com": False,
    "https://evil.com@app.example.com": False,
    "https://app.example.com:443@evil.com": False,
    "https://app.example.com\\@evil.com": False,
    "https://app.example.com https://evil.com": False,
    "https://evil.com, https://app.example.com": False,
    " https://app.example.com": False,
    "https://app.example.com\t": False,
    "https:app.example.com": False,
    "https:///app.example.com": False,
    "//app.example.com": False,
    "app.example.com": False,
    "wss://app.example.com": False,
    "https://app.example.com%2eevil.com": False,
    "https://app.example.com\x00.evil.com": False,
    "https://APP.EXAMPLE.COM\u212a"[:-1] + "\xe9": False,
    "http://local.example": False,
    "http://local.example:80801": False,
    "http://local.example:99999": False,
    "http://local.example:-8080": False,
    "https://example.org": False,
    "https://.example.org": False,
    "https://a..example.org": False,
    "https://aexample.org": False,
    "https://a.example.org:8443": False,
    "http://a.example.org": False,
    "https://*.example.org": False,
    "https://a.example.org.evil.com": False,
    "https://[2001:db8::1]": False,
    "https://[2001:db8::2]:8443": False,
    "https://[2001:db8::1:8443": False,
    "https://[::ffff:1.2.3.4": False,
    "https://[1:2:3]": False,
    "null": False,
    "Null": False,
    "NULL": False,
    "file://": False,
    "about:blank": False,
    "": False,
    "*": False,
}


def application(**options: Any) -> App:
    app = App(**options)

    @app.websocket("/")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    return app


def opens(app: Any, path: str = "/", **headers: str) -> bool:
    async def handshake() -> bool:
        async with live(app) as served:
            try:
                lines = {name.replace("_", "-"): value for name, value in headers.items()}
                async with served.connect(path, headers=lines):
                    return True
            except Refused as refused:
                if refused.status == 500:
                    return False  # and what the application raised comes out at the end
                assert (refused.status, refused.json()) == (403, {"code": 1008, "reason": "origin not allowed"})
                return False

    return asyncio.run(handshake())


def judged(policy: OriginPolicy, *origins: str, **scope: Any) -> Any:
    return policy.judge({"type": "websocket", "headers": [], **scope}, tuple(o.encode("latin-1") for o in origins))


def test_there_are_forty() -> None:
    assert len(SPELLINGS) >= 40


@pytest.mark.parametrize("origin", SPELLINGS)
def test_spellings(origin: str) -> None:
    assert judged(OriginPolicy(LISTED), origin) is SPELLINGS[origin]


@pytest.mark.parametrize("origin", [name for name, allowed in SPELLINGS.items() if not allowed and name != "null"])
def test_spellings_that_are_foreign_without_a_list(origin: str) -> None:
    headers = [(b"host", b"app.example.com"), (b"cookie", b"a=b")]
    foreign = origin not in ("https://app.example.com", "http://app.example.com")
    assert judged(OriginPolicy(), origin, headers=headers, scheme="ws") is not foreign


def test_null_only_by_name() -> None:
    for origins in (LISTED, "*", lambda origin: True, ["https://null"]):
        assert judged(OriginPolicy(origins), "null") is False
    assert judged(OriginPolicy([*LISTED, "null"]), "null") is True
    assert judged(OriginPolicy("null"), "https://app.example.com") is False


def test_any_page_that_has_an_origin() -> None:
    assert judged(OriginPolicy("*"), "https://evil.example:1") and judged(OriginPolicy(["*"]), "chrome-extension://ab")
    assert not judged(OriginPolicy("*"), "evil") and not judged(OriginPolicy("*"), "https://a", "https://b")


def test_several_origins_and_long_ones_are_refused() -> None:
    assert not judged(OriginPolicy(LISTED), LISTED[0], LISTED[0])
    long = "https://" + "a" * (MAX_ORIGIN - len("https://.example.org")) + ".example.org"
    assert len(long) == MAX_ORIGIN
    assert judged(OriginPolicy(LISTED), long)
    assert not judged(OriginPolicy(LISTED), long.replace("//", "//a"))


def test_a_port_of_a_scheme_that_has_none() -> None:
    assert parse_origin("capacitor://localhost").port is None
    assert judged(OriginPolicy("capacitor://localhost"), "capacitor://localhost")
    assert not judged(OriginPolicy("capacitor://localhost"), "https://localhost")


def test_letters_beyond_ascii_in_the_list() -> None:
    policy = OriginPolicy(["https://bücher.example", "https://*.bücher.example"])
    assert judged(policy, "https://xn--bcher-kva.example") and judged(policy, "https://a.xn--bcher-kva.example")


@pytest.mark.parametrize(
    "wrong",
    [
        *("*.example.com", "https://*", "https://*.", "https://a.*.com", "https://*.*.com", "https://a*.example.com"),
        *("https://*.10.0.0.1", "https://*.[::1]", "wss://app.example.com", "https://app.example.com/", "", "Null"),
        *("https://app.example.com:*", "https://app.example.com:0", "https://ä..example", "app.example.com"),
    ],
)
def test_entries_that_are_no_origins(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no origin; "):
        App(origins=[wrong])


def test_entries_of_other_types() -> None:
    for wrong in (1, None, b"https://app.example.com"):
        with pytest.raises(TypeError, match="an origin is a str or a function"):
            App(origins=[wrong])  # type: ignore[list-item]


# ---- Functions ----


def test_functions() -> None:
    asked = []

    def by_name(origin: str) -> bool:
        asked.append(origin)
        return origin.endswith("//good.example")

    async def by_connection(origin: str, connection: HTTPConnection) -> bool:
        await asyncio.sleep(0)
        return connection.query_params.get("from") == origin

    client = application(origins=["https://listed.example", by_name, by_connection])
    assert opens(client, origin="https://listed.example") and not asked
    assert opens(client, origin="https://good.example")
    assert not opens(client, origin="https://evil.example")
    assert opens(client, "/?from=https://other.example", origin="https://other.example")
    assert opens(client) and not opens(client, origin="null") and not opens(client, origin="no origin")
    assert asked == ["https://good.example", "https://evil.example", "https://other.example"]


def test_a_function_alone_that_fails_refuses() -> None:
    def fails(origin: str) -> bool:
        raise LookupError(origin)

    with pytest.raises(LookupError):
        opens(application(origins=fails), origin="https://good.example")


def test_functions_after_an_asynchronous_one() -> None:
    async def no(origin: str) -> bool:
        return False

    async def yes(origin: str) -> bool:
        return True

    for functions, expected in (([no, lambda origin: True], True), ([no, yes], True), ([no, no], False)):
        assert opens(application(origins=functions), origin="https://a.example") is expected


# ---- The default ----


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, True),
        ({"cookie": "a=b"}, True),
        ({"origin": "https://evil"}, True),
        ({"origin": "null"}, True),
        ({"origin": "https://evil", "authorization": "Bearer abc"}, True),
        ({"origin": "https://evil", "authorization": "bearer abc"}, True),
        ({"origin": "https://evil", "cookie": "a=b"}, False),
        ({"origin": "null", "cookie": "a=b"}, False),
        ({"origin": "", "cookie": "a=b"}, False),
        ({"origin": "https://evil", "cookie": ""}, False),
        ({"origin": "https://evil", "authorization": "Basic YTpi"}, False),
        ({"origin": "https://evil", "authorization": "Negotiate abc"}, False),
        ({"origin": "https://evil", "authorization": "Bearer abc", "cookie": "a=b"}, False),
        ({"origin": "http://testserver", "cookie": "a=b"}, True),
        ({"origin": "http://TESTSERVER:80", "cookie": "a=b"}, True),
        ({"origin": "https://testserver", "cookie": "a=b"}, True),
        ({"origin": "http://testserver:81", "cookie": "a=b"}, False),
        ({"origin": "http://testserver.evil", "cookie": "a=b"}, False),
        ({"origin": "http://eviltestserver", "cookie": "a=b"}, False),
        ({"origin": "https://app", "cookie": "a=b", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "https://app", "cookie": "a=b", "sec_fetch_site": "same-site"}, True),
        ({"origin": "https://app", "cookie": "a=b", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "http://testserver", "cookie": "a=b", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "http://testserver", "cookie": "a=b", "sec_fetch_site": "none"}, True),
        ({"origin": "https://app", "cookie": "a=b", "sec_fetch_site": "none"}, False),
        ({"origin": "https://app", "cookie": "a=b", "sec_fetch_site": "same-site, same-origin"}, False),
    ],
)
def test_foreign_pages_with_credentials(headers: dict[str, str], expected: bool) -> None:
    assert opens(application(), **headers) is expected


def test_a_page_over_http_is_foreign_to_a_server_over_tls() -> None:
    headers = [(b"host", b"app.example.com"), (b"cookie", b"a=b")]
    for scheme, origin, expected in (
        ("ws", "https://app.example.com", True),
        ("wss", "https://app.example.com", True),
        ("wss", "http://app.example.com", False),
        ("ws", "capacitor://app.example.com", False),
    ):
        assert judged(OriginPolicy(), origin, headers=headers, scheme=scheme) is (expected)


def test_hosts_that_are_none() -> None:
    for hosts in ([], [b"good", b"good"], [b""], [b"good/"], [b"a@good"]):
        headers = [(b"cookie", b"a=b"), *((b"host", host) for host in hosts)]
        assert judged(OriginPolicy(), "http://good", headers=headers, scheme="ws") is False


def test_several_fetch_sites_are_believed_together_only() -> None:
    headers = [(b"host", b"good"), (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")]
    assert judged(OriginPolicy(), "http://good", headers=headers, scheme="ws") is False


def test_one_line_names_the_setting(caplog: pytest.LogCaptureFixture) -> None:
    before = refusals().get("origin", 0)
    client = application()
    evil = "https://" + "e" * 200 + ".example"
    with caplog.at_level(logging.WARNING, "wirefast"):
        assert not opens(client, origin=evil, cookie="session=secret")
    (record,) = caplog.records
    text = record.getMessage()
    assert "App(origins=[...])" in text and "403" in text and "secret" not in text and "\n" not in text
    assert evil not in text and evil[:100] in text
    assert refusals()["origin"] == before + 1


# ---- Where it is set ----


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def nested() -> App:
    app = App(origins="https://app.example")
    app.websocket("/app")(socket)
    app.websocket("/route", origins=["https://route.example"])(socket)
    app.websocket_route("/plain")(socket)
    router = APIRouter(origins="https://router.example", prefix="/router")
    router.websocket("/inner")(socket)
    router.websocket("/route", origins="https://route.example")(socket)
    app.include_router(router)
    plain = APIRouter(prefix="/included")
    plain.websocket("/inner")(socket)
    below = APIRouter(prefix="/below")
    below.websocket("/inner")(socket)
    plain.include_router(below)
    plain.include_router(router)
    app.include_router(plain, origins="https://include.example")
    messages = app.messages("/messages", origins="https://messages.example")

    @messages.on("say")
    def say(text: str) -> str:
        return text

    app.mount("/starlette", Starlette(routes=[WebSocketRoute("/inner", socket)]))
    unset = App()
    unset.websocket("/inner")(socket)
    app.mount("/unset", unset)
    mounted = App(origins="https://mounted.example")
    mounted.websocket("/inner")(socket)
    app.mount("/mounted", mounted)
    app.mount("/router-mounted", router)
    return app


@pytest.mark.parametrize(
    ("path", "origin"),
    [
        ("/app", "app"),
        ("/route", "route"),
        ("/plain", "app"),
        ("/router/inner", "router"),
        ("/router/route", "route"),
        ("/included/inner", "include"),
        ("/included/below/inner", "include"),
        ("/included/router/inner", "router"),
        ("/messages", "messages"),
        ("/starlette/inner", "app"),
        ("/unset/inner", "app"),
        ("/mounted/inner", "mounted"),
        ("/router-mounted/router/inner", "router"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "behind middleware"])
def test_the_innermost_setting_counts(path: str, origin: str, wrapped: bool) -> None:
    class Nothing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, *arguments: Any) -> None:
            await self.app(*arguments)

    app = nested()
    if wrapped:
        app.user_middleware.append(Middleware(Nothing))
    client = app
    for name in ("app", "route", "router", "include", "messages", "mounted"):
        assert opens(client, path, origin=f"https://{name}.example") is (name == origin)
    assert opens(client, path)


def test_foreign_pages_are_refused_on_every_kind_of_route() -> None:
    app = App()
    app.websocket("/ours")(socket)
    app.websocket_route("/plain")(socket)
    app.mount("/starlette", Starlette(routes=[WebSocketRoute("/inner", socket)]))
    unset = App()
    unset.websocket("/inner")(socket)
    app.mount("/unset", unset)
    router = APIRouter()
    router.websocket("/routed")(socket)
    app.include_router(router)
    client = app
    for path in ("/ours", "/plain", "/starlette/inner", "/unset/inner", "/routed"):
        assert opens(client, path, origin="https://evil")
        assert not opens(client, path, origin="https://evil", cookie="a=b")
    assert opens(router, "/routed") and not opens(router, "/routed", origin="https://evil", cookie="a=b")


def test_routers_with_a_match_of_their_own() -> None:
    class Custom(APIRouter):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope)

    router = Custom(origins="https://router.example")
    router.websocket("/inner")(socket)
    router.websocket("/route", origins="https://route.example")(socket)
    app = App(origins="https://app.example")
    app.include_router(router)
    client = app
    for path, name in (("/inner", "router"), ("/route", "route")):
        for other in ("app", "router", "route"):
            assert opens(client, path, origin=f"https://{other}.example") is (other == name)


def test_http_is_not_asked() -> None:
    app = application(origins="https://good")

    @app.get("/")
    def page() -> str:
        return "page"

    assert TestClient(app).get("/", headers={"origin": "https://evil", "cookie": "a=b"}).json() == "page"


def test_the_application_is_not_entered() -> None:
    entered = []
    app = App(dependencies=[Depends(lambda: entered.append("dependency"))])

    @app.websocket("/")
    async def never(websocket: WebSocket) -> None:
        entered.append("endpoint")

    assert not opens(app, origin="https://evil", cookie="a=b")
    assert entered == []


def test_headers_of_other_types() -> None:
    """A server may give anything that is like bytes."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    headers = [[bytearray(b"origin"), b"https://evil"], (memoryview(b"cookie"), b"a=b")]
    scope = {"type": "websocket", "path": "/", "headers": iter(headers), "query_string": b"", "scheme": "ws"}
    with pytest.raises(TypeError):
        anyio.run(application(origins="https://a"), {**scope, "headers": [(1.5, b"x")]}, receive, send)
    anyio.run(application(origins="https://a"), scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "origin not allowed"}]


# ---- The warning at start-up ----


def of_session(session: Annotated[str, Depends(APIKeyCookie(name="session"))]) -> str:
    return session


def warnings_of(app: App, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "wirefast"), TestClient(app):
        pass
    return [record.getMessage() for record in caplog.records]


def test_open_origins_with_cookies_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async def by_cookie(websocket: WebSocket, session: Annotated[str, Cookie()]) -> None: ...
    async def by_scheme(websocket: WebSocket, session: Annotated[str, Depends(of_session)]) -> None: ...
    async def by_basic(websocket: WebSocket, user: Annotated[Any, Depends(HTTPBasic())]) -> None: ...

    for endpoint in (by_cookie, by_scheme, by_basic):
        app = App(origins="*")
        app.websocket("/loose")(endpoint)
        app.websocket("/listed", origins=["https://a.example"])(endpoint)
        app.websocket("/none")(socket)
        (warning,) = warnings_of(app, caplog)
        assert "'/loose'" in warning and "/listed" not in warning and "/none" not in warning
        listed = App(origins=["https://a.example"])
        listed.websocket("/")(endpoint)
        assert warnings_of(listed, caplog) == []


def test_open_origins_with_a_session(caplog: pytest.LogCaptureFixture) -> None:
    from starlette.middleware.sessions import SessionMiddleware

    app = App(middleware=[Middleware(SessionMiddleware, secret_key="secret")])
    router = APIRouter()
    for number in range(7):
        router.websocket(f"/{number}")(socket)
    app.include_router(router, origins=["*"])
    (warning,) = warnings_of(app, caplog)
    assert "'/0', '/1', '/2', '/3', '/4' and 2 more" in warning and warning.startswith('origins="*"')
