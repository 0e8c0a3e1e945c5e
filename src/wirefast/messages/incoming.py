"""How messages of a type are read: the targets of a route, and the input of ``receive_message``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

from wirefast._core import message_input
from wirefast._core.message_input import MessageInput, Target
from wirefast._core.message_table import MessageHandler
from wirefast.dependencies import message_types
from wirefast.messages.errors import Explain


def json_target(
    annotation: Any, handler: MessageHandler | None, tag: str, validate: Callable[[Any], Any] | None = None
) -> Target:
    """Make the target of JSON messages of one type.

    Args:
        annotation: the type.
        handler: is called with the messages; None if the socket's program reads them itself.
        tag: the name of the member with the tag; empty for none.
        validate: the type's validator. Default: made here.
    """

    def cuts(name: str) -> bool:
        return any(
            message_types.keeps_extra(model)
            and not (message_types.is_model(model) and name in message_types.member_names(model))
            for model in message_types.leaves(annotation)
        )

    return Target(
        validate=validate or message_types.validator_of(annotation),
        handler=handler,
        cut_tag=bool(tag) and cuts(tag),
        cut_ref=cuts("ref"),
    )


def frame_target(handler: MessageHandler | None) -> Target:
    """Make the target of whole frames, which are not validated."""
    return Target(validate=None, handler=handler, cut_tag=False, cut_ref=False)


def make_input(model: Any, tag: str) -> MessageInput:
    """Return the input of ``receive_message`` for a type.

    The tag chooses the model if every model of the union has one; otherwise the type as a whole validates. ``str``
    and ``bytes`` in a union mean whole frames, as in handlers.
    """
    leaves = message_types.leaves(model)
    of_json = [leaf for leaf in leaves if leaf not in (str, bytes)]
    if len(of_json) < len(leaves) and of_json:
        model = Union[tuple(of_json)]  # noqa: UP007 - a union of what a list holds
    targets, untagged = message_types.by_tag(model, tag)
    tagged = bool(of_json) and not untagged
    return MessageInput(
        tag=tag if tagged else "",
        targets={key: json_target(kind, None, tag) for key, kind in targets.items()} if tagged else {},
        only=None if tagged else json_target(model, None, ""),
        text=frame_target(None) if str in leaves else None,
        binary=frame_target(None) if bytes in leaves else None,
        explain=Explain([model], False),
    )


message_input.set_maker(make_input)
