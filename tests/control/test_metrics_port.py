"""The small HTTP server beside the service's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wirefast.control import metrics_port
from wirefast.control.metrics_port import HEAD_MAX, MetricsPort


class Service:
    async def snapshot(self) -> dict[str, Any]:
        return {"wirefast_workers": {"": 3}}

    async def ready(self) -> bool:
        return False


async def exchange(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def answers(*requests: bytes) -> list[bytes]:
    async def scene() -> list[bytes]:
        served = MetricsPort(Service(), "127.0.0.1", 0)
        await served.start()
        found = [await exchange(served.port, request) for request in requests]
        await served.stop()
        return found

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("line", "status", "body"),
    [
        (b"GET /metrics HTTP/1.1", b"200 OK", b"wirefast_workers 3.0"),
        (b"GET /metrics?x=1 HTTP/1.1", b"200 OK", b"wirefast_workers 3.0"),
        (b"GET /healthz HTTP/1.1", b"200 OK", b"alive"),
        (b"GET /readyz HTTP/1.1", b"503 Service Unavailable", b"not ready"),
        (b"GET / HTTP/1.1", b"404 Not Found", b""),
        (b"POST /metrics HTTP/1.1", b"405 Method Not Allowed", b""),
        (b"nonsense", b"405 Method Not Allowed", b""),
    ],
)
def test_what_it_answers(line: bytes, status: bytes, body: bytes) -> None:
    found = answers(line + b"\r\nHost: a\r\n\r\n")[0]
    assert found.startswith(b"HTTP/1.1 " + status) and body in found


def test_a_head_is_bounded() -> None:
    rest = b"\r\nHost: a\r\n\r\n"
    line = b"GET /healthz HTTP/1.1"
    fits = line + b"\r\nx: " + b"y" * (HEAD_MAX - len(line) - len(rest) - 5) + rest
    assert b"alive" in answers(fits)[0]
    assert answers(fits.replace(b"x: ", b"x: " + b"y" * HEAD_MAX))[0] == b""


def test_a_head_that_does_not_come_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_port, "HEAD_SECONDS", 0.05)
    assert answers(b"GET /met")[0] == b""


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_port, "CONNECTIONS_MAX", 0)
    assert answers(b"GET /healthz HTTP/1.1\r\n\r\n")[0] == b""


def test_a_client_that_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with what the kernel took; its answer is not kept, and the next client is served."""
    size = 32 * 1024 * 1024
    monkeypatch.setattr(metrics_port, "HEAD_SECONDS", 0.1)
    monkeypatch.setattr(metrics_port, "render", lambda snapshot, accept: (bytes(size), "text/plain"))

    async def scene() -> int:
        served = MetricsPort(Service(), "127.0.0.1", 0)
        await served.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        while not served.open:
            await asyncio.sleep(0)
        while served.open:
            await asyncio.sleep(0.01)
        got = 0
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                got += len(await asyncio.wait_for(reader.readexactly(4096), 20))
        writer.close()
        monkeypatch.undo()
        assert b"alive" in await exchange(served.port, b"GET /healthz HTTP/1.1\r\n\r\n")
        await served.stop()
        return got

    assert asyncio.run(scene()) < size
