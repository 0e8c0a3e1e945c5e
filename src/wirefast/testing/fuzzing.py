"""``fuzz``: typed and broken messages to every declared socket, until something breaks.

Three things count as broken: an exception that the application did not handle, a socket that does not answer a ping,
and anything that is left behind when the socket is gone. The application may refuse or close a socket. wirefast only.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis
from hypothesis import strategies as st

from wirefast.testing.client import Acting, Client
from wirefast.testing.errors import ConnectionLost, NotExpected, Refused
from wirefast.testing.leaks import members_left, of_task
from wirefast.testing.peer import Peer
from wirefast.testing.requesting import pairs_of
from wirefast.testing.runner import Runner
from wirefast.testing.running import Live
from wirefast.testing.steps import ENDINGS, Step
from wirefast.testing.targets import Handshake, Target, targets_of
from wirefast.testing.watchdog import StoodStill, Watchdog

__all__ = ["Broken", "FuzzReport", "fuzz"]

#: Examples of one round. The time is checked between rounds.
ROUND = 50
#: Steps of one socket.
STEPS = 8
#: Seconds in which a socket has to answer a ping behind its messages.
ANSWER_WITHIN = 2.0
#: A turn of the loop is a hang from so many seconds on. A busy machine makes a turn long too.
STANDS_STILL = 1.0
#: Seconds of the search for a smaller example.
SHRINK_SECONDS = 10.0
#: Seconds in which tasks of a socket have to end when the socket is gone.
END_WITHIN = 0.25


@dataclass(frozen=True)
class Example:
    """One connection: its handshake, the steps of its client, and its end."""

    target: Target
    handshake: Handshake
    steps: tuple[Step, ...]
    ending: str

    @property
    def key(self) -> str:
        """A key that differs between examples."""
        return repr((self.target.path, self.handshake, self.steps, self.ending))

    @property
    def size(self) -> tuple[int, int]:
        """The length of the example for a reader."""
        return len(self.steps), len(self.code("live"))

    @property
    def is_readable(self) -> bool:
        """Whether the server can find the beginning of the next frame, so that it has to answer a ping."""
        return not any(step.raw for step in self.steps)

    def code(self, opened: str) -> str:
        """Return the code of a test that does the same, with ``opened`` in place of ``live``."""
        headers = f", headers={list(self.handshake.headers)!r}" if self.handshake.headers else ""
        body = [step.code() for step in self.steps]
        if self.ending == "close":
            body.append("await peer.ping()")
        body.append("await peer.close()" if self.ending == "close" else f"peer.{self.ending}()")
        lines = [
            "async def test_it(live):",
            f"    async with {opened}.connect({self.handshake.path!r}{headers}) as peer:",
            *(f"        {line}" for line in body),
        ]
        if any("encode(" in line for line in body):
            lines[:0] = ["from wirefast.testing.frames import encode", "", ""]
        return "\n".join(lines)


class Broken(AssertionError):
    """An error that `fuzz` found. The text has the error, the smallest example as a test, and the seed.

    Attributes:
        path: the path of the route, as it was declared.
        wrong: an exception with its traceback, a hang or a leak.
        code: a test with the fixture ``live`` that does the same.
        seed: the seed that finds the error again.
    """

    def __init__(self, path: str, wrong: str, code: str, seed: int) -> None:
        super().__init__(f"{path} breaks; seed {seed}\n\n{code}\n\n{wrong}")
        self.path, self.wrong, self.code, self.seed = path, wrong, code, seed


@dataclass
class FuzzReport:
    """The report of `fuzz`.

    Attributes:
        seconds: the time that it took.
        seed: the seed of the first round.
        connections: the number of connections, by the path of each route.
        messages: the number of messages, by the path of each route.
        refused: the number of refused handshakes, by path and status.
        ended: the number of sockets that the application ended, by path and code.
    """

    seconds: float = 0.0
    seed: int = 0
    connections: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, int]] = field(default_factory=Counter)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __str__(self) -> str:
        return self.text("headers=, token=, query= or acting=")

    def text(self, remedies: str) -> str:
        """Return the report as lines of text.

        Args:
            remedies: the names of what opens a socket that refuses every handshake.
        """
        count = sum(self.connections.values())
        lines = [f"{count} connections in {self.seconds:.1f} s with the seed {self.seed}, nothing broke"]
        for path in sorted(self.connections):
            line = f"  {path}: {self.connections[path]} connections, {self.messages[path]} messages"
            refused, ended = _counted(self.refused, path), _counted(self.ended, path)
            lines.append(line + (f"; refused {refused}" if refused else "") + (f"; closed {ended}" if ended else ""))
        for path in self.unopened:
            lines.append(f"  {path} has refused every handshake: give {remedies}")
        return "\n".join(lines)

    @property
    def unopened(self) -> list[str]:
        """The paths whose handshakes were all refused."""
        refused: Counter[str] = Counter()
        for (path, _), count in self.refused.items():
            refused[path] += count
        return sorted(path for path, count in self.connections.items() if count and count == refused[path])


def _counted(counts: Counter[tuple[str, int]], path: str) -> str:
    return ", ".join(f"{count} with {code}" for (on, code), count in sorted(counts.items()) if on == path)


def fuzz(
    app: Any,
    *,
    seconds: float | None = None,
    examples: int = 200,
    routes: Sequence[str] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    token: str | None = None,
    query: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    acting: Acting | None = None,
    seed: int | None = None,
    answer_within: float = ANSWER_WITHIN,
    **settings: Any,
) -> FuzzReport:
    """Open every WebSocket route of an application, send it typed and broken messages, and close in every way.

    Handshakes have the parameters and the credentials that the route declares, and unusual ones. Messages are of the
    types that the route declares, whole and in fragments. Others are not: other JSON, text that is no JSON, long and
    deep values, binary. Frames break RFC 6455 in each possible way, and messages come behind a close frame.

    Args:
        app: an App, any ASGI application with ``routes``, a factory, or ``"module:app"``.
        seconds: the time of the run. Default: the time of ``examples``.
        examples: the number of connections if no ``seconds`` are given.
        routes: paths as they were declared. Default: all.
        headers: the headers of every handshake.
        token: a token, sent as ``Authorization: Bearer``.
        query: parameters of every handshake's query, such as a token that is read there.
        acting: dependencies and their values, as for ``live.client``.
        seed: the seed of the first round, to repeat a run.
        answer_within: real seconds in which a socket has to answer a ping. A slower handler is a hang.
        settings: settings of ``live``, except its ``mode``.

    Returns:
        The report of the run.

    Raises:
        Broken: an exception, a hang or a leak, with the smallest example that shows it.
        ValueError: the application has no such route, or no route; or a ``mode`` is given.
        RuntimeError: a loop runs. Call the function from a plain function.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("a loop runs here already; call fuzz from a plain function")
    if "mode" in settings:
        raise ValueError("fuzz sends frames, which need the wire; leave out mode=")
    runner = Runner()
    served = Live(app, within=answer_within, raises=False, **settings)
    report = FuzzReport(seed=random.randrange(2**32) if seed is None else seed)
    began = time.monotonic()
    try:
        runner.run(served.start())
        lines = pairs_of(headers)
        given = {name.lower() for name, _ in lines} | ({"authorization"} if token is not None else set())
        targets = targets_of(served.app, given=given, query=pairs_of(query))
        if routes is not None:
            unknown = set(routes) - {target.path for target in targets}
            if unknown:
                known = ", ".join(target.path for target in targets) or "none"
                raise ValueError(f"there is no WebSocket route {', '.join(sorted(unknown))}; there are {known}")
            targets = [target for target in targets if target.path in routes]
        if not targets:
            raise ValueError("the application has no WebSocket route")
        player = Player(runner, served, _opened_by(lines, token, acting), report)
        player.who = served.client(headers=lines, token=token, acting=acting)
        player.watchdog = Watchdog(runner.loop, max(answer_within, STANDS_STILL))
        number = 0
        while number == 0 if seconds is None else time.monotonic() - began < seconds:
            player.seed = report.seed + number
            try:
                _round(targets, player, examples if seconds is None else ROUND)
            except (_Enough, Broken):
                raise player.broken() from None
            number += 1
        report.seconds = time.monotonic() - began
        return report
    finally:
        try:
            runner.run(served.stop(failed=True))
        finally:
            runner.close()


