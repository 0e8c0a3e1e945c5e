"""``fuzz``: typed and broken messages to every declared socket, until something breaks.

What counts as broken: an exception that the application did not handle, a socket that does not answer a ping, and
anything that is left when the socket is gone. What the application refuses or closes is its right. wirefast only.
"""

from __future__ import annotations

import asyncio
import math
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
from hypothesis import strategies as st

from wirefast.testing.client import Acting
from wirefast.testing.errors import ConnectionLost, NotExpected, Refused
from wirefast.testing.frames import BINARY, TEXT
from wirefast.testing.leaks import members_left, of_task
from wirefast.testing.peer import Peer
from wirefast.testing.requesting import pairs_of
from wirefast.testing.runner import Runner
from wirefast.testing.running import Live
from wirefast.testing.targets import Handshake, Sent, Target, targets_of

__all__ = ["Broken", "FuzzReport", "fuzz"]

#: Examples of one round; between rounds the time is looked at.
ROUND = 50
#: Messages of one socket.
MESSAGES = 8
#: Seconds that a socket has to answer a ping behind its messages.
ANSWER_WITHIN = 2.0
#: Seconds in which a smaller example is looked for.
SHRINK_SECONDS = 10.0
#: Seconds that what a socket has begun has to end when the socket is gone.
END_WITHIN = 0.25


class Broken(AssertionError):
    """What `fuzz` found: the text has the smallest example, its transcript and what is wrong."""


