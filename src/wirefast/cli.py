"""The ``wirefast`` command: ``wirefast run TARGET`` serves an application with uvicorn, ``schema`` writes its document.

uvicorn keeps the processes, the signals, TLS, the lifespan and every option; its own click parameters are used as they
are, so names, types, environment variables (``UVICORN_*``) and help texts cannot drift. What is ours:

* the target may also be a path to a ``.py`` file;
* a few defaults (``OWN_DEFAULTS`` and the two protocol classes), given through click's default map;
* whatever a user can get wrong ends in one line on stderr, before anything has started.

Exit codes: 0 after a normal end, 1 when this machine refused (address taken, extra missing, the application's module
raised), 2 when the command line is wrong, 3 when the application did not start (uvicorn's code).
"""

from __future__ import annotations

import configparser
import errno
import importlib
import importlib.metadata
import inspect
import os
import socket
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wirefast.documents.assets import VARIABLE
from wirefast.documents.command import schema
from wirefast.target import REFUSED, USAGE, CommandError, Target, find_target

if TYPE_CHECKING:
    import click
    import uvicorn

# Where we differ from uvicorn's defaults. Compression costs some 50 KiB a socket, so it is for those who ask for it. A
# handler that waits for something else than its socket hears of a stop by being cancelled, which uvicorn never does.
OWN_DEFAULTS: dict[str, Any] = {"ws_per_message_deflate": False, "timeout_graceful_shutdown": 30}
#: Seconds of the graceful stop under --reload, where a person waits for it.
RELOAD_TIMEOUT = 3
PROTOCOLS = {"http": "HttpProtocol", "ws": "WebSocketProtocol"}

NOT_STARTED = 3


def check_tcp(host: str, port: int) -> None:
    """Bind what uvicorn will bind and let it go again, so that a taken port is known before the application starts.

    Args:
        host: name or address; a name with several addresses is bound on each, as asyncio does.
        port: 0 to 65535.

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
                    f"{place} is already in use; stop the other process or choose another --port", REFUSED
                ) from None
            if exc.errno == errno.EACCES:
                raise CommandError(
                    f"{place} is not allowed for this user; choose a --port above 1023", REFUSED
                ) from None
            failure = exc
    if failure is not None and not bound:
        raise CommandError(f"cannot listen on --host {host!r}: {failure.strerror or failure}", REFUSED)


def check_uds(path: str) -> None:
    """Make sure that a Unix domain socket can be made at *path*, and remove one that nobody listens on any more.

    Raises:
        CommandError: the path is taken by a file or by a live server, or cannot be written.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            if os.path.lexists(path):
                if not stat.S_ISSOCK(os.stat(path).st_mode):
                    raise CommandError(f"--uds '{path}' exists and is not a socket; choose another path", REFUSED)
                # Whoever refuses is dead. A live server accepts, or has no room just now.
                probe.setblocking(False)
                if probe.connect_ex(path) != errno.ECONNREFUSED:
                    raise CommandError(
                        f"--uds '{path}' is already in use; stop the other process or choose another path", REFUSED
                    )
                os.unlink(path)
            probe.bind(path)
            os.unlink(path)
        except OSError as exc:
            reason = exc.strerror or exc
            raise CommandError(
                f"--uds '{path}' cannot be made: {reason}; choose a path that you may write", REFUSED
            ) from None


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


def flag(name: str) -> str:
    """A setting as the command line spells it."""
    return f"--{name.replace('_', '-')}"


def is_default(name: str) -> bool:
    """Whether neither the command line nor the environment sets an option."""
    import click
    from click.core import ParameterSource

    context = click.get_current_context(silent=True)
    source = None if context is None else context.get_parameter_source(name)
    return source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def check_numbers(options: dict[str, Any]) -> None:
    """Hold every number against its bounds.

    Raises:
        CommandError: one is out of bounds.
    """
    from wirefast.server.bounds import BOUNDS, check

    for name in BOUNDS:
        if (value := options.get(name)) is not None:  # not every uvicorn has every option
            try:
                check(name, value, flag(name))
            except ValueError as exc:
                raise CommandError(str(exc)) from None


