"""``wirefast run``: uvicorn with our protocols, after all that can be checked."""

from __future__ import annotations

import configparser
import importlib
import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wirefast.cli.checks import check_address, check_numbers, check_observing, check_settings
from wirefast.cli.errors import NOT_STARTED, REFUSED, CommandError, flag
from wirefast.cli.options import CONFIG_ATTRIBUTES, LIMITS
from wirefast.cli.target import Target, find_target
from wirefast.cli.under_alias import VARIABLE as AS_FASTAPI
from wirefast.documents.assets import VARIABLE

if TYPE_CHECKING:
    import uvicorn

#: Seconds of the graceful stop under --reload, where a person waits for it.
RELOAD_TIMEOUT = 3


def is_default(name: str) -> bool:
    """Return whether neither the command line nor the environment sets an option."""
    import click  # the command's packages, when it runs
    from click.core import ParameterSource

    context = click.get_current_context(silent=True)
    source = None if context is None else context.get_parameter_source(name)
    return source in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def make_config(target: Target, options: dict[str, Any]) -> uvicorn.Config:
    """Build uvicorn's configuration from the parsed command line, as uvicorn's own command does.

    Raises:
        CommandError: a header without a colon, or a file or variable that the configuration itself reads is bad.
    """
    from uvicorn.config import LOGGING_CONFIG  # the command's packages, when it runs

    from wirefast.server.config import Config  # the command's packages, when it runs
    from wirefast.server.lines import json_logging

    settings = {name: options[name] for name in inspect.signature(Config).parameters if name in options}
    for header in options["headers"]:
        if ":" not in header:
            raise CommandError(f"--header {header!r} has no colon; write Name:Value")
    settings["headers"] = [tuple(header.split(":", 1)) for header in options["headers"]]
    for name in ("reload_dirs", "reload_includes", "reload_excludes"):
        settings[name] = list(options[name]) or None
    if options["log_config"] is None:
        del settings["log_config"]  # uvicorn's own, which is not None
        if options["log_format"] == "json":
            settings["log_config"] = json_logging(LOGGING_CONFIG)
    watched = target.file if options["reload"] and settings["reload_dirs"] is None else None
    if watched is not None and Path.cwd() not in watched.parents:
        settings["reload_dirs"] = [str(target.directory)]
    try:
        served = target.import_string
        if options["as_fastapi"]:
            os.environ[AS_FASTAPI] = served  # workers and the reloader's child inherit it
            served = "wirefast.cli.under_alias:application"
        config = Config(served, **settings)
        for name in CONFIG_ATTRIBUTES:
            setattr(config, name, options[name])
        config.watched = options["control"]
        config.log_ends = options["access_log"]
        config.request_ids = options["request_id"]
        config.counts = options["metrics_port"] is not None
    except (configparser.Error, ImportError, KeyError, OSError, RuntimeError, ValueError) as exc:
        raise CommandError(f"uvicorn refuses these settings: {exc.__cause__ or exc}") from None
    if config.workers < 1 and not config.should_reload:  # --workers was checked
        raise CommandError(f"WEB_CONCURRENCY {config.workers} is not 1 or more")
    return config


def serve(
    config: uvicorn.Config, *, pin: bool = False, control: bool = True, metrics: tuple[str, int] | None = None
) -> int:
    """Run the server, its workers or its reloader until a signal ends it; return the exit code."""
    from uvicorn.supervisors import ChangeReload  # the command's packages, when it runs

    from wirefast.cli.attending import Alone  # the command's packages, when it runs
    from wirefast.cli.workers import Supervisor
    from wirefast.server.serving import Server

    server = Server(config)
    server.attendants = [Alone(metrics, control=control)]
    try:
        if config.should_reload:
            ChangeReload(config, target=server.run, sockets=[config.bind_socket()]).run()
            return 0
        if config.workers > 1:
            supervisor = Supervisor(config, pin=pin, control=control, metrics=metrics)
            supervisor.run()
            return NOT_STARTED if supervisor.failed else 0
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
        options: uvicorn's other options under their click names, those of `wirefast.cli.options`, and ``as_fastapi``.

    Raises:
        CommandError: something is wrong with the command line, the application or the address.
    """
    check_numbers(options)
    check_observing(options)
    if options["reload"] and is_default("timeout_graceful_shutdown"):
        options["timeout_graceful_shutdown"] = RELOAD_TIMEOUT
    found = find_target(target, app_dir)
    check_settings(options)
    check_address(options["host"], options["port"], options["uds"], options["fd"])
    os.environ.setdefault(VARIABLE, "1")  # workers and the reloader's child inherit it
    limited = _set_limits(options)
    config = make_config(found, options)
    # A module that is broken now may be mended while the reloader waits, so there only the child imports it.
    if not config.should_reload:
        if options["as_fastapi"]:
            _stand_in_for_fastapi()
        app = found.load()
        if limited and not hasattr(getattr(app, "router", None), "admission") and not options["factory"]:
            raise CommandError(f"{limited} needs an application of wirefast: App(...)", REFUSED)
    port = options["metrics_port"]
    metrics = None if port is None else (options["host"], port)
    return serve(config, pin=options["pin"], control=options["control"], metrics=metrics)


def _set_limits(options: dict[str, Any]) -> str | None:
    """Leave the limits of the command line where applications look for them; the first option that sets one."""
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
