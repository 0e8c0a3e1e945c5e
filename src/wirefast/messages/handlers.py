"""The analysis of one handler: its messages, its dependencies, its replies."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import create_model

from wirefast import params
from wirefast._core.source_location import STANDS_FOR
from wirefast.dependencies import message_types
from wirefast.dependencies.analysis import (
    analyze_param,
    get_dependant,
    get_parameterless_sub_dependant,
    require_resolved,
    typed_return_annotation,
    typed_signature,
)
from wirefast.dependencies.markers import is_marker
from wirefast.dependencies.models import Dependant, call_kind, place_of
from wirefast.exceptions import FastAPIError
from wirefast.messages.errors import Disconnect
from wirefast.utils import get_path_param_names

Role = Literal["message", "listener", "stream", "connect", "disconnect"]

_EMPTY = inspect.Signature.empty


@dataclass
class Declared:
    """A handler with the arguments of its decorator."""

    call: Callable[..., Any]
    role: Role
    tags: Sequence[Any] = ()
    concurrent: bool = False
    cancel_on_disconnect: bool = True
    reply_options: Mapping[str, Any] = field(default_factory=dict)
    operation_id: str | None = None
    summary: str | None = None
    description: str | None = None

    @property
    def place(self) -> str:
        """The place of the handler in the source, for errors."""
        return place_of(self.call)


@dataclass
class Handler:
    """A handler under one path.

    Attributes:
        declared: the handler as declared.
        dependant: the parameters and dependencies, without the message.
        call: the function that is called: the handler, or a function that spreads the message over its parameters.
        kind: how the function is called.
        parameter: the parameter that gets the message, if any.
        message: the type of the messages, None without messages; with ``raw``, ``str`` and ``bytes`` mean whole frames.
        replies: the annotation of one reply; None without one.
        under: the path, and the message-scoped dependencies of the route, of this analysis.
        tags: the tags, each with the type of its messages; None before they are found.
    """

    declared: Declared
    dependant: Dependant
    call: Callable[..., Any]
    kind: str
    parameter: str | None
    message: Any
    raw: bool
    replies: Any
    under: tuple[str, list[params.Depends]]
    tags: dict[bytes, Any] | None = None


def analyse(declared: Declared, path: str, dependencies: Sequence[params.Depends]) -> Handler:
    """Analyse a handler under a path.

    Args:
        declared: as the decorator got it.
        path: with its parameters in braces.
        dependencies: message-scoped ones of the route, which run before the handler's own.

    Raises:
        FastAPIError: no message, several messages, or a function of a kind that cannot be a handler.
    """
    call = declared.call
    kind = call_kind(call)
    if kind == "generator":
        raise FastAPIError(f"{declared.place} is a generator; a handler that gives several replies is `async def`.")
    if declared.role == "stream" and kind != "async generator":
        raise FastAPIError(f"{declared.place} is no asynchronous generator: a stream is `async def` with `yield`.")
    signature = typed_signature(call)
    for parameter in signature.parameters.values():
        require_resolved(call, f"parameter {parameter.name!r}", parameter.annotation, parameter.default)
    returned = typed_return_annotation(call)
    require_resolved(call, "the return value", returned)
    found = _Parameters(declared, signature, get_path_param_names(path)).find()
    rest = [parameter for parameter in signature.parameters.values() if parameter.name not in found.taken]

    def stub() -> None: ...

    stub.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
    setattr(stub, STANDS_FOR, call)
    dependant = get_dependant(path=path, call=stub)
    if dependant.body_params:
        raise FastAPIError(
            f"{declared.place} has two parameters that could be the message: "
            f"{found.parameter!r} and {dependant.body_params[0].name!r}. Mark the others, for example by Query()."
            if found.parameter
            else f"{declared.place} gets no message, so its parameter {dependant.body_params[0].name!r} has no source."
        )
    for model in [*message_types.leaves(found.message), *message_types.leaves(message_types.item_of(returned))]:
        message_types.complete(model, call)
    run = _spread(call, found.taken) if found.spread else call
    dependant.call = run
    dependant.dependencies[:0] = [get_parameterless_sub_dependant(depends=item, path=path) for item in dependencies]
    return Handler(
        declared, dependant, run, kind, found.parameter, found.message, found.raw,
        message_types.item_of(returned), (path, list(dependencies)),
    )  # fmt: skip


def _spread(call: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """Return a function of one message that calls a handler with the message's members."""

    def spread(message_: Any, **values: Any) -> Any:
        return call(**{name: getattr(message_, name) for name in names}, **values)

    setattr(spread, STANDS_FOR, call)
    return spread


