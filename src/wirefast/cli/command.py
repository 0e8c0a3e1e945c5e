"""The command line: its group, its commands and their options, and how errors end."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wirefast.cli.client import LANGUAGES, client
from wirefast.cli.errors import REFUSED, USAGE, CommandError
from wirefast.cli.fuzzing import fuzz_command
from wirefast.cli.schema import schema
from wirefast.cli.serving import run
from wirefast.cli.top import commands

if TYPE_CHECKING:
    import click

# Where we differ from uvicorn's defaults. Compression costs some 50 KiB a socket, so it is for those who ask for it. A
# handler that waits for something else than its socket hears of a stop by being cancelled, which uvicorn never does.
OWN_DEFAULTS: dict[str, Any] = {"ws_per_message_deflate": False, "timeout_graceful_shutdown": 30}
PROTOCOLS = {"http": "HttpProtocol", "ws": "WebSocketProtocol"}


def make_command() -> click.Group:
    """Build the command line: our group and ``run``, whose options are those of uvicorn's command."""
    import click  # the command's packages, when it runs
    from uvicorn.main import main as uvicorn_command

    from wirefast.cli.options import own_options  # the command's packages, when it runs

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
    options += own_options()
    options.append(
        click.Option(
            ["--as-fastapi"],
            is_flag=True,
            help="Serve a FastAPI application: wirefast stands in under the name `fastapi`, also for other packages.",
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
                click.Option(["--asyncapi"], is_flag=True, help="Write the AsyncAPI document, which has the sockets."),
                click.Option(
                    ["--check"],
                    metavar="OLD",
                    help="Name what breaks clients of an older document, a .json file; exit with 1 for any.",
                ),
            ],
            help="Write the OpenAPI document of TARGET, which is named as for `run`, without starting a server.",
            short_help="Write an application's OpenAPI or AsyncAPI document.",
        )
    )
    group.add_command(
        click.Command(
            "client",
            callback=client,
            params=[
                click.Argument(["target"], metavar="TARGET"),
                click.Option(
                    ["--lang"],
                    type=click.Choice(list(LANGUAGES)),
                    help="Of the client. Default: by the ending of the output.",
                ),
                click.Option(
                    ["-o", "--output"],
                    default="-",
                    metavar="FILE",
                    help="Where to write the client. Default: the standard output.",
                ),
                click.Option(["--app-dir"], default="", help="Look for TARGET in this directory. Default: this one."),
                click.Option(["--factory"], is_flag=True, help="TARGET is a function that returns the application."),
            ],
            help=(
                "Write a typed client of the sockets of TARGET, which is named as for `run` or is an AsyncAPI "
                "document in a .json file, without starting a server."
            ),
            short_help="Write a typed client of an application's sockets.",
        )
    )
    for command in commands():
        group.add_command(command)
    group.add_command(fuzz_command())
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
        import click  # the command's packages, when it runs
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
