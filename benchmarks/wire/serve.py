"""One server of the comparison, in its own process: ``python -m benchmarks.wire.serve SERVER FRAMEWORK SUBJECT``.

It listens on 127.0.0.1, on a port that the system chooses, with uvloop, one process, no compression and no access log,
until SIGTERM. What a server cannot do is not asked of it: see ``peers.py`` beside this file.
"""

import asyncio
import logging
import os
import select
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from benchmarks.wire import apps
from benchmarks.wire.load import ACCEPT

HOST = "127.0.0.1"
BACKLOG = 2048
MESSAGE_MAX = 16 * 2**20


def uvloop_run(main: Callable[[], Awaitable[None]]) -> None:
    import uvloop

    uvloop.run(main())


# ---- ASGI servers ----


def uvicorn(app: Any, websockets: str) -> None:
    """uvicorn with one of its own implementations, ours in its place, or everything as ``wirefast run`` has it."""
    from uvicorn import Config, Server

    settings: dict[str, Any] = {"ws": websockets, "ws_per_message_deflate": False}
    if websockets == "wirefast":
        settings["ws"] = "wirefast.server:WebSocketProtocol"
    elif websockets in ("run", "run-loop"):
        from wirefast import cli
        from wirefast.server.config import Config
        from wirefast.server.serving import Server

        settings = dict(cli.OWN_DEFAULTS)
        settings |= {option: f"wirefast.server:{name}" for option, name in cli.PROTOCOLS.items()}
    settings["timeout_graceful_shutdown"] = 1
    config = Config(
        app, host=HOST, port=0, loop="uvloop", access_log=False, log_level="warning", backlog=BACKLOG, **settings
    )
    if websockets == "run-loop":
        config.transport = "loop"
    Server(config).run()


def granian(app: Any) -> None:
    """granian imports the application itself, in a worker that it starts."""
    del app
    from granian import Granian
    from granian.constants import Interfaces, Loops

    Granian(
        "benchmarks.wire.apps:create",
        factory=True,
        address=HOST,
        port=0,
        interface=Interfaces.ASGINL,
        loop=Loops.uvloop,
        workers=1,
        log_enabled=False,
        backlog=BACKLOG,
        workers_kill_timeout=1,
    ).serve()


def hypercorn(app: Any) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{HOST}:0"]
    config.accesslog = None
    config.loglevel = "WARNING"
    config.backlog = BACKLOG
    config.graceful_timeout = 1
    uvloop_run(lambda: serve(app, config))


# ---- Servers with an interface of their own: no dependencies, no validation ----


