"""``wirefast run``: checks everything that can be checked, then runs uvicorn with our protocols."""

from __future__ import annotations

import configparser
import errno
import importlib
import inspect
import json
import os
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wirefast.cli.checks import check_address, check_numbers, check_observing, check_settings, check_tcp
from wirefast.cli.errors import NOT_STARTED, REFUSED, CommandError, flag
from wirefast.cli.options import CONFIG_ATTRIBUTES, LIMITS
from wirefast.cli.target import Target, find_target
from wirefast.cli.under_alias import VARIABLE as AS_FASTAPI
from wirefast.documents.assets import VARIABLE

if TYPE_CHECKING:
    import uvicorn

IN_USE = "is already in use; stop the other process or choose another"
#: Seconds of the graceful stop under --reload, because a person waits for it.
RELOAD_TIMEOUT = 3


def is_default(name: str) -> bool:
    """Return whether neither the command line nor the environment sets an option."""
    import click  # the command's packages, when it runs
    from click.core import ParameterSource

    context = click.get_current_context(silent=True)
    source = None if context is None else context.get_parameter_source(name)
    return source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def make_config(target: Any, options: dict[str, Any]) -> uvicorn.Config:
    """Build uvicorn's configuration from the options, as uvicorn's own command does.

    Args:
        target: a `Target`, or the application itself.
        options: all options, by their names.

    Raises:
        CommandError: a header has no colon, or a file or a variable that the configuration reads is wrong.
    """
    from uvicorn.config import LOGGING_CONFIG  # the command's packages, when it runs

    from wirefast.server.config import Config  # the command's packages, when it runs
    from wirefast.server.log_lines import json_logging, own_logging

    settings = {name: options[name] for name in inspect.signature(Config).parameters if name in options}
    headers = list(options["headers"] or ())
    for header in headers:
        if isinstance(header, str) and ":" not in header:
            raise CommandError(f"--header {header!r} has no colon; write Name:Value")
    settings["headers"] = [tuple(each.split(":", 1)) if isinstance(each, str) else each for each in headers]
    for name in ("reload_dirs", "reload_includes", "reload_excludes"):
        value = options[name] or ()
        settings[name] = [value] if isinstance(value, str) else list(value) or None
    if options["log_config"] is False:
        settings["log_config"] = None
    elif options["log_config"] is None:
        settings["log_config"] = own_logging(LOGGING_CONFIG)
        if options["log_format"] == "json":
            settings["log_config"] = json_logging(settings["log_config"])
    named = target if isinstance(target, Target) else None
    watched = named.file if named is not None and options["reload"] and settings["reload_dirs"] is None else None
    if named is not None and watched is not None and Path.cwd() not in watched.parents:
        settings["reload_dirs"] = [str(named.directory)]
    try:
        served = target if named is None else named.import_string
        if options["as_fastapi"]:
            os.environ[AS_FASTAPI] = served  # workers and the reloader's child inherit it
            served = "wirefast.cli.under_alias:application"
        config = Config(served, **settings)
        for name in CONFIG_ATTRIBUTES:
            setattr(config, name, options[name])
        config.watched = options["control"]
        config.log_ends = options["access_log"]
        config.request_ids = options["request_id"]
        config.shows_pages = options.get("shows_pages", False)
        config.counts = options["metrics_port"] is not None
    except (configparser.Error, ImportError, KeyError, OSError, RuntimeError, ValueError) as exc:
        raise CommandError(f"uvicorn refuses these settings: {exc.__cause__ or exc}") from None
    if config.workers < 1 and not config.should_reload:  # --workers was checked
        raise CommandError(f"WEB_CONCURRENCY {config.workers} is not 1 or more")
    return config


def serve(config: Any, *, pin: bool = False, control: bool = True, metrics: tuple[str, int] | None = None) -> int:
    """Run the server, its workers or its reloader until a signal ends it; return the exit code."""
    from uvicorn.supervisors import ChangeReload  # the command's packages, when it runs

    from wirefast.cli.attending import Alone  # the command's packages, when it runs
    from wirefast.cli.hangup import ending_on_hangup, run_child
    from wirefast.cli.workers import Supervisor
    from wirefast.server.serving import Server
    from wirefast.server.unix import release

    server = Server(config)
    server.attendants = [Alone(metrics, control=control)]
    try:
        if config.should_reload:
            reloader = ChangeReload(config, target=partial(run_child, server), sockets=[config.bind_socket()])
            with ending_on_hangup(reloader.should_exit.set):
                reloader.run()
            return 0
        if config.workers > 1:
            supervisor = Supervisor(config, pin=pin, control=control, metrics=metrics)
            supervisor.run()
            return NOT_STARTED if supervisor.failed else 0
        server.owns_sockets = config.uds is not None
        with ending_on_hangup(server.hang_up):
            server.run([config.bind_socket()] if server.owns_sockets else None)
        return 0 if server.started else NOT_STARTED
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        raise lost_address(config) from None
    except SystemExit as exc:
        if exc.code == REFUSED and not config.loaded:  # a factory has raised, and the log has its traceback
            raise CommandError("the application did not load, see above", REFUSED) from None
        # uvicorn has logged the address. Its exit code means something else here.
        if config.should_reload or config.workers > 1 or server.lost_address:
            raise lost_address(config) from None
        raise
    finally:
        if config.uds is not None and config.uds_identity is not None:
            release(config.uds, config.uds_identity)


