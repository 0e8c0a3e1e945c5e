"""Plans and their operations: written by hand, or recorded while dependencies.planning writes them."""

from __future__ import annotations

from typing import Any

import pytest

from asgi import finish_anyway, websocket_scope
from wirefast._core.plan import CallOp, FieldOp, Plan
from wirefast._core.plan_cache import PlanCache
from wirefast._core.session import WebSocketSession
from wirefast._core.solver import Frame, open_frame
from wirefast.dependencies import planning
from wirefast.dependencies.analysis import get_endpoint_dependant
from wirefast.exceptions import WebSocketRequestValidationError
from wirefast.websockets import WebSocket


def field_op(name: str, out: int, *, node: int = 0, place: str = "query", **changed: Any) -> FieldOp:
    """A required parameter, passed on as it came."""
    options: dict[str, Any] = {
        "header_slots": (), "multi": False, "drop_empty": False, "shortcut": "", "low": 0, "high": 0,
        "validate": lambda value: value, "from_attributes": False, "required": True, "default": None,
        "default_factory": None, "copy_default": False, "validate_default": False,
    }  # fmt: skip
    return FieldOp(node=node, out=out, place=place, names=(name,), **options | changed)


def call_op(call: Any, arguments: dict[str, int], out: int, *, node: int = 1, **changed: Any) -> CallOp:
    """A coroutine function that the endpoint depends on; its result is not looked for in the cache."""
    options: dict[str, Any] = {
        "kind": "coroutine", "parent": 0, "cache": out, "use_cache": False, "function_scope": False,
        "open_context": None,
    }  # fmt: skip
    return CallOp(node=node, out=out, call=call, arguments=arguments, **options | changed)


def hand_written(*ops: Any, endpoint: Any = None, arguments: dict[str, int] | None = None, **changed: Any) -> Plan:
    """A plan of these operations and an endpoint, with room for ten slots and two nodes."""
    options: dict[str, Any] = {
        "slot_count": 10, "node_count": 2, "cache_slots": {}, "header_index": None, "connection_slot": -1,
        "response_slot": -1, "background_slot": -1, "make_response": None, "make_background": None,
    }  # fmt: skip
    last = call_op(endpoint, arguments or {}, -1, node=0, parent=-1, cache=-1)
    return Plan(ops=ops, endpoint=last, **options | changed)


def plan_of(endpoint: Any, path: str = "/", **options: Any) -> Plan:
    dependant, _, embed = get_endpoint_dependant(path=path, call=endpoint, dependencies=options.pop("dependencies", ()))
    return planning.make_plan(dependant, embed_body_fields=embed, **options)


def make_session(endpoint: Any, path: str = "/", make_plan: Any = planning.make_plan) -> WebSocketSession:
    """The ASGI application of an endpoint, without a route around it."""
    dependant, _, _ = get_endpoint_dependant(path=path, call=endpoint, dependencies=())
    return WebSocketSession(
        websocket_class=WebSocket,
        plans=PlanCache(dependant=dependant, make_plan=make_plan, provider=None),
        invalid=lambda errors, scope: WebSocketRequestValidationError(errors),
    )


async def never(*_: Any) -> Any:
    raise AssertionError("nothing is received or sent while parameters are solved")


def frame_for(plan: Plan, target: str = "/", **scope: Any) -> Frame:
    return open_frame(plan, WebSocket(websocket_scope(target, **scope), never, never))


def solved(plan: Plan, target: str = "/", **scope: Any) -> Frame:
    """The frame of one connection, solved."""
    frame = frame_for(plan, target, **scope)
    finish_anyway(frame.solve())
    return frame


def arguments(plan: Plan, target: str = "/", **scope: Any) -> dict[str, Any]:
    """What the endpoint gets; the parameters have to be valid."""
    frame = solved(plan, target, **scope)
    assert frame.errors is None
    return frame.endpoint_arguments()


class Recorded:
    """The keyword arguments of every operation that planning writes, and of the plan."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ops: list[tuple[str, dict[str, Any]]] = []
        for name in ("FieldOp", "ReadOp", "BodyOp", "CallOp", "ScopesOp", "EnterOp", "Plan"):
            monkeypatch.setattr(planning, name, self._recording(name, getattr(planning, name)))

    def _recording(self, name: str, kind: Any) -> Any:
        def make(**options: Any) -> Any:
            made = kind(**options)
            self.ops.append((name, options | {"made": made}))
            return made

        return make

    @property
    def plan(self) -> dict[str, Any]:
        return next(options for name, options in self.ops if name == "Plan")

    def outline(self) -> list[str]:
        """One word an operation, in order of execution: what it reads or calls, or whether it may be jumped over."""
        by_identity = {id(options["made"]): (name, options) for name, options in self.ops}
        lines = []
        for op in self.plan["ops"]:
            name, options = by_identity[id(op)]
            if name == "FieldOp":
                lines.append(f"{options['place']} {options['names'][0]}")
            elif name == "CallOp":
                lines.append(f"call {options['call'].__name__}")
            elif name == "EnterOp":
                lines.append("skip" if options["skippable"] else "enter")
            else:
                lines.append(name[:-2].lower())
        return lines

    def find(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The only operation of a kind with these options."""
        (found,) = (
            options
            for name, options in self.ops
            if name == kind and all(options[key] == value for key, value in wanted.items())
        )
        return found
