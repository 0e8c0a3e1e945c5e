"""The WebSocket route. FastAPI's ``routing.APIWebSocketRoute``, ``websocket_session`` and ``get_websocket_app``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any

from starlette import routing
from starlette.routing import Match, get_name
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import Unpack

from wirefast import params
from wirefast._core import scope as keys
from wirefast._core.handlers import handle_exception
from wirefast._core.plan_cache import PlanCache
from wirefast._core.session import WebSocketSession
from wirefast.dependencies.analysis import flat_body_params, get_endpoint_dependant
from wirefast.dependencies.forms import should_embed
from wirefast.dependencies.long_lived import NamingPlanner
from wirefast.dependencies.message_scope import divide
from wirefast.dependencies.models import Dependant, endpoint_context
from wirefast.dependencies.planning import refuse_body
from wirefast.dependencies.utils import solve_dependencies
from wirefast.exceptions import WebSocketRequestValidationError
from wirefast.limits.admission import Admission
from wirefast.routes.advice import advise_of_socket_endpoint
from wirefast.routes.analysed import AnalysedRoute
from wirefast.routes.description import Described
from wirefast.routes.include_context import RouterIncludeContext
from wirefast.routes.live_copy import OWN, live_copy
from wirefast.routes.request_handler import hooked, hooks_now
from wirefast.routes.websocket_options import SocketOptions, WebSocketOptions, shows_socket_options
from wirefast.stand_in import stands_in_for
from wirefast.telemetry.watching import is_watched, watch_plan, watch_refusal
from wirefast.websockets import WebSocket


class APIWebSocketRoute(routing.WebSocketRoute, AnalysedRoute):
    """A WebSocket route whose endpoint's parameters and dependencies are filled from the handshake.

    Args:
        path: with parameters in braces (``/rooms/{room_id:int}``).
        endpoint: the coroutine function, or any callable that returns an awaitable.
        name: for ``url_path_for``. Default: the endpoint's name.
        dependencies: run before those of the signature, for their effect.
        dependency_overrides_provider: the object whose ``dependency_overrides`` apply; usually the App.
        per_message_deflate, max_size, send_timeout, origins: see `WebSocketOptions`. wirefast only.
        tags, summary, description, operation_id, deprecated, include_in_schema, receives, sends: the same.
        warn_long_lived: the same.

    Raises:
        AssertionError, TypeError, ValueError, FastAPIError: the declaration is wrong; the text says how.
    """

    __class__ = stands_in_for("fastapi.routing", "APIWebSocketRoute")

    @shows_socket_options
    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        name: str | None = None,
        dependencies: Sequence[params.Depends] | None = None,
        dependency_overrides_provider: Any | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        self.options = WebSocketOptions(**options)
        self.path = path
        self.endpoint = endpoint
        self.name = get_name(endpoint) if name is None else name
        self.dependencies = list(dependencies or ())
        self.dependency_overrides_provider = dependency_overrides_provider
        #: The origins and limits of this route and of the router or application that declares it.
        self.admission = Admission.of(self.options.origins, self.options.limits)
        #: The description of the route for documents.
        self.described = Described.of(self.options)
        # The dependencies that count the users of its sockets.
        self._claims: list[params.Depends] = []
        self._analyse()
        self._advise()

    def _advise(self) -> None:
        """Warn of an endpoint that cannot work."""
        if self.unresolved is None:
            advise_of_socket_endpoint(self.path, self.endpoint, self.dependant)

    def count_users(self, claims: list[params.Depends]) -> None:
        """Add dependencies that run first and count the users; called when the routes are frozen.

        Args:
            claims: the dependencies.
        """
        if [claim.dependency for claim in claims] != [claim.dependency for claim in self._claims]:
            self._claims = claims
            self._analyse()

    def _analyse(self) -> None:
        self._embed_body_fields = False
        super()._analyse()

    def _analyse_endpoint(self) -> None:
        dependant, _, _ = get_endpoint_dependant(
            path=self.path_format,
            call=self.endpoint,
            dependencies=[*self._claims, *self.dependencies],
            has_messages=True,
        )
        dependant = self.dependant = divide(
            dependant,
            path=self.path_format,
            provider=self.dependency_overrides_provider,
            invalid=self._validation_error,
        )
        body_fields = flat_body_params(dependant)
        self._embed_body_fields = should_embed(body_fields)
        refuse_body(body_fields, self.path)
        make_app = hooked("get_websocket_app", get_websocket_app)
        make_session = hooked("websocket_session", websocket_session)
        self._hooks = hooks_now()
        if make_app or make_session or hooked("solve_dependencies", solve_dependencies):
            make_app, make_session = make_app or get_websocket_app, make_session or websocket_session
            self.app = make_session(
                make_app(
                    dependant=self.dependant,
                    dependency_overrides_provider=self.dependency_overrides_provider,
                    embed_body_fields=self._embed_body_fields,
                )
            )
            return
        planner: Any = NamingPlanner(self.path, self.dependency_overrides_provider, self.options.warn_long_lived)
        invalid: Any = self._validation_error
        if is_watched(self.dependency_overrides_provider):
            planner, invalid = watch_plan(self.dependant, planner), watch_refusal(invalid)
        self.app = WebSocketSession(
            websocket_class=WebSocket,
            plans=PlanCache(dependant=self.dependant, make_plan=planner, provider=self.dependency_overrides_provider),
            invalid=invalid,
            options=self.options.given(),
        )

    def included(self, context: RouterIncludeContext) -> APIWebSocketRoute:
        """Return this route under an include: with prefix and dependencies of the routers above.

        Args:
            context: what the includes add.
        """
        route = live_copy(self)
        route.path = context.path_for(self)
        route.dependencies = [*context.dependencies, *self.dependencies]
        route.dependency_overrides_provider = context.dependency_overrides_provider
        route.admission = self.admission.inside(context.admission)
        route.described = self.described.under(context)
        route._analyse()
        return route

    @classmethod
    def adopted(cls, route: Any) -> APIWebSocketRoute:
        """Make a route of ours from a FastAPI route, for a team that moves over one router at a time."""
        return cls(
            route.path, route.endpoint, name=route.name, dependencies=list(getattr(route, "dependencies", None) or ())
        )

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the path is this route's, and what to add to the scope, with the route as ``route``."""
        match, child_scope = super().matches(scope)
        if match is not Match.NONE:
            child_scope["route"] = self
        return match, child_scope

    def reads_ambient(self) -> bool:
        """Whether the endpoint or a dependency reads cookies, or another credential that a browser adds by itself."""
        waiting = [self.dependant]
        for dependant in waiting:
            if dependant.cookie_params or getattr(dependant.call, "is_ambient", False) is True:
                return True
            waiting.extend(dependant.dependencies)
        return False

    def _validation_error(self, errors: list[Any], scope: Scope) -> WebSocketRequestValidationError:
        return WebSocketRequestValidationError(errors, endpoint_ctx=endpoint_context(self.dependant, "WS", scope))


