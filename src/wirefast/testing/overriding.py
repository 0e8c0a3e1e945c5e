"""Dependencies that a test replaces: for all clients within a block, or for one client. wirefast only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wirefast.testing.requesting import ByClient

__all__ = ["Overriding"]


class Overriding:
    """The part of a `Live` server that replaces dependencies."""

    app: Any
    _given: Any
    _actors: dict[int, dict[Callable[..., Any], Any]]
    _stack: contextlib.ExitStack

    @contextlib.contextmanager
    def override(
        self, overrides: Mapping[Callable[..., Any], Callable[..., Any]] | Callable[..., Any], by: Any = None
    ) -> Iterator[None]:
        """Replace dependencies within a ``with`` block.

        Args:
            overrides: a dict of them, or one dependency.
            by: the replacement of the one dependency: a callable with parameters of its own, or the dependency's value.
        """
        if callable(overrides) and not isinstance(overrides, Mapping):
            overrides = {overrides: by if callable(by) else lambda: by}
        known = self._overrides()
        before = {dependency: known[dependency] for dependency in overrides if dependency in known}
        known.update(overrides)
        try:
            yield
        finally:
            for dependency in overrides:
                known.pop(dependency, None)
            known.update(before)

    def _overrides(self) -> dict[Callable[..., Any], Callable[..., Any]]:
        app = self.app if self.app is not None else self._given
        found = getattr(app, "dependency_overrides", None)
        if not isinstance(found, dict):
            raise AttributeError("the application has no dependency_overrides; it is no App")
        return found

    def _act_by_client(self) -> None:
        """Let overrides differ between clients from now on."""
        app, known = self.app if self.app is not None else self._given, self._overrides()
        if isinstance(known, ByClient):
            return
        app.dependency_overrides = ours = ByClient(known, self._actors)

        def give_back() -> None:
            known.clear()
            known.update(ours.items())
            app.dependency_overrides = known

        self._stack.callback(give_back)
