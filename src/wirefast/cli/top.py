"""``wirefast top``, ``status``, ``kick`` and ``drain``: clients of a running service's local socket."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wirefast._core.close import POLICY_VIOLATION
from wirefast.cli.errors import REFUSED, CommandError
from wirefast.control.paths import running
from wirefast.control.rpc import LINE_MAX, Line, LineError

if TYPE_CHECKING:
    import click

__all__ = ["commands", "table"]

#: Seconds between two looks of `wirefast top`.
REFRESH = 1.0
CLEAR = "\x1b[H\x1b[J"


def find_socket(given: str | None) -> Path:
    """Return the control socket to ask.

    Args:
        given: by ``--socket``: its path, or the number of the process. None: of the only service that runs.

    Raises:
        CommandError: there is none, or more than one.
    """
    if given is not None and not given.isdecimal():
        return Path(given)
    found = [path for path in running() if given is None or path.parent.name == given]
    if not found and given is not None:
        others = ", ".join(path.parent.name for path in running()) or "none"
        raise CommandError(f"--socket {given}: no service of this user has this number; these run: {others}", REFUSED)
    if not found:
        raise CommandError("no service of this user runs with a control socket here; see --socket", REFUSED)
    if len(found) > 1:
        numbers = ", ".join(path.parent.name for path in found)
        raise CommandError(f"several services run: {numbers}; choose one by --socket NUMBER")
    return found[0]


async def ask(path: Path, do: str, **arguments: Any) -> Any:
    """Ask one question.

    Raises:
        CommandError: no server listens, this user may not ask, or the answer is an error.
    """
    line, running_line = await _open(path)
    try:
        return await line.ask(do, **arguments)
    except LineError as exc:
        raise CommandError(str(exc), REFUSED) from None
    finally:
        line.close()
        await asyncio.wait({running_line})


async def _open(path: Path) -> tuple[Line, asyncio.Task[None]]:
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_MAX)
    except OSError as exc:
        raise CommandError(f"no service answers at {path}: {exc.strerror or exc}", REFUSED) from None

    async def refuse(do: str, arguments: dict[str, Any]) -> Any:
        raise LineError("this side answers nothing")

    line = Line(reader, writer, refuse)
    return line, asyncio.ensure_future(line.run())


def table(status: dict[str, Any], before: dict[str, Any] | None = None, width: int = 120) -> str:
    """Render a status as text.

    Args:
        status: the status of the service.
        before: the one of a look before, for rates.
        width: columns of the terminal.
    """
    workers = status["workers"]
    earlier = {} if before is None else {worker["pid"]: worker for worker in before["workers"]}
    passed = 0.0 if before is None else status["seconds"] - before["seconds"]
    sockets = sum(worker["sockets"] for worker in workers)
    lines = [
        f"wirefast {status['pid']}  up {_time(status['seconds'])}  workers {len(workers)}  sockets {sockets}",
        "",
        f"{'worker':>6} {'pid':>8} {'sockets':>8} {'in/s':>9} {'out/s':>9} {'memory':>9} {'busy':>6} {'lag':>8}  state",
    ]
    for worker in workers:
        old = earlier.get(worker["pid"])
        rates = [
            f"{(worker[name] - old[name]) / passed:.0f}" if old is not None and passed > 0 else "-"
            for name in ("messages_in", "messages_out")
        ]
        state = "serving" if worker["draining"] is None else f"draining, {worker['draining']} left"
        lines.append(
            f"{worker['worker']:>6} {worker['pid']:>8} {worker['sockets']:>8} {rates[0]:>9} {rates[1]:>9} "
            f"{_size(worker['memory']):>9} {worker['busy']:>6.0%} {worker['lag'] * 1000:>6.1f}ms  {state}"
        )
    routes: dict[str, int] = {}
    rooms: dict[str, int] = {}
    for worker in workers:
        for route, number in worker["routes"].items():
            routes[route] = routes.get(route, 0) + number
        for room in worker["rooms"]:
            rooms[room["room"]] = rooms.get(room["room"], 0) + room["members"]
    slow = sorted((one for worker in workers for one in worker["slow"]), key=lambda one: -one["waiting_bytes"])
    for title, numbers in (("route", routes), ("room", rooms)):
        if numbers:
            lines += ["", f"{'sockets':>8}  {title}"]
            ranked = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
            lines += [f"{number:>8}  {_plain(name)}" for name, number in ranked[:10]]
    if slow:
        lines += ["", f"{'waiting':>9} {'for':>7}  slow client"]
        for one in slow[:10]:
            who = f"{one['client']} {one['path']}" + (f" user {one['user']}" if one["user"] else "")
            lines.append(f"{_size(one['waiting_bytes']):>9} {one['waiting_seconds']:>6.1f}s  {_plain(who)}")
    return "\n".join(line[:width] for line in lines)


def _plain(text: str) -> str:
    """Return a client's text without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _time(seconds: float) -> str:
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    return f"{int(seconds)}s" if minutes < 1 else f"{minutes}m" if hours < 1 else f"{hours}h{minutes % 60:02d}m"


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