def lost_address(config: uvicorn.Config) -> CommandError:
    """Return the error of a server whose address another process has taken since the check."""
    if config.uds is not None:
        return CommandError(f"--uds '{config.uds}' {IN_USE} path", REFUSED)
    return CommandError(f"port {config.port} on {config.host or 'this machine'} {IN_USE} --port", REFUSED)


def defaults() -> dict[str, Any]:
    """Return the options of ``wirefast run`` by their names, with their defaults."""
    import click  # the command's packages, when it runs
    import uvicorn

    from wirefast.cli.options import OWN_DEFAULTS, own_options, protocols  # the command's packages, when it runs

    known = inspect.signature(uvicorn.run).parameters.values()
    options = {each.name: each.default for each in known if each.name not in ("app", "app_dir")}
    options |= click.Command("run", params=own_options()).make_context("run", []).params
    return {**options, "log_config": None, **OWN_DEFAULTS, **protocols()}


def run(target: str, app_dir: str, **options: Any) -> int:
    """Serve the application that the command line names: the body of ``wirefast run``.

    Args:
        target: see ``Target.parse``.
        app_dir: uvicorn's ``--app-dir``.
        options: uvicorn's other options under their click names, and those of `wirefast.cli.options`.

    Raises:
        CommandError: something is wrong with the command line, the application or the address.
    """
    return start(target, options, app_dir, {name for name in options if not is_default(name)})


def start(app: Any, options: dict[str, Any], app_dir: str | None, given: Collection[str]) -> int:
    """Check everything that can be checked, then serve; return the exit code.

    Args:
        app: the application, or text that names it (``Target.parse``).
        options: all options, by their names.
        app_dir: the directory of modules: the working directory when empty, Python's path when None.
        given: the names of the options that are not defaults.

    Raises:
        CommandError: something is wrong with the options, the application or the address.
    """
    check_numbers(options)
    check_observing(options)
    if options["reload"] and "timeout_graceful_shutdown" not in given:
        options["timeout_graceful_shutdown"] = RELOAD_TIMEOUT
    found = find_target(app, app_dir) if isinstance(app, str) else None
    check_settings(options)
    check_address(options["host"], options["port"], options["uds"], options["fd"])
    if options["metrics_port"]:
        check_tcp(options["host"], options["metrics_port"], "--metrics-port")
    os.environ.setdefault(VARIABLE, "1")  # workers and the reloader's child inherit it
    limited = _set_limits(options)
    config = make_config(found or app, options)
    # A user may repair a broken module while the reloader waits, so under --reload only the child imports it.
    if not config.should_reload:
        if options["as_fastapi"]:
            _stand_in_for_fastapi()
        if found is not None:
            app = found.load()
        if limited and not hasattr(getattr(app, "router", None), "admission") and not options["factory"]:
            raise CommandError(f"{limited} needs an application of wirefast: App(...)", REFUSED)
    port = options["metrics_port"]
    metrics = None if port is None else (options["host"], port)
    return serve(config, pin=options["pin"], control=options["control"], metrics=metrics)


def _set_limits(options: dict[str, Any]) -> str | None:
    """Put the limits of the command line into the environment for applications; return the first that is set."""
    from wirefast.limits.operators import VARIABLE as LIMITS_VARIABLE  # the command's packages, when it runs
    from wirefast.limits.operators import limits_from

    given = {name: value for name, _, _ in LIMITS if (value := options[f"limit_{name}"]) is not None}
    for name, value in given.items():
        try:
            limits_from({name: value})
        except (TypeError, ValueError):
            raise CommandError(f"{flag(f'limit_{name}')} {value:g} is not a positive number it can use") from None
    if given:
        os.environ[LIMITS_VARIABLE] = json.dumps(given)
    return flag(f"limit_{next(iter(given))}") if given else None


def _stand_in_for_fastapi() -> None:
    try:
        importlib.import_module("wirefast.as_fastapi")
    except ImportError as exc:
        raise CommandError(f"--as-fastapi: {exc}", REFUSED) from None
