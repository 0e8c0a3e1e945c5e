"""The group of commands: a target in the place of a command is served as by ``dev``."""

from __future__ import annotations

import os

import click

__all__ = ["Commands"]


class Commands(click.Group):
    """`click.Group` for which ``wirefast main.py`` is ``wirefast dev main.py``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a target it is ``dev``."""
        if args and self.get_command(ctx, args[0]) is None and is_target(args[0]):
            args = ["dev", *args]
        elif args and self.get_command(ctx, args[0]) is None and os.path.isfile(f"{args[0]}.py"):
            ctx.fail(f"No such command {args[0]!r}; did you mean 'wirefast {args[0]}.py'")
        return super().resolve_command(ctx, args)


def is_target(text: str) -> bool:
    """Whether a word can only be a TARGET: ``main.py``, ``./main.py``, ``main:app``."""
    return not text.startswith("-") and (text.endswith(".py") or ":" in text or os.sep in text)