def aiohttp(subject: str) -> None:
    """The scene's routes, and the chat's loop."""
    from aiohttp import WSMsgType, web

    def dumps(value: Any) -> str:
        return orjson.dumps(value).decode()

    async def text(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=MESSAGE_MAX)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
        return ws

    async def json(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=MESSAGE_MAX)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_json(message.json(loads=orjson.loads), dumps=dumps)
        return ws

    members: set[web.WebSocketResponse] = set()

    async def chat(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        members.add(ws)
        client_id = int(request.match_info["client_id"])
        try:
            async for message in ws:
                await ws.send_str(f"You wrote: {message.data}")
                answer = f"Client #{client_id} says: {message.data}"
                await asyncio.gather(*[asyncio.wait_for(member.send_str(answer), 5) for member in members])
        finally:
            members.discard(ws)
        return ws

    async def main() -> None:
        app = web.Application()
        app.add_routes([web.get(f"/chat/svc{number}/{{item_id}}/ws", json) for number in range(28)])
        app.add_routes([web.get("/chat/rooms/{room_id}/ws", json), web.get("/text", text), web.get("/json", json)])
        app.add_routes([web.get("/ws/{client_id}", chat)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0, backlog=BACKLOG).start()
        await asyncio.Event().wait()

    uvloop_run(main)


def picows(subject: str) -> None:
    """A listener for each path: no routing, no state machine, no flow control."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

    def closing(transport: WSTransport, frame: WSFrame) -> None:
        transport.send_close(frame.get_close_code(), frame.get_close_message())
        transport.disconnect()

    class Text(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type is WSMsgType.TEXT:
                transport.send(WSMsgType.TEXT, frame.get_payload_as_utf8_text().encode())
            elif frame.msg_type is WSMsgType.CLOSE:
                closing(transport, frame)

    class Json(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type is WSMsgType.TEXT:
                transport.send(WSMsgType.TEXT, orjson.dumps(orjson.loads(frame.get_payload_as_memoryview())))
            elif frame.msg_type is WSMsgType.CLOSE:
                closing(transport, frame)

    members: set[WSTransport] = set()

    class Chat(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            members.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            members.discard(transport)

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type is WSMsgType.TEXT:
                said = frame.get_payload_as_utf8_text()
                transport.send(WSMsgType.TEXT, f"You wrote: {said}".encode())
                answer = f"Client #0 says: {said}".encode()
                for member in members:
                    member.send(WSMsgType.TEXT, answer)
            elif frame.msg_type is WSMsgType.CLOSE:
                closing(transport, frame)

    kinds = {b"/text": Text, b"/ws/": Chat}

    def listener(request: WSUpgradeRequest) -> WSListener:
        return next((kind for path, kind in kinds.items() if request.path.startswith(path)), Json)()

    async def main() -> None:
        server = await ws_create_server(listener, HOST, 0, backlog=BACKLOG, max_frame_size=MESSAGE_MAX)
        await server.serve_forever()

    uvloop_run(main)


def socketify(subject: str) -> None:
    """uWebSockets under Python, on its own loop (libuv); JSON through orjson."""
    from socketify import App, CompressOptions, OpCode

    app = App()
    settings = {"max_payload_length": MESSAGE_MAX, "compression": CompressOptions.DISABLED}
    settings |= {"max_backpressure": MESSAGE_MAX, "idle_timeout": 120}

    def text(ws: Any, message: Any, opcode: OpCode) -> None:
        ws.send(message, OpCode.TEXT)

    def json(ws: Any, message: Any, opcode: OpCode) -> None:
        ws.send(orjson.dumps(orjson.loads(message)), OpCode.TEXT)

    for number in range(28):
        app.ws(f"/chat/svc{number}/:item_id/ws", settings | {"message": json})
    for path, handler in (("/chat/rooms/:room_id/ws", json), ("/text", text), ("/json", json)):
        app.ws(path, settings | {"message": handler})
    app.listen({"port": 0, "host": HOST}, lambda config: None)
    app.run()


class Echo(asyncio.Protocol):
    """Bytes back as they come: the floor of everything on this loop."""

    transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def raw(subject: str) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Echo, HOST, 0, backlog=BACKLOG)
        await server.serve_forever()

    uvloop_run(main)


class Polled:
    """The same by one epoll under the loop, which watches its descriptor alone: what plain Python calls cost so."""

    def __init__(self, listener: socket.socket) -> None:
        self.poller = select.epoll()
        self.listener = listener
        self.open: dict[int, socket.socket] = {}
        self.buffer = bytearray(262_144)
        self.view = memoryview(self.buffer)
        self.poller.register(listener.fileno(), select.EPOLLIN)

    def turn(self) -> None:
        for number, _ in self.poller.poll(0, 64):
            if number == self.listener.fileno():
                made, _ = self.listener.accept()
                made.setblocking(False)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.open[made.fileno()] = made
                self.poller.register(made.fileno(), select.EPOLLIN)
                continue
            connection = self.open[number]
            try:
                size = connection.recv_into(self.buffer)
            except OSError:
                size = 0
            if size == 0:
                self.poller.unregister(number)
                self.open.pop(number).close()
                continue
            sent = 0
            while sent < size:  # a full buffer is waited for: a peer of this benchmark reads
                try:
                    sent += connection.send(self.view[sent:size])
                except BlockingIOError:
                    continue


def raw_poller(subject: str) -> None:
    async def main() -> None:
        listener = socket.create_server((HOST, 0), backlog=BACKLOG)
        listener.setblocking(False)
        polled = Polled(listener)
        asyncio.get_running_loop().add_reader(polled.poller.fileno(), polled.turn)
        await asyncio.Event().wait()

    uvloop_run(main)


class Exchange(Echo):
    """One answer to an upgrade, made beforehand, and a close frame to a close frame: the floor of an upgrade."""

    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    answer += b"Sec-WebSocket-Accept: %s\r\n\r\n"
    answered = False

    def data_received(self, data: bytes) -> None:
        if not self.answered and data.endswith(b"\r\n\r\n"):
            self.answered = True
            self.transport.write(self.answer % ACCEPT)
        elif self.answered:
            self.transport.write(b"\x88\x02\x03\xe8")
            self.transport.close()


def raw_exchange(subject: str) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Exchange, HOST, 0, backlog=BACKLOG)
        await server.serve_forever()

    uvloop_run(main)


BARE: dict[str, Callable[[str], None]] = {"aiohttp": aiohttp, "picows": picows, "socketify": socketify, "raw": raw}
BARE |= {"raw-poller": raw_poller, "raw-exchange": raw_exchange}
ASGI: dict[str, Callable[[Any], None]] = {"granian": granian, "hypercorn": hypercorn}


def main() -> None:
    server, framework, subject = sys.argv[1:]
    logging.basicConfig(level=logging.WARNING)
    if server in BARE:
        BARE[server](subject)
        return
    os.environ |= {"WIRE_FRAMEWORK": framework, "WIRE_SUBJECT": subject}
    app = None if server == "granian" else apps.build(framework, subject)
    if server in ASGI:
        ASGI[server](app)
    else:
        uvicorn(app, server)


if __name__ == "__main__":
    main()