class _Parameters:
    """Finds the parameters of a handler that get the message."""

    def __init__(self, declared: Declared, signature: inspect.Signature, in_path: set[str]) -> None:
        self.declared = declared
        self.signature = signature
        self.in_path = in_path
        self.parameter: str | None = None
        self.taken: list[str] = []
        self.message: Any = None
        self.raw = False
        self.spread = False

    def find(self) -> _Parameters:
        role, parameters = self.declared.role, list(self.signature.parameters.values())
        if role == "disconnect":
            # The parameter takes the place of the message, but has no members.
            self._take(
                [item for item in parameters if message_types.plain(item.annotation) is Disconnect], needed=False
            )
            self.message = None
            return self
        if role in ("connect", "stream"):
            return self
        marked = [item for item in parameters if self._marked_as_message(item)]
        free = [item for item in parameters if self._is_free(item)]
        if marked:
            self._take(marked)
        elif role == "listener":
            self._take(free[:1])
        elif bodies := [item for item in free if self._is_body(item)]:
            if len(bodies) > 1 and self.declared.tags:
                self._spread_over(free)
            else:
                self._take(bodies[:1])
        elif self.declared.tags:
            self._spread_over(free)
        else:
            self._take([item for item in free if item.annotation in (str, bytes) and item.default is _EMPTY][:1])
        self.raw = self.message in (str, bytes)
        return self

    def _take(self, parameters: list[inspect.Parameter], needed: bool = True) -> None:
        if len(parameters) > 1:
            names = " and ".join(repr(item.name) for item in parameters)
            raise FastAPIError(f"{self.declared.place} has more than one parameter for the message: {names}.")
        if not parameters:
            if needed:
                raise FastAPIError(
                    f"{self.declared.place} has no parameter for the message: annotate one with a model, str or bytes, "
                    'or give the tag: on("tag").'
                )
            return
        self.parameter = parameters[0].name
        self.taken = [self.parameter]
        annotation = parameters[0].annotation
        if annotation is _EMPTY:
            raise FastAPIError(f"{self.declared.place}: the parameter {self.parameter!r} for the message has no type.")
        self.message = _without_markers(annotation)

    def _spread_over(self, parameters: list[inspect.Parameter]) -> None:
        """Return a model with these parameters as members."""
        fields: dict[str, Any] = {
            item.name: (
                Any if item.annotation is _EMPTY else item.annotation,
                ... if item.default is _EMPTY else item.default,
            )
            for item in parameters
        }
        self.spread = True
        self.parameter = "message_"
        self.taken = list(fields)
        self.message = create_model(getattr(self.declared.call, "__name__", "message"), **fields)

    def _is_free(self, parameter: inspect.Parameter) -> bool:
        """Return whether the parameter has no marker, is not in the path, and has no type with a special meaning."""
        if parameter.name in self.in_path or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return False
        markers = [parameter.default, *getattr(parameter.annotation, "__metadata__", ())]
        if any(is_marker(item, "Param", "Body", "Depends") for item in markers):
            return False
        return self._details(parameter).field is not None

    def _is_body(self, parameter: inspect.Parameter) -> bool:
        details = self._details(parameter)
        return details.field is not None and is_marker(details.field.field_info, "Body")

    def _details(self, parameter: inspect.Parameter) -> Any:
        return analyze_param(
            param_name=parameter.name, annotation=parameter.annotation, value=parameter.default,
            path_param_names=self.in_path,
        )  # fmt: skip

    def _marked_as_message(self, parameter: inspect.Parameter) -> bool:
        markers = [parameter.default, *getattr(parameter.annotation, "__metadata__", ())]
        return any(isinstance(item, params.Message) for item in markers)


def _without_markers(annotation: Any) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    base, *metadata = get_args(annotation)
    kept = [item for item in metadata if not isinstance(item, params.Message)]
    return Annotated[(base, *kept)] if kept else base
