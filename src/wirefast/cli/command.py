"""The command line: its group, its commands with their options, and the handling of errors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wirefast.cli.client import LANGUAGES, client
from wirefast.cli.developing import USUAL_FILES, dev
from wirefast.cli.errors import REFUSED, USAGE, CommandError, complain
from wirefast.cli.fuzzing import fuzz_command
from wirefast.cli.options import OWN_DEFAULTS, own_options, protocols
from wirefast.cli.schema import schema
from wirefast.cli.serving import run
from wirefast.cli.top import commands
from wirefast.cli.versions import version, version_lines
from wirefast.extras import how_to_install

if TYPE_CHECKING:
    import click


def make_command() -> click.Group:
    """Build the command line: our group and ``run``, whose options are those of uvicorn's command."""
    import click  # the command's packages, when it runs
    from uvicorn.main import main as uvicorn_command

    from wirefast.cli.group import Commands  # the command's packages, when it runs

    defaults = {**OWN_DEFAULTS, **protocols()}

    @click.group("wirefast", cls=Commands, invoke_without_command=True)
    @click.version_option(version(), message=version_lines())
    @click.pass_context
    def group(context: click.Context) -> None:
        """FastAPI's WebSocket layer, compiled. A target alone, `wirefast main.py`, is `wirefast dev main.py`."""
        if context.invoked_subcommand is None:
            click.echo(context.get_help())

    target = click.Argument(["target"], metavar="TARGET", envvar="UVICORN_APP")
    options = [param for param in uvicorn_command.params if param.name not in ("app", "version")]
    options += own_options()
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
    reload = click.Option(["--reload/--no-reload"], default=True, show_default=True, help="Reload on a change.")
    group.add_command(
        click.Command(
            "dev",
            callback=dev,
            params=[
                click.Argument(["target"], metavar="[TARGET]", envvar="UVICORN_APP", required=False),
                *(reload if param.name == "reload" else param for param in options),
            ],
            help=(
                "Serve TARGET, named as for `run`, while you write it: reload on a change, and say where its pages "
                f"are. Default: {', '.join(USUAL_FILES)}, the first that is there. The options are those of `run`."
            ),
            short_help="Serve an application while you write it.",
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
            print(version_lines())
            return 0
        return complain(
            f"no server is installed ({exc}); install the server extra: {how_to_install('server')}", REFUSED
        )
    try:
        return int(make_command().main(arguments, "wirefast", standalone_mode=False) or 0)
    except CommandError as exc:
        return complain(str(exc), exc.code)
    except click.UsageError as exc:
        command = exc.ctx.command_path if exc.ctx else "wirefast"
        return complain(f"{exc.format_message().rstrip('.')}; see '{command} --help'", USAGE)
    except click.ClickException as exc:
        return complain(exc.format_message(), exc.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return 0
