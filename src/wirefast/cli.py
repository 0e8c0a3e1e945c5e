"""The ``wirefast`` command: ``wirefast run TARGET`` serves an application with uvicorn.

uvicorn keeps the processes, the signals, TLS, the lifespan and every option; its own click parameters are used as they
are, so names, types, environment variables (``UVICORN_*``) and help texts cannot drift. What is ours:

* the target may also be a path to a ``.py`` file;
* three defaults (``OWN_DEFAULTS`` and the two protocol classes), given through click's default map;
* whatever a user can get wrong ends in one line on stderr, before anything has started.

Exit codes: 0 after a normal end, 1 when this machine refused (address taken, extra missing, the application's module
raised), 2 when the command line is wrong, 3 when the application did not start (uvicorn's code).
"""

from __future__ import annotations

import configparser
import difflib
import errno
import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import socket
import stat
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    import uvicorn

# Where we differ from uvicorn's defaults: compression costs some 50 KiB a socket, so it is for those who ask for it.
OWN_DEFAULTS: dict[str, Any] = {"ws_per_message_deflate": False}
PROTOCOLS = {"http": "HttpProtocol", "ws": "WebSocketProtocol"}

REFUSED, USAGE, NOT_STARTED = 1, 2, 3
FORMS = "write module:app or a path to a .py file"


class CommandError(Exception):
    """What went wrong, in one line for the user.

    Args:
        message: names the thing that is wrong and what to do about it.
        code: exit code, ``USAGE`` by default.
    """

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Target:
    """An application to serve.

    Attributes:
        module: dotted name of the module to import.
        attribute: dotted path of the application inside the module.
        directory: first entry for ``sys.path``.
        file: the file that the user named, or None for a module.
    """

    module: str
    attribute: str
    directory: Path
    file: Path | None = None

    @property
    def import_string(self) -> str:
        """The application as uvicorn names it, ``module:attribute``."""
        return f"{self.module}:{self.attribute}"

    @classmethod
    def parse(cls, text: str, app_dir: str = "") -> Target:
        """Read ``module``, ``module:attribute``, ``path/to/file.py`` or ``path/to/file.py:attribute``.

        Args:
            text: the TARGET of the command line; the attribute is ``app`` when it names none.
            app_dir: where a module is looked for, the working directory when empty.

        Raises:
            CommandError: the text has no such form, or the file is not there.
        """
        source, colon, attribute = text.rpartition(":")
        if not colon:
            source, attribute = text, "app"
        if not all(part.isidentifier() for part in attribute.split(".")):
            raise CommandError(f"{attribute!r} in {text!r} is no attribute name; {FORMS}")
        if source.endswith(".py") or os.sep in source:
            return cls._of_file(Path(source), attribute)
        if not all(source.split(".")):
            raise CommandError(f"{source!r} in {text!r} is no module name; {FORMS}")
        return cls(source, attribute, Path(app_dir).absolute())

    @classmethod
    def _of_file(cls, path: Path, attribute: str) -> Target:
        if path.is_dir():
            raise CommandError(f"'{path}' is a directory; name a .py file in it, or use module:app")
        if not path.exists():
            raise CommandError(f"no such file: '{path}'")
        if path.suffix != ".py" or "." in path.stem:
            raise CommandError(f"'{path}' cannot be imported; the name of the file must be NAME.py, without other dots")
        file = path.resolve()
        names = [] if file.name == "__init__.py" else [file.stem]
        directory = file.parent
        # A file inside a package is imported under its full name, so that its relative imports work.
        while directory.name and (directory / "__init__.py").is_file():
            names.insert(0, directory.name)
            directory = directory.parent
        return cls(".".join(names), attribute, directory, file)

    def locate(self) -> None:
        """Make sure that the module can be found, without running any code of it.

        Raises:
            CommandError: there is no such module, or another one of the same name comes first.
        """
        top = self.module.partition(".")[0]
        try:
            spec = importlib.util.find_spec(top)
        except ValueError:  # a module without a spec, such as __main__
            spec = None
        if self.file is not None:
            # A name that the standard library or an installed package has already taken would serve that one instead.
            ours = self.file if self.module == top else self.directory / top / "__init__.py"
            if spec is None or spec.origin != str(ours):
                other = spec.origin if spec is not None and spec.origin else "another module"
                raise CommandError(f"'{self.file}' cannot be imported, because {top!r} means {other}; rename the file")
        elif spec is None:
            raise self._missing(self.module)

    def load(self) -> object:
        """Import the module and return the application.

        Raises:
            CommandError: there is no such module or attribute, or it cannot be called. When the module itself raised,
                its traceback has been printed.
        """
        try:
            value: object = importlib.import_module(self.module)
        except Exception as exc:
            if isinstance(exc, ModuleNotFoundError) and exc.name and f"{self.module}.".startswith(f"{exc.name}."):
                raise self._missing(exc.name) from None
            from wirefast.rooms.brokers import BrokerUnavailable, InvalidBrokerURL

            origin = self.file or self.module
            if isinstance(exc, (BrokerUnavailable, InvalidBrokerURL)):  # which say it all
                raise CommandError(f"'{origin}': {exc}", REFUSED) from None
            traceback.print_exception(type(exc), exc, _outside_imports(exc.__traceback__))
            raise CommandError(
                f"'{origin}' raised {type(exc).__name__} while it was imported, see above", REFUSED
            ) from None
        path = self.module
        for name in self.attribute.split("."):
            try:
                value = getattr(value, name)
            except AttributeError:
                near = difflib.get_close_matches(name, dir(value), n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"name the application: {self.module}:NAME"
                raise CommandError(f"{path!r} has no attribute {name!r}; {hint}") from None
            path = f"{path}:{name}" if path == self.module else f"{path}.{name}"
        if not callable(value):
            raise CommandError(f"{path!r} is {_article(type(value).__name__)}, which is not an application")
        return value

    def _missing(self, name: str) -> CommandError:
        return CommandError(
            f"no module named {name!r} in '{self.directory}' or installed; use --app-dir DIR or a path to a .py file"
        )


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"


def _outside_imports(frames: TracebackType | None) -> TracebackType | None:
    """Drop the leading frames of this module and of the import system; the rest is the user's."""
    while frames is not None:
        filename = frames.tb_frame.f_code.co_filename
        if filename not in (__file__, importlib.__file__) and not filename.startswith("<frozen importlib"):
            break
        frames = frames.tb_next
    return frames


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
    if app_dir and not os.path.isdir(app_dir):
        raise CommandError(f"--app-dir: no such directory: '{app_dir}'")
    check_numbers(options)
    found = Target.parse(target, app_dir)
    if app_dir:
        sys.path.insert(0, str(Path(app_dir).absolute()))
    sys.path.insert(0, str(found.directory))
    found.locate()
    check_settings(options)
    check_address(options["host"], options["port"], options["uds"], options["fd"])
    config = make_config(found, options)
    # A module that is broken now may be mended while the reloader waits, so there only the child imports it.
    if not config.should_reload:
        found.load()
    return serve(config)


def make_command() -> click.Group:
    """Build the command line: our group and ``run``, whose options are those of uvicorn's command."""
    import click
    from uvicorn.main import main as uvicorn_command

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
