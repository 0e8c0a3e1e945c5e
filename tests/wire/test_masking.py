"""Secrets of query strings in what real processes say: access lines, errors, tracebacks, spans; ours and uvicorn's."""

from __future__ import annotations

import sys
from base64 import urlsafe_b64encode
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from peer import CLOSE, Peer, close_frame, request

from processes import ServerProcess
from slower import SLOWER

# The extra `test` has it from Python 3.11 on.
pytest.importorskip("opentelemetry.sdk")

SERVICE = """
import logging
from typing import Annotated
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from wirefast import App, Query, Refuse, WebSocket
from wirefast.security import WebSocketBearer

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(provider)
app = App(telemetry={"tracing": True})

@app.get("/page")
def page(token: str):
    return "page"

@app.get("/number")
def number(token: int):
    return "number"

@app.get("/fails")
def fails(token: str):
    raise LookupError(f"/fails?token={token}")

@app.websocket("/accepted")
async def accepted(websocket: WebSocket):
    await websocket.accept("chat" if websocket.scope["subprotocols"] else None)
    await websocket.close()

@app.websocket("/refused")
async def refused(websocket: WebSocket):
    raise Refuse(401, "no")

@app.websocket("/number")
async def of_number(websocket: WebSocket, token: int): ...

@app.websocket("/fails")
async def fails_too(websocket: WebSocket, token: str):
    await websocket.accept()
    logging.getLogger("uvicorn.error").warning("a line about %s", websocket.url)
    raise LookupError(f"/fails?token={token}")

@app.websocket("/closed")
async def closed(websocket: WebSocket):
    await websocket.close()
"""
SECRET = "s3cr3t-of-ada"
QUERIES = [
    f"token={SECRET}&room=7",
    f"a=1&Access_Token={SECRET}",
    f"%74icket={SECRET}",
    f"key={SECRET};api-key={SECRET}",
]
BEARER = "bearer." + urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")

COMMANDS = {
    "wirefast run": ["-m", "wirefast", "run", "service:app"],
    "websockets": ["-m", "uvicorn", "service:app", "--ws", "websockets"],
    "websockets-sansio": ["-m", "uvicorn", "service:app", "--ws", "websockets-sansio"],
    "wsproto": ["-m", "uvicorn", "service:app", "--ws", "wsproto"],
}


class AnyServer(ServerProcess):
    """A process of one of these commands."""

    def command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, *COMMANDS[arguments[0]], *arguments[1:]]


@pytest.mark.parametrize("kind", COMMANDS)
def test_nothing_says_a_secret(kind: str, tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    server = AnyServer(kind, "--port", "0", "--log-level", "trace", cwd=tmp_path)
    try:
        port = server.wait_for_port()

        def ask(payload: bytes) -> int:
            with Peer(("127.0.0.1", port), timeout=20.0 * SLOWER) as peer:
                peer.send(payload)
                status = peer.response().status
                if status == 101:
                    with suppress(EOFError):  # after an error there may be no close frame
                        assert peer.frame().opcode == CLOSE
                        peer.send(close_frame())
                    peer.frames()
                return status

        statuses = {}
        for query in QUERIES:
            for path in ("/accepted", "/refused", "/number", "/closed", "/nowhere"):
                statuses[path] = ask(request(f"{path}?{query}"))
        statuses["/fails"] = ask(request(f"/fails?{QUERIES[0]}"))
        offered = ask(request("/accepted", headers=[("Sec-WebSocket-Protocol", f"chat, {BEARER}")]))
        ask(request(f"/accepted?{QUERIES[0]}", drop=["Sec-WebSocket-Key"]))
        ask(request(f"/accepted?{QUERIES[0]}", Sec_WebSocket_Version="7"))
        pages = [
            ask(f"GET {path}?{QUERIES[0]} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            for path in ("/page", "/number", "/fails")
        ]
    finally:
        server.end()
    assert statuses == {
        "/accepted": 101,
        "/refused": 401,
        "/number": 403,
        "/closed": 403,
        "/nowhere": statuses["/nowhere"],
        "/fails": 101,
    }
    assert (offered, pages) == (101, [200, 422, 500])
    log = server.log
    assert "token=***&room=7" in log and "LookupError: /fails?token=***" in log and "a line about ws://" in log
    assert '"url.query": "token=***&room=7"' in log or "token=***" in log.partition('"attributes"')[2]
    assert '"name": ' in log and "/accepted" in log
    for secret in (SECRET, quote(SECRET), BEARER):
        told = [line for line in log.splitlines() if secret in line]
        assert not told
