"""``wirefast fuzz TARGET``: typed and broken messages to every socket of an application, until something breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wirefast.cli.errors import REFUSED, CommandError
from wirefast.cli.target import find_target
from wirefast.extras import how_to_install

if TYPE_CHECKING:
    import click

__all__ = ["BROKEN", "UNOPENED", "fuzz", "fuzz_command"]

#: The exit codes of a run that found an error, and of a run in which every route refused every handshake.
BROKEN, UNOPENED = 1, 3


def fuzz(
    target: str,
    seconds: float = 60.0,
    route: tuple[str, ...] = (),
    header: tuple[str, ...] = (),
    token: str | None = None,
    query: tuple[str, ...] = (),
    seed: int | None = None,
    app_dir: str = "",
    factory: bool = False,
) -> int:
    """Fuzz an application, and print the report or the error. Return the exit code.

    Args:
        target: see ``Target.parse``.
        seconds: the time of the run.
        route: paths as they were declared; all by default.
        header: ``Name:Value`` lines of every handshake.
        token: a token, sent as ``Authorization: Bearer``.
        query: ``name=value`` parameters of every handshake's query.
        seed: the seed of the first round.
        app_dir: the directory of modules; the working directory when empty.
        factory: whether the target is a function that returns the application.

    Raises:
        CommandError: something is wrong with the command line or the application, Hypothesis is not installed, or no
            socket was opened.
    """
    for line in header:
        if ":" not in line:
            raise CommandError(f"--header {line!r} has no colon; write Name:Value")
    for pair in query:
        if "=" not in pair:
            raise CommandError(f"--query {pair!r} has no equals sign; write name=value")
    found = find_target(target, app_dir)
    application: Any = found.load()
    if factory:
        application = application()
    try:
        from wirefast.testing.fuzzing import Broken  # Hypothesis is an extra's
        from wirefast.testing.fuzzing import fuzz as run
    except ModuleNotFoundError as exc:
        if exc.name is None or not exc.name.startswith(("hypothesis", "httpx")):
            raise
        text = f"`fuzz` needs {exc.name}; install the testing extra: {how_to_install('testing')}"
        raise CommandError(text, REFUSED) from None
    headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in header)]
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query)]
    try:
        report = run(
            application, seconds=seconds, routes=route or None, headers=headers, token=token, query=pairs, seed=seed
        )
    except Broken as exc:
        print(exc)
        return BROKEN
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    print(report.text("--header, --token or --query"))
    if set(report.unopened) == set(report.connections):
        raise CommandError("every handshake was refused, so no message was sent", UNOPENED)
    return 0


def fuzz_command() -> click.Command:
    """Build the command. click is imported here, because it belongs to an extra."""
    import click  # belongs to an extra

    return click.Command(
        "fuzz",
        callback=fuzz,
        params=[
            click.Argument(["target"], metavar="TARGET"),
            click.Option(
                ["--seconds"], type=click.FloatRange(0.1), default=60.0, show_default=True, help="How long to send."
            ),
            click.Option(["--route"], multiple=True, metavar="PATH", help="Only this route, as declared; repeatable."),
            click.Option(["--header"], multiple=True, metavar="NAME:VALUE", help="A header of every handshake."),
            click.Option(["--token"], help="A token, sent as `Authorization: Bearer`."),
            click.Option(
                ["--query"], multiple=True, metavar="NAME=VALUE", help="A parameter of every handshake's query."
            ),
            click.Option(["--seed"], type=int, help="The seed of the random choices, to repeat a run."),
            click.Option(["--app-dir"], default="", help="Look for TARGET in this directory. Default: this one."),
            click.Option(["--factory"], is_flag=True, help="TARGET is a function that returns the application."),
        ],
        help=(
            "Send typed and broken messages to every WebSocket route of TARGET, which is named as for `run`, in this "
            "process. Exit code 1: an exception that the application did not handle, a socket that does not answer, or "
            "a task or another object that is left behind. The output has the smallest example. Exit code 3: every "
            "route refused every handshake."
        ),
        short_help="Look for messages that break an application.",
    )
