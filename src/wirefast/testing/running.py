"""``live``: an application that runs for one test, on the loop of the test, and everything that a test can do with it.

wirefast only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from wirefast.as_wire import is_clients
from wirefast.rooms.hub import Hub
from wirefast.testing.broker import Broker, join_network
from wirefast.testing.client import Acting, Client
from wirefast.testing.clock import Clock, clock_of
from wirefast.testing.errors import Leaked, TimedOut
from wirefast.testing.exceptions import Exceptions
from wirefast.testing.leaks import Watch, members_left
from wirefast.testing.lifespan import Lifespan
from wirefast.testing.lines import AsgiLine, Line, WireLine
from wirefast.testing.loading import load
from wirefast.testing.matching import described
from wirefast.testing.overriding import Overriding
from wirefast.testing.peer import WITHIN, Peer
from wirefast.testing.requesting import Headers, pairs_of, request_of, scope_of
from wirefast.testing.runner import Runner
from wirefast.testing.serving import Server
from wirefast.testing.transcript import Event, Transcript
from wirefast.testing.wire import CURRENT

if TYPE_CHECKING:
    import httpx2 as httpx

__all__ = ["Client", "Live", "live"]

T = TypeVar("T")


class Live(Overriding, Client):
    """An application that is served for one test; ``async with live(app) as server``, or the fixture ``live``.

    The lifespan, the application and the clients run on the loop of the test. No thread is started. See `live` for the
    arguments.

    Raises:
        ValueError: the mode or the server is unknown.

    Attributes:
        app: the application.
        mode: ``"wire"`` or ``"asgi"``.
        state: the state that the lifespan has put into every scope.
        transcript: the events of all connections, in order.
        exceptions: the exceptions that the application has raised.
    """

    def __init__(
        self,
        app: Any,
        *,
        mode: Literal["wire", "asgi"] = "wire",
        server: Literal["memory", "real"] = "memory",
        within: float = WITHIN,
        leaks: bool = True,
        raises: bool = True,
        **settings: Any,
    ) -> None:
        if mode not in ("wire", "asgi"):
            raise ValueError(f'mode is "wire" or "asgi", not {mode!r}')
        if server not in ("memory", "real"):
            raise ValueError(f'server is "memory" or "real", not {server!r}')
        if mode == "asgi" and server == "real":
            raise ValueError('mode="asgi" has no server; leave out server="real"')
        super().__init__(self, [], None, None)
        self._given = app
        self.mode = mode
        self.real = server == "real"
        self._within = within
        self._leaks = leaks
        self._raises = raises
        self._settings = settings
        self.exceptions = Exceptions()
        self.transcript = Transcript(named=True)
        self.app: Any = None
        self.state: dict[str, Any] = {}
        self._running = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clock: Clock | None = None
        self._broker: Broker | None = None
        self._peers: list[Peer] = []
        self._lent: set[Peer] = set()
        self._names: dict[str, int] = {}
        self._handlers: dict[int, asyncio.Task[Any]] = {}
        self._actors: dict[int, dict[Callable[..., Any], Any]] = {}
        self._https: list[httpx.AsyncClient] = []
        self._stack = contextlib.ExitStack()
        self._runner: Runner | None = None
        self._last_port = 0

    # ---- Life ----

    async def __aenter__(self) -> Live:
        # Peers of fixtures would end after the test, and thus after this server. So the server ends them.
        self._lent.update(self._peers)
        if self._given is not None:
            await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop(failed=kind is not None)

    async def start(self, app: Any = None) -> Any:
        """Start the application. A method that uses the application starts it too. Two calls on one loop are allowed.

        Args:
            app: the application, if the test makes it, or a function that returns one.

        Returns:
            The application.

        Raises:
            StartFailed: the application's start failed. An exception of the lifespan itself is raised unchanged.
            RuntimeError: there is no application, or there are two; or the server runs on another loop; or the loop is
                not asyncio's.
        """
        if app is not None and self._given is not None:
            raise RuntimeError("this server has an application; live(app) serves another one")
        self._given = app if self._given is None else self._given
        if self._given is None:
            raise RuntimeError(
                "the fixture `live` has no application: define a fixture `live_app` that returns it, set "
                "`live_app = module:app` in the configuration, mark the test @pytest.mark.live(app), or let it say "
                "await live.start(app)"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            advice = 'under anyio\'s plugin let the fixture anyio_backend return "asyncio"'
            raise RuntimeError(f"wirefast.testing runs on asyncio's event loop; {advice}") from None
        if self._running:
            if loop is not self._loop:
                raise RuntimeError("this server runs on another event loop; give the fixture and the test one loop")
            return self.app
        self._loop = loop
        self._clock = clock = clock_of(loop)
        clock.network = 0.002 if self.real else 0.0
        clock.watch_the_day()
        self._watch = Watch(clock)
        self._began = clock.time()
        self.exceptions.begin()
        self._running = True
        try:
            self.app = self._watch.app = await load(self._given)
            self._broker = Broker(clock)
            for hub in self.hubs:
                self._stack.callback(join_network(hub, self._broker))
            self._server = Server(self._serve, clock, self.real, self._settings)
            self._lifespan = Lifespan(self.app, clock)
            await self._lifespan.start()
            self.state = self._server.app_state = self._lifespan.state
            await self._server.start()
        except BaseException:
            self._let_go()
            raise
        return self.app

    def _let_go(self) -> None:
        self._running = False
        self.exceptions.stop()
        self._watch.stop()
        self._stack.close()
        Clock.leave_the_day()

    async def stop(self, *, failed: bool = False) -> None:
        """End the application, and search for leaks of the test, unless the test has failed.

        Raises:
            Leaked: the test has left something behind. The text names it.
            BaseException: an exception of the application that the test does not expect.
        """
        __tracebackhide__ = True
        if not self._running:
            return
        left: list[str] = []
        try:
            await self.clock.arrived()
            for http in self._https:
                await http.aclose()
            await self._close_peers(failed, left)
            await self._end_handlers(left)
            left += members_left(self.hubs)
            if self._broker is not None:
                await self._broker.stop()
            await self._lifespan.stop()
            await self._server.stop()
            left += await self._watch.left()
            while self._peers:
                self._peers.pop().let_go()
            self._lent.clear()
            if not left and not failed and not self.exceptions.any:
                left += self._watch.kept()
        finally:
            self._let_go()
        unknown = self.exceptions.unknown
        if failed:
            return
        if unknown and self._raises:
            raise unknown[0]
        if left and self._leaks:
            raise Leaked(left)

    async def _close_peers(self, failed: bool, left: list[str]) -> None:
        opened = [peer for peer in self._peers if peer.is_open]
        left += [f"a socket: {peer.name}, {peer.path}, was not closed" for peer in opened if peer not in self._lent]
        for peer in opened:
            with contextlib.suppress(Exception):
                await peer.leave(failed)

    async def _end_handlers(self, left: list[str]) -> None:
        """Wait for the handlers of the connections, and cancel those that stay. The list of tasks names them."""
        tasks = self._server.state.tasks
        await self._watch.wait(lambda: tasks or self._server.state.connections)
        for protocol in self._server.protocols():
            protocol.transport.abort()
        await self.clock.settle()

    # ---- Its parts ----

    @property
    def clock(self) -> Clock:
        """The time of the loop; see `Clock`."""
        if self._clock is None:
            raise RuntimeError("the server has not started yet: it has no clock; await live.start()")
        return self._clock

    @property
    def broker(self) -> Broker:
        """The broker between the application's hub and other processes; see `Broker`."""
        if self._broker is None:
            raise RuntimeError("the server has not started yet: it has no broker; await live.start()")
        return self._broker

    @property
    def hubs(self) -> list[Hub]:
        """The hubs of the application: its own, and those in its state."""
        found = [getattr(self.app, "hub", None), *getattr(getattr(self.app, "state", None), "_state", {}).values()]
        return list({id(hub): hub for hub in found if isinstance(hub, Hub)}.values())

    @property
    def hub(self) -> Hub:
        """The hub of the application.

        Raises:
            AttributeError: the application has no hub.
        """
        hubs = self.hubs
        if not hubs:
            raise AttributeError("the application has no hub: App(hub=Hub())")
        return hubs[0]

    def client(
        self,
        *,
        token: str | None = None,
        basic: tuple[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        origin: str | None = None,
        headers: Headers = (),
        acting: Acting | None = None,
        name: str | None = None,
    ) -> Client:
        """Make a client.

        Args:
            token: a token, sent as ``Authorization: Bearer``.
            basic: name and password, sent as ``Authorization: Basic``.
            cookies: cookies, sent as ``Cookie``.
            origin: an origin, sent as ``Origin``, as browsers do.
            headers: further headers.
            acting: a dependency and its value for this client alone, such as ``{current_user: User("ann")}``.
            name: the name of its peers in transcripts.
        """
        lines = list(pairs_of(headers))
        if token is not None:
            lines.append(("Authorization", f"Bearer {token}"))
        if basic is not None:
            lines.append(("Authorization", "Basic " + base64.b64encode(":".join(basic).encode()).decode()))
        if cookies:
            lines.append(("Cookie", "; ".join(f"{key}={value}" for key, value in cookies.items())))
        if origin is not None:
            lines.append(("Origin", origin))
        if acting:
            self._act_by_client()
        return Client(self, lines, acting, name)

    def expect_exception(
        self, kind: type[BaseException], match: str | None = None, *, times: int = 1
    ) -> contextlib.AbstractContextManager[None]:
        """Expect the application to raise exceptions of a ``kind``, in the ``with`` block or before.

        Args:
            kind: the class of the exceptions.
            match: a regular expression that matches their text.
            times: the number of exceptions.
        """
        return self.exceptions.expecting(kind, match, times)

    async def settle(self) -> None:
        """Wait until only a timer can bring something new: all sent bytes are read, and all tasks wait."""
        await self.clock.arrived()
        await self.clock.settle_all()

    async def until(self, condition: Callable[[], object], *, within: float | None = None) -> None:
        """Wait until a ``condition`` of the application is true, at most ``within`` real seconds, 2 by default.

        Raises:
            TimedOut: the condition did not become true.
        """
        within = self._within if within is None else within
        await self.clock.arrived()
        await self._watch.wait(lambda: not condition(), within)
        if not condition():
            raise TimedOut(f"expected {described(condition)} within {within:g} s, but it is not true\n\n{self.told()}")

    def shutdown(self) -> asyncio.Future[None]:
        """Drain and stop the server as on a SIGTERM. Await the result to wait. The lifespan ends with the test."""
        return asyncio.ensure_future(self._server.shutdown())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine ``work`` from a plain test function, on a loop that this server keeps until its end."""
        if self._runner is None:
            self._runner = Runner()
        runner = self._runner

        async def started() -> T:
            await self.start()
            return await work

        return runner.run(started())

    def finish(self, *, failed: bool = False) -> None:
        """End the loop of `run`; ``failed`` says whether the test has failed. The fixture calls this method."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            try:
                runner.run(self.stop(failed=failed))
            finally:
                runner.close()

    # ---- For peers ----

    def note(self, name: str, sign: str, text: str, quiet: bool = False) -> None:
        """Note an event of the connection of this ``name``: ``sign``, ``text``, ``quiet`` as in `Event`."""
        self.transcript.add(Event(self.clock.time() - self._began, name, sign, text, quiet))

    def told(self, first: str | None = None) -> str:
        """Return the transcripts of all peers, with one peer's first, and the lines of the log."""
        names = dict.fromkeys(([] if first is None else [first]) + [event.peer for event in self.transcript])
        told = "".join(f"{name}\n{self.transcript.of(name).told()}\n" for name in names)
        logged = "".join(f"  {record.name}: {record.getMessage()}\n" for record in self.exceptions.records)
        return told + (f"in the log\n{logged}" if logged else "")

    async def served(self, port: int, within: float) -> None:
        """Wait, at most ``within`` real seconds, until the handler of the connection of a ``port`` has returned."""
        task = self._handlers.get(port)
        if task is not None and not task.done():
            until = self.clock.real_time() + within
            await self.clock.settle()
            while not task.done() and self.clock.real_time() < until:
                await self.clock.real_sleep(0.001)
        if task is not None and task.done():
            self._handlers.pop(port, None)

    async def _connect(
        self,
        target: str,
        headers: list[tuple[str, str]],
        acting: dict[Callable[..., Any], Any],
        name: str | None,
        within: float | None,
        keep: bool,
    ) -> Peer:
        await self.start()
        await self.clock.arrived()
        number = self._names[name or target] = self._names.get(name or target, 0) + 1
        label = f"{name or target}" + (f" #{number}" if number > 1 else "")

        def note(sign: str, text: str, quiet: bool) -> None:
            self.note(label, sign, text, quiet)

        line: Line
        if self.mode == "asgi":
            line = AsgiLine(self._serve, scope_of(target, headers, self.state), note)
        else:
            line = WireLine(self.clock, note)
        peer = Peer(self, line, label, target, self._within if within is None else within)
        line.owner = peer
        note(">", f"GET {target}", False)
        if isinstance(line, WireLine):
            line.wire = await self._server.open(line)
            self._actors[line.port] = acting
            line.wire.write(request_of(target, headers))
        elif isinstance(line, AsgiLine):
            self._actors[line.port] = acting
            line.begin()
        self._last_port = line.port
        self._peers.append(peer)
        if keep:
            self._lent.add(peer)
        try:
            await peer.handshake()
        except BaseException:
            line.close()
            self._peers.remove(peer)
            raise
        self._watch_protocol(line.port, target)
        return peer

    def _watch_protocol(self, port: int, target: str) -> None:
        for protocol in self._server.protocols():
            address = protocol.transport.get_extra_info("peername") if protocol.transport is not None else None
            if address and address[1] == port:
                self._watch.protocol(protocol, target)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application, note its exceptions, and note the task of each connection by the client's port."""
        port = CURRENT.get(None)
        client = scope.get("client")
        if client and client[1] in self._actors:
            port = client[1]
        if port is not None:
            CURRENT.set(port)
            task = asyncio.current_task()
            if scope["type"] == "websocket" and task is not None:
                task.set_name(f"the handler of {scope['path']}")
                self._handlers[port] = task
        try:
            await self.app(scope, receive, send)
        except Exception as exc:
            if not is_clients(exc):
                self.exceptions.add(exc, port)
            raise

    def _make_http(self, headers: list[tuple[str, str]], acting: dict[Callable[..., Any], Any]) -> httpx.AsyncClient:
        if not self._running:
            raise RuntimeError("the server has not started yet; await live.start()")
        from wirefast.testing.http import make_client  # needs httpx2, which only those who use it need

        client = make_client(self._server, lambda port: self._actors.__setitem__(port, acting), headers=headers)
        self._https.append(client)
        return client


def live(
    app: Any,
    *,
    mode: Literal["wire", "asgi"] = "wire",
    server: Literal["memory", "real"] = "memory",
    within: float = WITHIN,
    leaks: bool = True,
    raises: bool = True,
    **settings: Any,
) -> Live:
    """Give an application that runs for one test: ``async with live(app) as server``.

    Args:
        app: an App, any ASGI application, a function that returns one, or ``"module:app"``.
        mode: ``"wire"``: every byte goes through the server protocol. ``"asgi"``: only ASGI messages, which is faster.
            This mode has no handshakes, frames, limits, compression, keepalive and flow control; a method that needs
            them raises `NotOnTheWire`.
        server: ``"memory"``: a pair of transports in memory. ``"real"``: real sockets on the loopback.
        within: the limit of each wait, in real seconds. Default: 2.
        leaks: fail if the test leaves something behind.
        raises: fail if the application has raised an exception that the test does not expect.
        settings: settings of uvicorn's Config, such as ``ws_ping_interval=5``. The defaults are those of
            ``wirefast run``.
    """
    return Live(app, mode=mode, server=server, within=within, leaks=leaks, raises=raises, **settings)
