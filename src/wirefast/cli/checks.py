"""Checks before anything starts: the address, the numbers, the implementations."""

from __future__ import annotations

import errno
import importlib.util
import os
import socket
import stat
from typing import Any

from wirefast.cli.errors import REFUSED, CommandError, flag
from wirefast.cli.tls import check_tls
from wirefast.extras import how_to_install


def check_tcp(host: str, port: int, option: str = "--port") -> None:
    """Bind the address of uvicorn and free it again, so that a used port is reported before the application starts.

    Args:
        host: name or address; a name with several addresses is bound on each, as asyncio does.
        port: 0 to 65535.
        option: the one that names the port. Default: ``--port``.

    Raises:
        CommandError: an address is taken or not allowed, the name does not resolve, or no address is of this machine.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as exc:
        raise CommandError(
            f"--host {host!r} is no address of this machine ({exc}); use a name or an IP address"
        ) from None
    failure: OSError | None = None
    bound = 0
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(address)
                bound += 1
        except OSError as exc:
            place = f"port {port} on {host or 'this machine'}"
            if exc.errno == errno.EADDRINUSE:
                raise CommandError(
                    f"{place} is already in use; stop the other process or choose another {option}", REFUSED
                ) from None
            if exc.errno == errno.EACCES:
                raise CommandError(
                    f"{place} is not allowed for this user; choose a {option} above 1023", REFUSED
                ) from None
            failure = exc
    if failure is not None and not bound:
        raise CommandError(f"cannot listen on --host {host!r}: {failure.strerror or failure}", REFUSED)


def check_uds(path: str) -> None:
    """Make sure that a Unix domain socket can be made at *path*, and remove one that no server listens on.

    Raises:
        CommandError: the path is taken by a file or by a live server, or cannot be written.
    """
    from wirefast.server.unix import claim, release  # the command's packages, when it runs

    try:
        if os.path.lexists(path) and not stat.S_ISSOCK(os.stat(path).st_mode):
            raise CommandError(f"--uds '{path}' exists and is not a socket; choose another path", REFUSED)
        made, identity = claim(path, 1)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise CommandError(
                f"--uds '{path}' is already in use; stop the other process or choose another path", REFUSED
            ) from None
        reason = exc.strerror or exc
        raise CommandError(
            f"--uds '{path}' cannot be made: {reason}; choose a path that you may write", REFUSED
        ) from None
    release(path, identity)
    made.close()


def check_address(host: str, port: int, uds: str | None, fd: int | None) -> None:
    """Check the one address that uvicorn will use: ``--fd``, else ``--uds``, else host and port."""
    if fd is not None:
        try:
            os.fstat(fd)
        except OSError:
            raise CommandError(f"--fd {fd} is not an open file descriptor") from None
    elif uds is not None:
        check_uds(uds)
    else:
        check_tcp(host, port)


def check_numbers(options: dict[str, Any]) -> None:
    """Check every number against its bounds.

    Raises:
        CommandError: a number is out of bounds.
    """
    # Not at the top: the server needs the extra of that name, and the command reports a missing extra in one line.
    from wirefast.server.bounds import BOUNDS, check  # the command's packages, when it runs

    for name in BOUNDS:
        if (value := options.get(name)) is not None:  # not every uvicorn has every option
            try:
                check(name, value, flag(name))
            except ValueError as exc:
                raise CommandError(str(exc)) from None


def check_settings(options: dict[str, Any]) -> None:
    """Resolve the options that uvicorn resolves later, by an import or a file, and that would fail with a traceback.

    Raises:
        CommandError: an implementation cannot be imported, there is none for WebSockets, or TLS cannot be set up.
    """
    from uvicorn.config import HTTP_PROTOCOLS, LOOP_FACTORIES, WS_PROTOCOLS  # the command's packages, when it runs
    from uvicorn.importer import ImportFromStringError, import_from_string

    for name, known in (("http", HTTP_PROTOCOLS), ("ws", WS_PROTOCOLS), ("loop", LOOP_FACTORIES)):
        choice = options[name]
        try:
            implementation = import_from_string(known.get(choice, choice))
        except (ImportFromStringError, ImportError) as exc:
            if ":" in str(choice):
                raise CommandError(f"--{name} {choice!r} cannot be used: {exc}") from None
            names = ", ".join(known)
            raise CommandError(f"--{name} {choice!r} is unknown; write {names} or module:attribute") from None
        if name == "ws" and implementation is None:  # none, or auto if no library is installed
            raise CommandError(f"--ws {choice} leaves the server without WebSockets; leave it out, or use uvicorn")
    check_tls(options)
    if options.get("http2") and options["http"] != "zttp":
        raise CommandError("--http2 needs --http zttp, which is `pip install zttp`")


def check_observing(options: dict[str, Any]) -> None:
    """Check the options for operators, and complete them.

    Raises:
        CommandError: a path does not begin with a slash, two paths are the same, or an extra is missing.
    """
    if options["health_path"] is not None and options["ready_path"] is None:
        options["ready_path"] = "/readyz"
    for option, name in (("--health", "health_path"), ("--ready", "ready_path")):
        path = options[name]
        if path is not None and (not path.startswith("/") or not path.isascii() or "?" in path):
            raise CommandError(f"{option} {path!r} is no path; write one such as /healthz")
    if options["health_path"] is not None and options["health_path"] == options["ready_path"]:
        raise CommandError("--health and --ready are two questions, which need two paths")
    if options["metrics_port"] is not None:
        if not options["control"]:
            raise CommandError("--metrics-port asks the workers by the control socket; leave --no-control out")
        if options["metrics_port"] and options["metrics_port"] == options["port"] and not options["uds"]:
            raise CommandError("--port and --metrics-port are the same; choose another --metrics-port")
        if importlib.util.find_spec("prometheus_client") is None:
            raise CommandError(f"--metrics-port needs prometheus-client: {how_to_install('metrics')}", REFUSED)
    if options["log_format"] == "json" and options["log_config"] is not None:
        raise CommandError("--log-format and --log-config both say how lines look; leave one out")