def _opened_by(headers: list[tuple[str, str]], token: str | None, acting: Acting | None) -> str:
    """Return the Python that gives the same client."""
    given = [f"headers={headers!r}"] if headers else []
    if token is not None:
        given.append(f"token={token!r}")
    if acting:
        pairs = (f"{getattr(dependency, '__name__', dependency)}: {value!r}" for dependency, value in acting.items())
        given.append(f"acting={{{', '.join(pairs)}}}")
    return f"live.client({', '.join(given)})" if given else "live"


def _round(targets: list[Target], player: Player, examples: int) -> None:
    @hypothesis.seed(player.seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=False,
        report_multiple_bugs=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        print_blob=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(data=st.data())
    def run(data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(targets))
        handshake = data.draw(target.handshakes)
        steps = data.draw(st.lists(target.steps, min_size=1, max_size=STEPS))
        # Hypothesis shrinks towards the first.
        ending = data.draw(st.sampled_from(["close", "close", "close", *ENDINGS]))
        example = Example(target, handshake, tuple(steps), ending)
        player.play(example if example.is_readable or ending != "close" else replace(example, ending="reset"))

    run()


class _Enough(BaseException):
    """Ends the search of Hypothesis for a smaller example. An `Exception` would be one more failure for Hypothesis."""


class Player:
    """Plays examples, and keeps the smallest that breaks.

    Args:
        runner: the loop's runner.
        served: the application.
        opened: the Python code of the client.
        report: the report, to which each example is added.
    """

    who: Client
    watchdog: Watchdog
    seed: int = 0

    def __init__(self, runner: Runner, served: Live, opened: str, report: FuzzReport) -> None:
        self.runner = runner
        self.served = served
        self.opened = opened
        self.report = report
        self._found: dict[str, str] = {}
        self._smallest: Example | None = None
        self._until = math.inf

    def play(self, example: Example) -> None:
        """Play an example.

        Raises:
            Broken: the example has found an error.
            _Enough: no time is left for the search for a smaller example.
        """
        if time.monotonic() > self._until:
            raise _Enough
        wrong = self._wrong(example)
        if wrong is not None:
            self._until = min(self._until, time.monotonic() + SHRINK_SECONDS)
            if self._smallest is None or example.size <= self._smallest.size:
                self._smallest = example
            raise Broken(example.target.path, wrong, example.code(self.opened), self.seed)

    def _wrong(self, example: Example) -> str | None:
        if example.key in self._found:
            return self._found[example.key]
        wrong = None
        with self.watchdog.watching(), contextlib.suppress(StoodStill):
            wrong = self.runner.run(_one(self.served, self.who, example, self.report))
        if self.watchdog.told is not None:
            wrong = f"a hang: the event loop stood still for {self.watchdog.seconds:g} s in\n{self.watchdog.told}"
        if wrong is not None:
            self._found[example.key] = wrong
        return wrong

    def broken(self) -> Broken:
        """Return the smallest broken example, without the steps that it does not need."""
        best = self._smallest
        if best is None:
            raise AssertionError
        wrong = self._found[best.key]
        until = time.monotonic() + SHRINK_SECONDS
        at = 0
        while at < len(best.steps) and time.monotonic() < until:
            less = replace(best, steps=best.steps[:at] + best.steps[at + 1 :])
            found = self._wrong(less)
            if found is not None and found.partition(":")[0] == wrong.partition(":")[0]:
                best, wrong = less, found
            else:
                at += 1
        return Broken(best.target.path, wrong, best.code(self.opened), self.seed)


async def _one(served: Live, who: Client, example: Example, report: FuzzReport) -> str | None:
    """Play one connection. Return its error, if there is one."""
    _forget(served)
    path = example.target.path
    before = set(served._watch.tasks())
    report.connections[path] += 1
    try:
        peer = await who.connect(example.handshake.path, headers=example.handshake.headers, name="fuzz")
    except Refused as exc:
        report.refused[path, exc.status] += 1
        return _raised(served)
    except (ConnectionLost, NotExpected) as exc:
        return _raised(served) or f"a hang: the handshake was not answered: {str(exc).splitlines()[0]}"
    wrong = await _talk(peer, example, report)
    if wrong is not None:
        peer.reset()
    await peer.leave(wrong is not None)
    wrong = wrong or _raised(served)
    left = await _left(served, before)
    return wrong or left


async def _talk(peer: Peer, example: Example, report: FuzzReport) -> str | None:
    path, ending = example.target.path, example.ending
    try:
        for step in example.steps:
            if peer.closed is not None:
                break
            report.messages[path] += step.messages
            await step.play(peer)
        if ending == "close" and peer.closed is None:
            await peer.ping(b"fuzz")
        if peer.closed is None:
            if ending == "half_close":
                peer.half_close()
            elif ending == "reset":
                peer.reset()
            else:
                await peer.close()
    except NotExpected as exc:
        if peer.closed is None:
            return f"a hang: {str(exc).splitlines()[0]}"
    except ConnectionLost:
        pass
    if peer.closed is not None and peer.closed[0] not in (1000, 1005, 1006):
        report.ended[path, peer.closed[0]] += 1
    return None


def _raised(served: Live) -> str | None:
    raised = served.exceptions.unknown
    if not raised:
        return None
    return "an exception:\n" + "".join(traceback.format_exception(raised[0]))


async def _left(served: Live, before: set[Any]) -> str | None:
    """Name the things that the connection has left behind, and end them."""
    watch = served._watch
    await watch.wait(lambda: set(watch.tasks()) - before, END_WITHIN)
    tasks = set(watch.tasks()) - before
    left = [_of_left(task) for task in tasks]
    left += [f"a leak: {text}" for text in [*watch.exits(bool(tasks)), *members_left(served.hubs)]]
    for task in tasks:
        task.cancel()
    await watch.wait(lambda: set(watch.tasks()) - before, END_WITHIN)
    return "\n".join(left) or None


def _of_left(task: asyncio.Task[Any]) -> str:
    if task.get_name().startswith("the handler of "):
        return f"a hang: {of_task(task)}, has not ended though its socket is gone"
    return f"a leak: a task: {of_task(task)}"


def _forget(served: Live) -> None:
    """Forget the earlier examples, because there may be millions."""
    served.transcript.clear()
    served.exceptions.clear()
    served._watch.forget_generators()
    for kept in (served._peers, served._names, served._handlers, served._actors):
        kept.clear()