def read_pem(options: dict[str, Any], name: str) -> bytes:
    """The content of the TLS file of an option, nothing where there is none.

    Raises:
        CommandError: the file is not there or cannot be read.
    """
    path = options[name]
    if not path:
        return b""
    if not os.path.exists(path) or os.path.isdir(path):
        raise CommandError(f"{flag(name)}: no such file: '{path}'")
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise CommandError(f"{flag(name)} '{path}' cannot be read: {exc.strerror or exc}") from None


def check_tls(options: dict[str, Any]) -> None:
    """Go the way to uvicorn's TLS context, to say at which option it ends: OpenSSL names neither option nor file.

    The pass phrase of an encrypted key is asked for once, where there is a terminal, instead of by each worker.

    Raises:
        CommandError: a file is missing, is not what it should be or does not match, or OpenSSL refuses a setting.
    """
    certificate, key, authorities = (options[name] for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs"))
    if not certificate:
        if key:
            raise CommandError("--ssl-keyfile needs --ssl-certfile")
        return
    if any(path and Path(path).is_fifo() for path in (certificate, key, authorities)):
        return  # a pipe can be read once, which is for the server to do
    import ssl

    files = [read_pem(options, name) for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs")]
    asked = False

    def password() -> str:
        nonlocal asked
        asked = True
        if not options["ssl_keyfile_password"]:
            if sys.stdin is None or not sys.stdin.isatty():
                raise CommandError(f"the key in '{key or certificate}' is encrypted; add --ssl-keyfile-password")
            import click

            try:
                given = click.prompt(f"Pass phrase of '{key or certificate}'", hide_input=True)
            except click.Abort:
                raise CommandError(f"no pass phrase was given for the key in '{key or certificate}'") from None
            options["ssl_keyfile_password"] = given
        return str(options["ssl_keyfile_password"])

    step = f"--ssl-version {options['ssl_version']}"
    try:
        context = ssl.SSLContext(options["ssl_version"])
        step = f"--ssl-certfile '{certificate}'" + (f" with --ssl-keyfile '{key}'" if key else "")
        context.load_cert_chain(certificate, key or None, password)
        step = f"--ssl-cert-reqs {options['ssl_cert_reqs']}"
        context.verify_mode = ssl.VerifyMode(options["ssl_cert_reqs"])
        if authorities:
            step = f"--ssl-ca-certs '{authorities}'"
            context.load_verify_locations(authorities)
        if options["ssl_ciphers"]:
            step = f"--ssl-ciphers {options['ssl_ciphers']!r}"
            context.set_ciphers(options["ssl_ciphers"])
    except (OSError, OverflowError, ValueError) as exc:
        known = str(getattr(exc, "reason", None) or "").replace("_", " ").lower()
        if step.startswith("--ssl-certfile") and isinstance(exc, OSError):
            known = why_no_chain(files[0], files[1], bool(key), asked, known)
        raise CommandError(f"{step} cannot be used: {known or exc.args[-1]}") from None


def why_no_chain(certificate: bytes, key: bytes, named: bool, encrypted: bool, known: str) -> str:
    """What a look into the two files tells of OpenSSL's refusal.

    Args:
        certificate: the content of --ssl-certfile.
        key: that of --ssl-keyfile.
        named: whether --ssl-keyfile was given.
        encrypted: whether OpenSSL wanted the pass phrase.
        known: what OpenSSL said.
    """
    public, private = b"CERTIFICATE-----", b"PRIVATE KEY-----"
    if public not in certificate:
        swapped = private in certificate and public in key
        return "exchange the two files" if swapped else "the first is no certificate in PEM form"
    if private not in (key if named else certificate):
        return "the second is no private key in PEM form" if named else "it has no private key; add --ssl-keyfile"
    if "mismatch" in known:
        return "the key is that of another certificate"
    if encrypted:
        return "is --ssl-keyfile-password right?"
    return "the certificate or the key is damaged" if known in ("", "pem lib") else known


def check_settings(options: dict[str, Any]) -> None:
    """Resolve the options that uvicorn resolves late, by an import or a file, and would fail on with a traceback.

    Raises:
        CommandError: an implementation cannot be imported, there is none for WebSockets, or TLS cannot be set up.
    """
    from uvicorn.config import HTTP_PROTOCOLS, LOOP_FACTORIES, WS_PROTOCOLS
    from uvicorn.importer import ImportFromStringError, import_from_string

    for name, known in (("http", HTTP_PROTOCOLS), ("ws", WS_PROTOCOLS), ("loop", LOOP_FACTORIES)):
        choice = options[name]
        try:
            implementation = import_from_string(known.get(choice, choice))
        except (ImportFromStringError, ImportError) as exc:
            raise CommandError(f"--{name} {choice!r} cannot be used: {exc}") from None
        if name == "ws" and implementation is None:  # none, or auto where no library is installed
            raise CommandError(f"--ws {choice} leaves the server without WebSockets; leave it out, or use uvicorn")
    check_tls(options)
    if options.get("http2") and options["http"] != "zttp":
        raise CommandError("--http2 needs --http zttp, which is `pip install zttp`")


def make_config(target: Target, options: dict[str, Any]) -> uvicorn.Config:
    """Build uvicorn's configuration from the parsed command line, as uvicorn's own command does.

    Raises:
        CommandError: a header without a colon, or a file or variable that the configuration itself reads is bad.
    """
    from wirefast.server.config import Config

    settings = {name: options[name] for name in inspect.signature(Config).parameters if name in options}
    for header in options["headers"]:
        if ":" not in header:
            raise CommandError(f"--header {header!r} has no colon; write Name:Value")
    settings["headers"] = [tuple(header.split(":", 1)) for header in options["headers"]]
    for name in ("reload_dirs", "reload_includes", "reload_excludes"):
        settings[name] = list(options[name]) or None
    if options["log_config"] is None:
        del settings["log_config"]  # uvicorn's own, which is not None
    watched = target.file if options["reload"] and settings["reload_dirs"] is None else None
    if watched is not None and Path.cwd() not in watched.parents:
        settings["reload_dirs"] = [str(target.directory)]
    try:
        config = Config(target.import_string, **settings)
        config.timeout_body = options["timeout_body"]
    except (configparser.Error, ImportError, KeyError, OSError, RuntimeError, ValueError) as exc:
        raise CommandError(f"uvicorn refuses these settings: {exc.__cause__ or exc}") from None
    if config.workers < 1 and not config.should_reload:  # --workers was checked
        raise CommandError(f"WEB_CONCURRENCY {config.workers} is not 1 or more")
    return config


def serve(config: uvicorn.Config) -> int:
    """Run the server, its workers or its reloader until a signal ends it; return the exit code."""
    from uvicorn import Server
    from uvicorn.supervisors import ChangeReload, Multiprocess

    server = Server(config)
    try:
        if config.should_reload:
            ChangeReload(config, target=server.run, sockets=[config.bind_socket()]).run()
            return 0
        if config.workers > 1:
            supervisor = Multiprocess(config, sockets=[config.bind_socket()])
            supervisor.run()
            failed = any(process.exitcode == NOT_STARTED for process in supervisor.processes)
            return NOT_STARTED if failed else 0
        server.run()
        return 0 if server.started else NOT_STARTED
    finally:
        if config.uds is not None and os.path.exists(config.uds):
            os.remove(config.uds)


def run(target: str, app_dir: str, **options: Any) -> int:
    """Check everything that can be checked, then serve; the body of ``wirefast run``.

    Args:
        target: see ``Target.parse``.
        app_dir: uvicorn's ``--app-dir``.
        options: uvicorn's other options under their click names.

    Raises:
        CommandError: something is wrong with the command line, the application or the address.
    """
    check_numbers(options)
    if options["reload"] and is_default("timeout_graceful_shutdown"):
        options["timeout_graceful_shutdown"] = RELOAD_TIMEOUT
    found = find_target(target, app_dir)
    check_settings(options)
    check_address(options["host"], options["port"], options["uds"], options["fd"])
    os.environ.setdefault(VARIABLE, "1")  # workers and the reloader's child inherit it
    config = make_config(found, options)
    # A module that is broken now may be mended while the reloader waits, so there only the child imports it.
    if not config.should_reload:
        found.load()
    return serve(config)


def make_command() -> click.Group:
    """Build the command line: our group and ``run``, whose options are those of uvicorn's command."""
    import click
    from uvicorn.main import main as uvicorn_command

    from wirefast.server.bounds import TIMEOUT_BODY

    defaults = dict(OWN_DEFAULTS)
    ours = importlib.import_module("wirefast.server")
    for option, name in PROTOCOLS.items():
        if hasattr(ours, name):
            defaults[option] = f"wirefast.server:{name}"

    @click.group("wirefast", invoke_without_command=True)
    @click.version_option(_version(), message=_version_line())
    @click.pass_context
    def group(context: click.Context) -> None:
        """FastAPI's WebSocket layer, compiled."""
        if context.invoked_subcommand is None:
            click.echo(context.get_help())

    target = click.Argument(["target"], metavar="TARGET", envvar="UVICORN_APP")
    options = [param for param in uvicorn_command.params if param.name not in ("app", "version")]
    options.append(
        click.Option(
            ["--timeout-body"],
            type=float,
            default=TIMEOUT_BODY,
            show_default=True,
            help="Seconds that the body of a request may take without progress before it is answered with 408.",
        )
    )
    group.add_command(
        click.Command(
            "run",
            callback=run,
            params=[target, *options],
            help=(
                "Serve TARGET: module:app, a module (its `app`), or a path to a .py file (its `app`), "
                "whose directory is then the import path. The options are uvicorn's."
            ),
            short_help="Serve an application.",
            context_settings={"auto_envvar_prefix": "UVICORN", "default_map": defaults},
        )
    )
    group.add_command(
        click.Command(
            "schema",
            callback=schema,
            params=[
                click.Argument(["target"], metavar="TARGET"),
                click.Option(
                    ["-o", "--output"],
                    default="-",
                    metavar="FILE",
                    help="Where to write the document: .json, .yaml or .yml. Default: JSON to the standard output.",
                ),
                click.Option(["--app-dir"], default="", help="Look for TARGET in this directory. Default: this one."),
                click.Option(["--factory"], is_flag=True, help="TARGET is a function that returns the application."),
            ],
            help="Write the OpenAPI document of TARGET, which is named as for `run`, without starting a server.",
            short_help="Write an application's OpenAPI document.",
        )
    )
    return group


def _version() -> str:
    return importlib.metadata.version("wirefast")


def _version_line() -> str:
    return f"wirefast {_version()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Args:
        arguments: without the program's name; those of the process by default.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        import click
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as exc:
        if exc.name not in ("click", "uvicorn"):
            raise
        if arguments == ["--version"]:
            print(_version_line())
            return 0
        return _fail(
            f"no server is installed ({exc}); install the server extra: pip install 'wirefast[server]'", REFUSED
        )
    try:
        return int(make_command().main(arguments, "wirefast", standalone_mode=False) or 0)
    except CommandError as exc:
        return _fail(str(exc), exc.code)
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx else "wirefast"
        return _fail(f"{exc.format_message().rstrip('.')}; see '{command} --help'", USAGE)
    except click.ClickException as exc:
        return _fail(exc.format_message(), exc.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return 0


def _fail(message: str, code: int) -> int:
    print(f"wirefast: error: {' '.join(message.split())}", file=sys.stderr)
    return code
