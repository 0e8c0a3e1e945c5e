"""The steps of a fuzzing client: whole messages, fragments, frames that are not allowed, bytes, its end.

Each step can write the line of a test that does the same. wirefast only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from wirefast.testing.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_body, encode

__all__ = ["ENDINGS", "Part", "Step", "awry", "literal", "message", "split"]

#: The ways in which a client ends its connection: methods of `Peer`.
ENDINGS = ("close", "reset", "half_close")
#: A literal is written whole up to so many bytes. In a longer one, a run from the second length on becomes a product.
SHOWN, RUN = 200, 24
MASK = b"\x01\x02\x03\x04"


@dataclass(frozen=True)
class Part:
    """One frame, with the arguments of `Peer.send_frame`."""

    opcode: int
    data: bytes = b""
    fin: bool = True
    rsv: int = 0
    mask: bytes | None = MASK

    def encoded(self) -> bytes:
        """Return the bytes of the frame."""
        return encode(self.opcode, self.data, fin=self.fin, rsv=self.rsv, mask=self.mask)

    def arguments(self) -> str:
        """Return the arguments as Python code."""
        given = [str(self.opcode), literal(self.data)]
        if not self.fin:
            given.append("fin=False")
        if self.rsv:
            given.append(f"rsv={self.rsv:#x}")
        if self.mask is None:
            given.append("mask=None")
        return ", ".join(given)


@dataclass(frozen=True)
class Step:
    """Frames that leave in one write, and bytes behind them.

    Attributes:
        parts: the frames.
        raw: the bytes that follow the frames.
        times: how often the frames and the bytes are sent.
    """

    parts: tuple[Part, ...] = ()
    raw: bytes = b""
    times: int = 1

    @property
    def messages(self) -> int:
        """The number of messages that begin in this step."""
        return self.times * sum(part.opcode in (TEXT, BINARY) for part in self.parts)

    def code(self) -> str:
        """Return the line of a test that does the same."""
        if self._is_one:
            part = self.parts[0]
            if part == Part(BINARY, part.data):
                return f"await peer.send({literal(part.data)})"
            text = _text(part.data) if part == Part(TEXT, part.data) else None
            return f"await peer.send_frame({part.arguments()})" if text is None else f"await peer.send({literal(text)})"
        sent = [f"encode({part.arguments()})" for part in self.parts] + ([literal(self.raw)] if self.raw else [])
        written = " + ".join(sent)
        return f"await peer.send_raw({written if self.times == 1 else f'({written}) * {self.times}'})"

    @property
    def _is_one(self) -> bool:
        return len(self.parts) == 1 and not self.raw and self.times == 1

    async def play(self, peer: Any) -> None:
        """Send the step. Raise ConnectionLost if the connection has ended."""
        if self._is_one:
            part = self.parts[0]
            await peer.send_frame(part.opcode, part.data, fin=part.fin, rsv=part.rsv, mask=part.mask)
        else:
            await peer.send_raw((b"".join(part.encoded() for part in self.parts) + self.raw) * self.times)


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def literal(value: str | bytes) -> str:
    """Return Python code for a text or bytes. Long runs of a character become products."""
    if len(value) <= SHOWN:
        return repr(value)
    pieces, at = [], 0
    same: re.Pattern[Any] = re.compile(
        rf"(.)\1{{{RUN},}}" if isinstance(value, str) else rb"(.)\1{%d,}" % RUN, re.DOTALL
    )
    for run in same.finditer(value):
        if run.start() > at:
            pieces.append(repr(value[at : run.start()]))
        pieces.append(f"{run[1]!r} * {len(run[0])}")
        at = run.end()
    if at < len(value):
        pieces.append(repr(value[at:]))
    return " + ".join(pieces)


def message(opcode: int, data: bytes) -> Step:
    """Return the step that sends a whole message."""
    return Step((Part(opcode, data),))


@st.composite
def split(draw: st.DrawFn, messages: SearchStrategy[tuple[int, bytes]]) -> Step:
    """Return a message in fragments. Some fragments are empty, and sometimes a ping stands between two of them."""
    opcode, data = draw(messages)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), min_size=1, max_size=3)))
    pieces = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    parts = [Part(CONTINUATION if at else opcode, piece, fin=at == len(pieces) - 1) for at, piece in enumerate(pieces)]
    if draw(st.booleans()):
        parts.insert(1, Part(PING, b"between"))
    return Step(tuple(parts))


def awry(messages: SearchStrategy[tuple[int, bytes]]) -> SearchStrategy[Step]:
    """Return steps that no correct client takes, around messages of a route."""
    whole = messages.map(lambda sent: Part(*sent))
    codes = st.sampled_from([None, 0, 999, 1000, 1001, 1004, 1005, 1006, 1011, 1015, 2999, 3000, 4999, 5000, 65535])
    closes = st.builds(lambda code, reason: Part(CLOSE, close_body(code, reason if code else "")), codes, _reasons())
    frames = st.one_of(
        st.sampled_from(
            [
                Part(CONTINUATION, b"of nothing"),
                Part(3, b"reserved"),
                Part(11),
                Part(TEXT, b"\xff\xfe"),
                Part(TEXT, b'{"type": "\xed\xa0\x80"}'),
                Part(TEXT, b"not whole: \xe2\x82"),
                Part(PING, b"x" * 126),
                Part(PING, b"in parts", fin=False),
                Part(PONG, b"to no ping"),
                Part(CLOSE, b"\x03"),
                Part(CLOSE, b"\x03\xe8\xff"),
            ]
        ),
        st.builds(lambda part, rsv: Part(part.opcode, part.data, rsv=rsv), whole, st.sampled_from([0x40, 0x20, 0x10])),
        whole.map(lambda part: Part(part.opcode, part.data, mask=None)),
        whole.map(lambda part: Part(part.opcode, part.data, fin=False)),
    )
    cut = st.builds(lambda part, share: Step(raw=_cut(part.encoded(), share)), whole, st.integers(1, 99))
    return st.one_of(
        frames.map(lambda part: Step((part,))),
        # A frame behind a close frame, in the same write. The server has to ignore it.
        st.builds(lambda close, part: Step((close, part)), closes, whole),
        st.builds(lambda part, times: Step((part,), times=times), whole, st.sampled_from([2, 5, 50])),
        # A frame with an impossible length, or one that never ends.
        st.sampled_from([b"\x82\xff" + b"\xff" * 8 + MASK, b"\x81\xff\x7f" + b"\xff" * 7 + MASK]).map(_raw),
        cut,
        st.binary(min_size=1, max_size=40).map(_raw),
    )


def _raw(data: bytes) -> Step:
    return Step(raw=data)


def _cut(data: bytes, share: int) -> bytes:
    return data[: max(1, len(data) * share // 100)]


def _reasons() -> SearchStrategy[str]:
    return st.sampled_from(["", "bye", "ü" * 61, "x" * 123])
