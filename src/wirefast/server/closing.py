"""The closing machine of a WebSocket as a table: the events that lead from one state of the wire to another.

The states are those of `WireState`, which outgoing.pxd describes. A connection goes through them in one direction:

    CONNECTING -> OPEN -> CLOSING -> CLOSED -> LOST

Either side may close an open connection. When the application closes, our close frame is sent first and the peer has
ten seconds to answer. When the peer closes, the answer is sent and the transport closes. A connection *fails* if no
orderly end is possible: the peer broke the protocol, shows no sign of life, or does not read. Then our close frame is
sent at once, and no more messages are read.

The first end counts: the application gets the code and the reason of the event that left OPEN.

No server runs this module: ``tests/wire/test_closing.py`` drives the real machine through these events, and checks that
    it makes each of these transitions and no other.
"""

from __future__ import annotations

from enum import Enum

from wirefast.server.outgoing import WireState

__all__ = ["TRANSITIONS", "Event", "WireState"]

CONNECTING, OPEN, CLOSING, CLOSED, LOST = WireState


class Event(Enum):
    """An event of a connection; the value describes it."""

    APP_ACCEPTS = "the application accepts the handshake"
    APP_REFUSES = "the application closes before accept, or answers with a response"
    APP_SENDS = "the application sends a message"
    APP_CLOSES = "the application closes an accepted socket"
    APP_ENDS = "the application returns or raises"
    APP_CANCELLED = "the application is cancelled: the server's patience with a stop is over"
    DISMISSED = "a hub or a policy closes the socket"
    PEER_CLOSES = "the peer's close frame arrives"
    PEER_FAULT = "bytes arrive that break the protocol, while nothing is left to answer"
    PEER_FAULT_BEHIND = "such bytes arrive behind messages that the application may still answer"
    SHUTDOWN = "the server is told to stop"
    TIME = "a timer ends: the moment for an answer, or keepalive (the one that aborts a transport is TRANSPORT_LOST)"
    TRANSPORT_LOST = "the transport tells that it is closed"
    TRANSPORT_FAILS = "a call of the transport raises, or finds it closing"


#: The states that may follow a state and an event. An event without a row changes nothing.
TRANSITIONS: dict[tuple[WireState, Event], frozenset[WireState]] = {
    # CLOSED: the peer's close frame, or a fault, was among the bytes before the answer.
    (CONNECTING, Event.APP_ACCEPTS): frozenset({OPEN, CLOSED}),
    (CONNECTING, Event.APP_REFUSES): frozenset({CLOSED}),
    (CONNECTING, Event.APP_ENDS): frozenset({CLOSED}),  # 500
    (CONNECTING, Event.APP_CANCELLED): frozenset({CLOSED}),  # 500
    (CONNECTING, Event.SHUTDOWN): frozenset({CLOSED}),  # 503
    (CONNECTING, Event.TRANSPORT_LOST): frozenset({LOST}),
    (CONNECTING, Event.TRANSPORT_FAILS): frozenset({LOST}),
    # 1008 if too much is unsent.
    (OPEN, Event.APP_SENDS): frozenset({OPEN, CLOSED}),
    # CLOSED: a fault of the peer was waiting, and is the end.
    (OPEN, Event.APP_CLOSES): frozenset({CLOSING, CLOSED}),
    (OPEN, Event.APP_ENDS): frozenset({CLOSING, CLOSED}),  # 1000, or 1011
    (OPEN, Event.APP_CANCELLED): frozenset({CLOSED}),  # 1012, without waiting for the answer
    (OPEN, Event.DISMISSED): frozenset({CLOSING, CLOSED}),
    (OPEN, Event.PEER_CLOSES): frozenset({CLOSED}),
    (OPEN, Event.PEER_FAULT): frozenset({CLOSED}),
    (OPEN, Event.SHUTDOWN): frozenset({CLOSING}),  # 1012
    (OPEN, Event.TIME): frozenset({OPEN, CLOSED}),
    (OPEN, Event.TRANSPORT_LOST): frozenset({LOST}),
    (OPEN, Event.TRANSPORT_FAILS): frozenset({LOST}),
    (CLOSING, Event.PEER_CLOSES): frozenset({CLOSED}),
    (CLOSING, Event.PEER_FAULT): frozenset({CLOSED}),
    (CLOSING, Event.APP_CANCELLED): frozenset({CLOSED}),
    (CLOSING, Event.SHUTDOWN): frozenset({CLOSED}),
    (CLOSING, Event.TRANSPORT_LOST): frozenset({LOST}),
    (CLOSING, Event.TRANSPORT_FAILS): frozenset({LOST}),
    (CLOSED, Event.TRANSPORT_LOST): frozenset({LOST}),
    (CLOSED, Event.TRANSPORT_FAILS): frozenset({LOST}),
}
