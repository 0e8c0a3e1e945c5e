"""What HTTP operations and sockets have in common: a route that follows from the signature of its endpoint."""

from __future__ import annotations

from collections.abc import Callable
from re import Pattern
from typing import Any

from starlette.convertors import Convertor
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from wirefast._core.source_location import note_declaration
from wirefast.dependencies.annotations import UnresolvedAnnotation
from wirefast.dependencies.models import Dependant
from wirefast.exceptions import FastAPIError
from wirefast.routes.include_context import Includable
from wirefast.routes.live_copy import deep_copy

__all__ = ["AnalysedRoute"]


class AnalysedRoute(Includable):
    """A route that analyses its endpoint when it is declared, and again under each include.

    An annotation may have a name that its module defines later. Then the route analyses the endpoint once more before
    the route is described or serves its first connection.
    """

    path: str
    path_regex: Pattern[str]
    path_format: str
    param_convertors: dict[str, Convertor[Any]]
    endpoint: Callable[..., Any]
    dependant: Dependant
    app: ASGIApp
    #: The error of the last analysis, while an annotation has a name that its module may still define.
    unresolved: UnresolvedAnnotation | None

    def _analyse(self) -> None:
        """Derive everything that follows from what was declared, down to the ASGI application."""
        self.path_regex, self.path_format, self.param_convertors = compile_path(self.path)
        self.unresolved = None
        try:
            self._analyse_endpoint()
        except UnresolvedAnnotation as exc:
            if not exc.may_come:
                note_declaration(exc, self.endpoint, self.path_format)
                raise
            self.unresolved = exc
            self.dependant = Dependant(call=self.endpoint, path=self.path_format)
            self.app = self._resolve_and_serve
        except (AssertionError, FastAPIError, RuntimeError, TypeError, ValueError) as exc:
            note_declaration(exc, self.endpoint, self.path_format)
            raise

    def _analyse_endpoint(self) -> None:
        """Set ``dependant``, ``app`` and what else follows from the signature; each kind of route has its own way.

        Raises:
            UnresolvedAnnotation: an annotation has a name that its module has not defined.
        """
        raise NotImplementedError

    def resolve(self) -> None:
        """Analyse the endpoint again if names were missing when the route was declared.

        Raises:
            UnresolvedAnnotation: the names are still missing.
        """
        if self.unresolved is not None:
            self._analyse()

    async def _resolve_and_serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.resolve()
        await self.app(scope, receive, send)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return deep_copy(self, memo)
