"""A client that reconnects: ``python examples/tutorial/watch.py ws://127.0.0.1:8000 ada lovelace``."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


def log_in(url: str, name: str, password: str) -> str:
    """Return the cookie of a login."""
    body = json.dumps({"name": name, "password": password}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url.replace("ws", "http", 1) + "/login", body, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.headers["set-cookie"].partition(";")[0])


async def watch(url: str, cookie: str, sensor: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the readings of a sensor, over as many connections as needed."""
    # Used in a loop, connect() tries again after growing delays.
    async for socket in connect(f"{url}/live", additional_headers={"Cookie": cookie}):
        try:
            await socket.send(json.dumps({"type": "watch", "sensor": sensor}))
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "reading":
                    yield message
        except ConnectionClosed:
            pass
        if socket.close_code == 4401:
            raise PermissionError("log in first")


async def main(url: str, name: str, password: str) -> None:
    async for reading in watch(url, log_in(url, name, password), "load"):
        print(reading["sensor"], reading["value"])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