@dataclass
class FuzzReport:
    """What `fuzz` has done.

    Attributes:
        seconds: how long.
        connections: by the path of each route.
        messages: the same.
        refused: handshakes that were refused, by path and status.
        ended: how sockets ended that the test did not close, by path and code.
    """

    seconds: float = 0.0
    connections: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, int]] = field(default_factory=Counter)
    ended: Counter[tuple[str, int]] = field(default_factory=Counter)

    def __str__(self) -> str:
        lines = [f"{sum(self.connections.values())} connections in {self.seconds:.1f} s, nothing broke"]
        for path in sorted(self.connections):
            refused = ", ".join(
                f"{count} with {status}" for (on, status), count in sorted(self.refused.items()) if on == path
            )
            ended = ", ".join(f"{count} with {code}" for (on, code), count in sorted(self.ended.items()) if on == path)
            line = f"  {path}: {self.connections[path]} connections, {self.messages[path]} messages"
            lines.append(line + (f"; refused {refused}" if refused else "") + (f"; closed {ended}" if ended else ""))
        for path in self.unopened:
            lines.append(f"  {path} has refused every handshake: give headers=, token= or acting=")
        return "\n".join(lines)

    @property
    def unopened(self) -> list[str]:
        """The paths that have refused every handshake."""
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
    acting: Acting | None = None,
    seed: int | None = None,
    answer_within: float = ANSWER_WITHIN,
    **settings: Any,
) -> FuzzReport:
    """Send typed and broken messages to every WebSocket route of an application.

    Args:
        app: an App, any ASGI application with ``routes``, a factory, or ``"module:app"``.
        seconds: how long. Default: as many ``examples`` as are asked for.
        examples: connections, where no ``seconds`` are given.
        routes: paths as they were declared. Default: all.
        headers: of every handshake.
        token: sent as ``Authorization: Bearer``.
        acting: dependencies and their values, as for ``live.client``.
        seed: of the first round, to see a run again.
        answer_within: real seconds that a socket has to answer a ping; a handler that is slower is a hang.
        settings: of ``live``.

    Returns:
        What was done.

    Raises:
        Broken: an exception, a hang or a leak, with the smallest example that shows it.
        ValueError: the application has no such route, or none at all.
        RuntimeError: called within a running loop; call it from a plain function.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("a loop runs here already; call fuzz from a plain function")
    runner = Runner()
    served = Live(app, within=answer_within, raises=False, **settings)
    report = FuzzReport()
    began = time.monotonic()
    try:
        runner.run(served.start())
        targets = targets_of(served.app)
        if routes is not None:
            unknown = set(routes) - {target.path for target in targets}
            if unknown:
                known = ", ".join(target.path for target in targets) or "none"
                raise ValueError(f"there is no WebSocket route {', '.join(sorted(unknown))}; there are {known}")
            targets = [target for target in targets if target.path in routes]
        if not targets:
            raise ValueError("the application has no WebSocket route")
        who = served.client(headers=pairs_of(headers), token=token, acting=acting)
        play = _player(runner, served, who, report)
        number = 0
        while number == 0 if seconds is None else time.monotonic() - began < seconds:
            _round(targets, play, examples if seconds is None else ROUND, None if seed is None else seed + number)
            number += 1
        report.seconds = time.monotonic() - began
        return report
    finally:
        try:
            runner.run(served.stop(failed=True))
        finally:
            runner.close()


Play = Callable[[Target, Handshake, list[Sent]], None]


def _round(targets: list[Target], play: Play, examples: int, seed: int | None) -> None:
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
        play(target, data.draw(target.handshakes), data.draw(st.lists(target.messages, min_size=1, max_size=MESSAGES)))

    if seed is not None:
        run = hypothesis.seed(seed)(run)
    run()


def _player(runner: Runner, served: Live, who: Any, report: FuzzReport) -> Play:
    found: dict[str, str] = {}
    until = math.inf

    def play(target: Target, handshake: Handshake, messages: list[Sent]) -> None:
        nonlocal until
        key = repr((target.path, handshake, messages))
        if key not in found:
            if time.monotonic() > until:
                return
            wrong = runner.run(_one(served, who, target, handshake, messages, report))
            if wrong is None:
                return
            found[key] = _told(target, handshake, messages, wrong)
            until = min(until, time.monotonic() + SHRINK_SECONDS)
        raise Broken(found[key])

    return play


async def _one(
    served: Live, who: Any, target: Target, handshake: Handshake, messages: list[Sent], report: FuzzReport
) -> str | None:
    """One connection; what is wrong with it."""
    _forget(served)
    before = set(served._watch.tasks())
    report.connections[target.path] += 1
    try:
        peer = await who.connect(handshake.path, headers=handshake.headers, name="fuzz")
    except Refused as exc:
        report.refused[target.path, exc.status] += 1
        return _raised(served)
    except (ConnectionLost, NotExpected) as exc:
        return f"a hang: the handshake was not answered: {str(exc).splitlines()[0]}"
    wrong = await _talk(served, peer, target, messages, report)
    if wrong is not None:
        peer.reset()
    await peer.leave(wrong is not None)
    wrong = wrong or _raised(served)
    left = await _left(served, before)
    return wrong or left


async def _talk(served: Live, peer: Peer, target: Target, messages: list[Sent], report: FuzzReport) -> str | None:
    for opcode, payload in messages:
        if peer.closed is not None:
            break
        await peer.send_frame(opcode, payload)
        report.messages[target.path] += 1
    try:
        if peer.closed is None:
            await peer.ping(b"fuzz")
        if peer.closed is None:
            await peer.close()
    except NotExpected as exc:
        if peer.closed is None:
            return f"a hang: {str(exc).splitlines()[0]}"
    except ConnectionLost:
        pass
    if peer.closed is not None and peer.closed[0] not in (1000, 1005):
        report.ended[target.path, peer.closed[0]] += 1
    return None


def _raised(served: Live) -> str | None:
    raised = served.exceptions.unknown
    if not raised:
        return None
    return "an exception:\n" + "".join(traceback.format_exception(raised[0]))


async def _left(served: Live, before: set[Any]) -> str | None:
    """Name what the connection has left behind, and end it."""
    watch = served._watch
    await watch.wait(lambda: set(watch.tasks()) - before, END_WITHIN)
    tasks = set(watch.tasks()) - before
    left = [f"a leak: a task: {of_task(task)}" for task in tasks]
    left += [f"a leak: {text}" for text in [*watch.exits(bool(tasks)), *members_left(served.hubs)]]
    for task in tasks:
        task.cancel()
    await watch.wait(lambda: set(watch.tasks()) - before, END_WITHIN)
    return "\n".join(left) or None


def _forget(served: Live) -> None:
    """Keep nothing of the examples before: there may be millions."""
    served.transcript.clear()
    served.exceptions.clear()
    served._watch.forget_generators()
    for kept in (served._peers, served._names, served._handlers, served._actors):
        kept.clear()


def _told(target: Target, handshake: Handshake, messages: list[Sent], wrong: str) -> str:
    lines = [
        f"{target.path} breaks",
        "",
        f"async with live.connect({handshake.path!r}, headers={list(handshake.headers)!r}) as peer:",
    ]
    for opcode, payload in messages:
        kind = {TEXT: "TEXT", BINARY: "BINARY"}[opcode]
        shown = repr(payload) if len(payload) <= 500 else f"{payload[:60]!r} ... ({len(payload)} bytes)"
        lines.append(f"    await peer.send_frame({kind}, {shown})")
    lines += ["    await peer.ping()", "", wrong]
    return "\n".join(lines)
