"""The plans of handlers: one for the handshake, with everything that the handlers need of it, and one for each handler.

The slots of a handler's plan hold the values of the handshake, then the message, then the values of message-scoped
dependencies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import Any

from typing_extensions import is_typeddict

from wirefast._core.plan import MemberOp, Plan
from wirefast._core.scope import FromScope
from wirefast.background import BackgroundTasks
from wirefast.dependencies import message_types
from wirefast.dependencies.fields import ModelField
from wirefast.dependencies.models import Dependant, cache_key
from wirefast.dependencies.places import PLACES
from wirefast.dependencies.planning import _empty_response, _Planner
from wirefast.exceptions import DependencyScopeError, FastAPIError

_SPECIAL = ("websocket", "http_connection", "response", "background_tasks")


class Handshake:
    """What the handlers of one route need of the handshake, each value once; solved at the handshake."""

    def __init__(self, path: str, dependencies: list[Dependant]) -> None:
        self._dependant = Dependant(path=path)
        self._index: dict[Any, int] = {}
        for dependency in dependencies:
            if dependency.scope != "message":
                check_connection_scope(dependency, path)
                self._dependant.dependencies.append(dependency)
        self.add(Dependant(path=path, dependencies=[item for item in dependencies if item.scope == "message"]))

    def __len__(self) -> int:
        return len(self._index)

    @property
    def names(self) -> list[str]:
        """The keywords of the values, in the order of their slots."""
        return [f"value_{index}" for index in self._index.values()]

    def dependant(self, call: Callable[..., Any]) -> Dependant:
        """Return the Dependant of a function that gets the WebSocket, and each value by its keyword."""
        self._dependant.call = call
        self._dependant.websocket_param_name = "websocket"
        return self._dependant

    def add(self, dependant: Dependant) -> None:
        """Note the needs of a handler, or of a message-scoped dependency, with all dependencies below."""
        for child in dependant.dependencies:
            if child.scope == "message":
                self.add(child)
                continue
            check_connection_scope(child, dependant.path or "")
            below = self._dependant.dependencies
            self._note(_dependency_key(child), lambda name, child=child: replace(child, name=name), below)
        for place in PLACES:
            for field in dependant.params_of(place):
                key, noted = _field_key(place, field), self._dependant.params_of(place)
                self._note(key, lambda name, field=field: _renamed(field, name), noted)
        for kind in _SPECIAL[2:]:
            if getattr(dependant, f"{kind}_param_name") and kind not in self._index:
                setattr(self._dependant, f"{kind}_param_name", f"value_{len(self._index)}")
                self._index[kind] = len(self._index)
        for needed in dependant.from_scope.values():
            if needed not in self._index:
                self._dependant.from_scope[f"value_{len(self._index)}"] = needed
                self._index[needed] = len(self._index)
        if "websocket" not in self._index and (
            dependant.websocket_param_name or dependant.http_connection_param_name or dependant.other_connections
        ):
            self._dependant.http_connection_param_name = f"value_{len(self._index)}"
            self._index["websocket"] = len(self._index)

    def _note(self, key: Any, make: Callable[..., Any], noted: list[Any]) -> None:
        if key not in self._index:
            noted.append(make(f"value_{len(self._index)}"))
            self._index[key] = len(self._index)

    # ---- The slots of noted values; None for a value that only an override needs ----

    def dependency_slot(self, dependant: Dependant) -> int | None:
        return self._index.get(_dependency_key(dependant))

    def field_slot(self, place: str, field: ModelField) -> int | None:
        return self._index.get(_field_key(place, field))

    def special_slot(self, kind: str | type[FromScope]) -> int | None:
        return self._index.get("websocket" if kind == "http_connection" else kind)


def _dependency_key(dependant: Dependant) -> Any:
    key = ("dependency", cache_key(dependant)) if dependant.use_cache else ("uncached", id(dependant))
    try:
        hash(key)
    except TypeError:  # an unhashable callable equals only itself
        return "unhashable", id(dependant.call), *cache_key(dependant)[1:]
    return key


def _field_key(place: str, field: ModelField) -> Any:
    return place, field.name, repr(field.field_info), repr(field.field_info.metadata)


def _renamed(field: ModelField, name: str) -> ModelField:
    renamed = copy(field)
    renamed.name = name
    return renamed


def check_connection_scope(dependant: Dependant, path: str) -> None:
    """Refuse a dependency of the whole socket that needs a message, or a message-scoped dependency."""
    refuse_message_scope_below(dependant, path)
    _refuse_message(dependant, path)


def refuse_message_scope_below(dependant: Dependant, path: str) -> None:
    for child in dependant.dependencies:
        if child.scope == "message":
            raise DependencyScopeError(
                f"The dependency {_call_name(dependant)!r} of the route {path!r} lives as long as the socket, so it "
                f'cannot depend on {_call_name(child)!r}, which has the scope "message". '
                f'Give {_call_name(dependant)!r} the scope "message" too.'
            )
        refuse_message_scope_below(child, path)


def _refuse_message(dependant: Dependant, path: str) -> None:
    for child in dependant.dependencies:
        _refuse_message(child, path)
    if dependant.body_params:
        raise DependencyScopeError(
            f"The dependency {_call_name(dependant)!r} of the route {path!r} lives as long as the socket, so its "
            f"parameter {dependant.body_params[0].name!r} cannot be read from a message. "
            'Declare it with Depends(..., scope="message").'
        )


def _call_name(dependant: Dependant) -> str:
    return getattr(dependant.call, "__qualname__", None) or repr(dependant.call)


def make_message_plan(
    handshake: Handshake,
    message: Any,
    parameter: str | None,
    dependant: Dependant,
    overrides: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
) -> Plan:
    """Return the plan that runs for each message of a handler.

    Args:
        handshake: the values of the handshake.
        message: the type of the handler's messages; None without messages.
        parameter: the name of the parameter that gets the message.
        dependant: the handler's.
        overrides: the overrides of dependencies.
    """
    planner = _MessagePlanner(handshake, message, parameter, overrides or {})
    return planner.plan(dependant, _empty_response, BackgroundTasks)


class _MessagePlanner(_Planner):
    def __init__(self, handshake: Handshake, message: Any, parameter: str | None, overrides: Any) -> None:
        super().__init__(overrides, "websocket", None, False, False)
        self.handshake = handshake
        self.message = message
        self.parameter = parameter
        self.message_slot = len(handshake)
        self.slots = len(handshake) + 1

    def node(self, dependant: Dependant, node: int) -> dict[str, int]:
        arguments: dict[str, int] = {}
        for child in dependant.dependencies:
            slot = None if child.scope == "message" else self.handshake.dependency_slot(child)
            if slot is None:
                slot = self.dependency(child, node)
            if child.name is not None:
                arguments[child.name] = slot
        for place in PLACES:
            for field in dependant.params_of(place):
                slot = self.handshake.field_slot(place, field)
                arguments[field.name] = self.field(field, place, node) if slot is None else slot
        for field in dependant.body_params:
            arguments[field.name] = self.from_message(dependant, field, node)
        if node == 0 and self.parameter is not None:
            arguments[self.parameter] = self.message_slot
        arguments.update(self.special_arguments(dependant, node))
        for kind in _SPECIAL:
            name, slot = getattr(dependant, f"{kind}_param_name"), self.handshake.special_slot(kind)
            if name and slot is not None:
                arguments[name] = slot
        for name, needed in dependant.from_scope.items():
            if (slot := self.handshake.special_slot(needed)) is not None:
                arguments[name] = slot
        socket = self.handshake.special_slot("websocket")
        for kind, name in dependant.other_connections:
            if kind != "http" and socket is not None:
                arguments[name] = socket
        return arguments

    def special_arguments(self, dependant: Dependant, node: int) -> dict[str, int]:
        known: dict[str, Any] = {
            f"{kind}_param_name": None for kind in _SPECIAL if self.handshake.special_slot(kind) is not None
        }
        known["from_scope"] = {
            name: kind for name, kind in dependant.from_scope.items() if self.handshake.special_slot(kind) is None
        }
        if self.handshake.special_slot("websocket") is not None:
            known["other_connections"] = []
        return super().special_arguments(replace(dependant, **known), node)

    def from_message(self, dependant: Dependant, field: ModelField, node: int) -> int:
        """Return the slot of the message, or of a member of it."""
        where = f"The parameter {field.name!r} of {_call_name(dependant)!r}"
        if self.message is None:
            raise FastAPIError(f"{where} is read from a message, but its handler gets none.")
        wanted, models = message_types.leaves(field.field_info.annotation), message_types.leaves(self.message)
        if all(any(_accepts(want, model) for want in wanted) for model in models):
            return self.message_slot
        without = [
            model
            for model in models
            if not message_types.is_model(model) or field.name not in message_types.attribute_names(model)
        ]
        if without and Any in wanted:
            return self.message_slot
        if without:
            raise FastAPIError(
                f"{where} is read from a message, but {message_types.name_of(without[0])!r} has no such member."
            )
        slot = self.new_slot()
        get = (itemgetter if is_typeddict(models[0]) else attrgetter)(field.name)
        self.ops.append(MemberOp(node=node, out=slot, source=self.message_slot, get=get))
        return slot


def _accepts(wanted: Any, model: Any) -> bool:
    if wanted is model:
        return True
    return (
        isinstance(wanted, type)
        and message_types.is_model(wanted)
        and isinstance(model, type)
        and issubclass(model, wanted)
    )
