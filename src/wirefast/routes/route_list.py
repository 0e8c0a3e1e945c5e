"""The list of a router's routes, which reports each change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

from starlette.routing import BaseRoute

__all__ = ["RouteList"]


class RouteList(list[BaseRoute]):
    """The routes of a router. Every change is reported, so that the frozen route tables are made again."""

    def __init__(self, changed: Callable[[], None], routes: Iterable[BaseRoute] = ()) -> None:
        super().__init__(routes)
        self._report = changed
        # The paths of the routes while routes are only appended; None after any other change.
        self._paths: set[str | None] | None = None

    def _changed(self) -> None:
        self._paths = None
        self._report()

    def has_path(self, path: str) -> bool:
        """Return whether a route has this path, without a search through all routes each time.

        Args:
            path: the declared path.
        """
        if self._paths is None:
            self._paths = {getattr(route, "path", None) for route in self}
        return path in self._paths

    def append(self, route: BaseRoute) -> None:
        super().append(route)
        if self._paths is not None:
            self._paths.add(getattr(route, "path", None))
        self._report()

    def extend(self, routes: Iterable[BaseRoute]) -> None:
        super().extend(routes)
        self._changed()

    def insert(self, index: SupportsIndex, route: BaseRoute) -> None:
        super().insert(index, route)
        self._changed()

    def remove(self, route: BaseRoute) -> None:
        super().remove(route)
        self._changed()

    def pop(self, index: SupportsIndex = -1) -> BaseRoute:
        route = super().pop(index)
        self._changed()
        return route

    def clear(self) -> None:
        super().clear()
        self._changed()

    def reverse(self) -> None:
        super().reverse()
        self._changed()

    def sort(self, **options: Any) -> None:
        super().sort(**options)
        self._changed()

    def __setitem__(self, index: Any, route: Any) -> None:
        super().__setitem__(index, route)
        self._changed()

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        super().__delitem__(index)
        self._changed()

    def __iadd__(self, routes: Iterable[BaseRoute]) -> RouteList:  # type: ignore[misc,override]
        self.extend(routes)
        return self

    def __imul__(self, count: SupportsIndex) -> RouteList:
        super().__imul__(count)
        self._changed()
        return self