OWN[APIWebSocketRoute] = lambda: APIWebSocketRoute("/", _no_endpoint)


async def _no_endpoint() -> None:
    """Do nothing: an endpoint that is never called."""


def websocket_session(func: Callable[[WebSocket], Awaitable[None]]) -> ASGIApp:
    """Return an ASGI application around ``func``, a function of one WebSocket, with the scope's exception handlers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        handlers = scope.get(keys.EXCEPTION_HANDLERS, ({}, {}))
        try:
            await func(websocket)
        except Exception as exc:
            await handle_exception(exc, websocket, handlers, scope, receive, send)

    return app


def get_websocket_app(
    dependant: Dependant, dependency_overrides_provider: Any | None = None, embed_body_fields: bool = False
) -> Callable[[WebSocket], Coroutine[Any, Any, None]]:
    """Return a function of one WebSocket that solves a Dependant and calls its endpoint.

    Args:
        dependant: from ``dependencies.utils.get_dependant``.
        dependency_overrides_provider: an object with ``dependency_overrides``, or None.
        embed_body_fields: without effect, as a WebSocket has no body.

    Raises:
        WebSocketRequestValidationError: from the function, for input that is not valid.
    """

    async def app(websocket: WebSocket) -> None:
        async with AsyncExitStack() as stack:
            solved = await (hooked("solve_dependencies", solve_dependencies) or solve_dependencies)(
                request=websocket,
                dependant=dependant,
                dependency_overrides_provider=dependency_overrides_provider,
                async_exit_stack=stack,
                embed_body_fields=embed_body_fields,
            )
            if solved.errors:
                context = endpoint_context(dependant, "WS", websocket.scope)
                raise WebSocketRequestValidationError(solved.errors, endpoint_ctx=context)
            if dependant.call is None:
                raise AssertionError
            await dependant.call(**solved.values)

    return app
