"""How a WebSocket ends: the close codes, what a close frame may hold, and the reasons that wirefast gives.

A close frame may carry most codes (`CloseCode.in_frame`), in both directions. No frame carries 1005, 1006 and 1015:
they tell the application how a connection ended without a code. 1004 has no meaning. The frame has the reason after the
code, as UTF-8 of at most 123 bytes.

Numbers in compiled code come from ``csrc/close.h`` (through close.pxd); a test keeps them equal to those here.
"""

from __future__ import annotations

from typing import NamedTuple

from wirefast._core.unicode import utf8

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
RESERVED = 1004
NO_CODE = 1005
ABNORMAL = 1006
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
EXTENSION_REQUIRED = 1010
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013
BAD_GATEWAY = 1014
NO_TLS = 1015
FIRST_UNREGISTERED = 3000
LAST_PRIVATE = 4999

# The codes of the private range (RFC 6455, section 7.4.2) that wirefast sends: 4000 plus the HTTP status of the same
# meaning.
UNAUTHORIZED = 4401
FORBIDDEN = 4403
TIMED_OUT = 4408
REPLACED = 4409

#: Bytes of UTF-8 that fit into a close frame after the code (RFC 6455, section 5.5).
MAX_REASON = 123


class CloseCode(NamedTuple):
    """The meaning and the use of one code.

    Attributes:
        meaning: in a few words.
        in_frame: whether a close frame may carry the code, a client's or a server's.
    """

    meaning: str
    in_frame: bool


#: The registered codes (RFC 6455, section 7.4.1, and the IANA registry).
CODES = {
    NORMAL: CloseCode("normal end", True),
    GOING_AWAY: CloseCode("the server stops, or the page was left", True),
    PROTOCOL_ERROR: CloseCode("frames against the protocol", True),
    UNSUPPORTED_DATA: CloseCode("data of a kind that is not accepted", True),
    RESERVED: CloseCode("reserved", False),
    NO_CODE: CloseCode("a close frame without a code", False),
    ABNORMAL: CloseCode("no close frame: the connection was lost", False),
    INVALID_DATA: CloseCode("text that is not UTF-8", True),
    POLICY_VIOLATION: CloseCode("refused", True),
    TOO_BIG: CloseCode("a message that is too large", True),
    EXTENSION_REQUIRED: CloseCode("the server lacks an extension", True),
    INTERNAL_ERROR: CloseCode("an error in the server", True),
    SERVICE_RESTART: CloseCode("the server restarts", True),
    TRY_AGAIN_LATER: CloseCode("overload", True),
    BAD_GATEWAY: CloseCode("a server behind this one failed", True),
    NO_TLS: CloseCode("the TLS handshake failed", False),
}

# The reasons of each code.
#: PROTOCOL_ERROR. Faults of a frame's header have their texts in csrc/frame.c.
MALFORMED_CLOSE = "malformed close frame"
INVALID_CODE = "invalid close code"
UNEXPECTED_CONTINUATION = "unexpected continuation frame"
EXPECTED_CONTINUATION = "expected a continuation frame"
MALFORMED_DEFLATE = "malformed compressed data"
#: UNSUPPORTED_DATA
EXPECTED_TEXT = "expected a text message"
EXPECTED_BINARY = "expected a binary message"
MALFORMED_JSON = "malformed JSON"
#: INVALID_DATA
INVALID_UTF8 = "invalid UTF-8"
#: POLICY_VIOLATION
TOO_MANY_FRAGMENTS = "too many fragments"
TOO_MANY_FINAL_BLOCKS = "too many final blocks"
TOO_MANY_UNSENT = "too many unsent bytes"
TOO_MANY_MESSAGES = "too many messages"
TOO_MANY_BYTES = "too many bytes"
TOO_MANY_INVALID = "too many invalid messages"
ORIGIN_NOT_ALLOWED = "origin not allowed"
#: TOO_BIG
MESSAGE_TOO_BIG = "message too big"
#: TRY_AGAIN_LATER
TOO_MANY_CONNECTIONS = "too many connections"
TOO_MANY_OF_ADDRESS = "too many connections from this address"
TOO_MANY_HANDSHAKES = "too many handshakes from this address"
TOO_MANY_REQUESTS = "too many requests from this address"
#: SERVICE_RESTART
LIFETIME_OVER = "lifetime over"
#: UNAUTHORIZED
EXPIRED = "permission expired"
#: TIMED_OUT
NO_FIRST_MESSAGE = "no first message in time"
IDLE = "no message for too long"
#: REPLACED
EVICTED = "too many sockets of this user"
#: INTERNAL_ERROR
PING_TIMEOUT = "keepalive ping timeout"


def too_slow(messages: int, size: int) -> str:
    """Return the reason of TRY_AGAIN_LATER for a socket that reads too slowly, with the number of waiting messages."""
    return f"too slow: {messages} messages, {size} bytes waiting"


def send_timed_out(seconds: float) -> str:
    """Return the reason of TRY_AGAIN_LATER for a send that waited longer than its route allows."""
    return f"too slow: a send waited {seconds:g} s"


def is_frame_code(code: int) -> bool:
    """Return whether a close frame may carry a code (RFC 6455, section 7.4)."""
    known = CODES.get(code)
    return FIRST_UNREGISTERED <= code <= LAST_PRIVATE if known is None else known.in_frame


def check_code(code: int) -> None:
    """Refuse a code that no close frame may carry.

    Raises:
        ValueError: with the codes that may be sent.
    """
    if not is_frame_code(code):
        raise ValueError(
            f"{code} is not a close code that may be sent: those are 1000 to 1003, 1007 to 1014 and 3000 to 4999"
        )


def cut_reason(reason: str) -> bytes:
    """Encode a reason as UTF-8, cut on a character border to the ``MAX_REASON`` bytes that a close frame holds."""
    encoded = utf8(reason)
    if len(encoded) > MAX_REASON:
        encoded = encoded[:MAX_REASON].decode("utf-8", "ignore").encode("utf-8")
    return encoded