async def watch(path: Path, every: float, rounds: int | None = None) -> None:
    """Show the status again and again, until the service ends or a person interrupts."""
    before = None
    while rounds is None or rounds > 0:
        status = await ask(path, "status")
        columns = shutil.get_terminal_size((120, 40)).columns
        sys.stdout.write((CLEAR if sys.stdout.isatty() else "") + table(status, before, columns) + "\n")
        sys.stdout.flush()
        before = status
        rounds = None if rounds is None else rounds - 1
        if rounds is None or rounds > 0:
            await asyncio.sleep(every)


def commands() -> list[click.Command]:
    """Build the commands; click is an extra's."""
    import click  # the command's packages, when it runs

    place = click.Option(
        ["--socket"],
        metavar="PATH|PID",
        help="The service's control socket, or its process. Default: of the only service of this user that runs.",
    )

    def top(socket: str | None, every: float, rounds: int | None) -> None:
        asyncio.run(watch(find_socket(socket), every, rounds))

    def status(socket: str | None, as_json: bool) -> None:
        found = asyncio.run(ask(find_socket(socket), "status"))
        click.echo(json.dumps(found, indent=2) if as_json else table(found))

    def kick(socket: str | None, user: str, code: int, reason: str) -> None:
        number = asyncio.run(ask(find_socket(socket), "kick", user=user, code=code, reason=reason))
        click.echo(f"closed {number} sockets of {user}")
        if not number:
            raise CommandError(f"no socket of a user {user!r} is open", REFUSED)

    def drain(socket: str | None) -> None:
        asyncio.run(ask(find_socket(socket), "drain"))
        click.echo("draining")

    return [
        click.Command(
            "top",
            callback=top,
            params=[
                place,
                click.Option(["--every"], type=click.FloatRange(0.1, 3600), default=REFRESH, help="Seconds."),
                click.Option(["--rounds"], type=click.IntRange(1), help="Looks, then end. Default: for ever."),
            ],
            help="Show a running service, live: workers, sockets, rooms, slow clients.",
            short_help="Show a running service, live.",
        ),
        click.Command(
            "status",
            callback=status,
            params=[place, click.Option(["--json", "as_json"], is_flag=True, help="As JSON, all that is known.")],
            help="Show a running service once.",
            short_help="Show a running service once.",
        ),
        click.Command(
            "kick",
            callback=kick,
            params=[
                place,
                click.Option(["--user"], required=True, help="As scope['user'] or websocket.state.user names it."),
                click.Option(["--code"], type=int, default=POLICY_VIOLATION, show_default=True, help="Of the close."),
                click.Option(["--reason"], default="", help="Of the close."),
            ],
            help="Close all sockets of a user in a running service.",
            short_help="Close all sockets of a user.",
        ),
        click.Command(
            "drain",
            callback=drain,
            params=[place],
            help="Have a running service drain its sockets and end, as SIGTERM does.",
            short_help="Drain a running service, and end it.",
        ),
    ]
