"""The messages of a socket: the types that its route declares, in each direction, and the operations."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal

from wirefast.dependencies import message_types
from wirefast.documents.asyncapi.schemas import MessageType
from wirefast.documents.asyncapi.writing import PLAIN, Writing, writing_of
from wirefast.documents.schemas import Mode
from wirefast.messages.handlers import Handler
from wirefast.messages.route import MessageRoute
from wirefast.routes.description import Described

__all__ = ["Operation", "Operations", "TaggedType"]


@dataclass
class TaggedType:
    """A type of messages on one socket.

    Attributes:
        type: the type, with its direction.
        tags: the values of the tag, if the type does not have them itself.
    """

    type: MessageType
    tags: list[Any] = field(default_factory=list)


@dataclass
class Operation:
    """One operation of a socket.

    Attributes:
        action: ``"receive"`` or ``"send"``, from the view of the application.
        suffix: the end of the name, after the channel's name.
        handler: the function, if one has declared it.
        messages: their types; none for any.
        replies: the types of the answers.
        answers: whether errors may answer.
    """

    action: Literal["receive", "send"]
    suffix: str
    messages: list[TaggedType]
    handler: Handler | None = None
    replies: list[TaggedType] = field(default_factory=list)
    answers: bool = False


class Operations:
    """The operations of one route.

    Args:
        route: a WebSocket route under its includes.
        described: the description of the route.
    """

    def __init__(self, route: Any, described: Described) -> None:
        self.found: list[Operation] = []
        self.tag: str | None = None
        self._known: dict[tuple[int, str, str, str], TaggedType] = {}
        if isinstance(route, MessageRoute):
            route.resolve()
            self._of_handlers(route)
        else:
            receives, sends = described.receives, described.sends
            self.found.append(Operation("receive", "receive", self._leaves(receives, "validation")))
            self.found.append(Operation("send", "send", self._leaves(sends, "serialization")))
        taken: set[str] = set()
        for operation in self.found:  # two handlers may be functions of one name, or be called "send"
            operation.suffix = _free(operation.suffix, taken)
            taken.add(operation.suffix)

    def types(self) -> list[MessageType]:
        """Every type, for the schemas."""
        return [tagged.type for tagged in self._known.values()]

    def _of_handlers(self, route: MessageRoute) -> None:
        registry = route.registry
        roles = {handler.declared.role for handler in route.handlers}
        self.tag = registry.tag if "message" in roles or not roles & {"listener", "stream"} else None
        unprompted: list[TaggedType] = []
        for handler in route.handlers:
            declared = handler.declared
            replies = self._replies(handler, registry.sends)
            name = getattr(declared.call, "__name__", declared.role)
            if declared.role in ("message", "listener"):
                self.found.append(Operation("receive", name, self._received(handler), handler, replies, answers=True))
            elif declared.role == "stream":
                self.found.append(Operation("send", name, replies, handler))
            elif declared.role == "connect":
                unprompted += replies
        if registry.sends is not None:
            unprompted += self._leaves(registry.sends, "serialization")
        if unprompted:
            self.found.append(Operation("send", "send", list({id(item): item for item in unprompted}.values())))

    def _received(self, handler: Handler) -> list[TaggedType]:
        if handler.raw or not handler.tags:
            return self._leaves(handler.message, "validation")
        by_type: dict[int, tuple[Any, list[Any]]] = {}
        for key, annotation in handler.tags.items():
            by_type.setdefault(id(annotation), (annotation, []))[1].append(json.loads(key))
        found = []
        for annotation, tags in by_type.values():
            for leaf in message_types.leaves(annotation):
                own = self.tag is not None and message_types.tags_of(leaf, self.tag)
                found.append(self._tagged(leaf, "validation", [] if own else tags))
        return found

    def _replies(self, handler: Handler, sends: Any) -> list[TaggedType]:
        declared = handler.declared
        if handler.replies is None and not _is_annotated(declared.call):
            return self._leaves(sends, "serialization") if sends is not None else []
        return self._leaves(handler.replies, "serialization", writing_of(declared.reply_options))

    def _leaves(self, annotation: Any, mode: Mode, writing: Writing = PLAIN) -> list[TaggedType]:
        if annotation is None:
            return []
        kept = [leaf for leaf in message_types.leaves(annotation) if leaf not in (None, NoneType)]
        return [self._tagged(leaf, mode, [], writing) for leaf in kept]

    def _tagged(self, annotation: Any, mode: Mode, tags: list[Any], writing: Writing = PLAIN) -> TaggedType:
        key = (id(annotation), mode, json.dumps(tags), repr(writing))
        if key not in self._known:
            self._known[key] = TaggedType(MessageType(annotation, mode, writing), tags)
        return self._known[key]


def _free(name: str, taken: set[str]) -> str:
    """Return the name, with a number if it is taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _is_annotated(call: Any) -> bool:
    return inspect.signature(call).return_annotation is not inspect.Signature.empty
