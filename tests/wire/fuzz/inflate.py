"""Changed permessage-deflate messages. No message is larger than the limit and inflating takes no more memory than a
few times that; what zlib reads in one stream arrives as zlib reads it; however the bytes are cut, the events are the
same."""

from __future__ import annotations

import functools
import random
import sys
import tracemalloc
import zlib

from driver import Session, cut, main, mutate

sys.path.insert(0, __file__.rpartition("/")[0] + "/..")
from peer import BINARY, CONT, TEXT, frame, request  # noqa: E402

LIMIT = 65536
RSV1 = 0x40
TAIL = b"\x00\x00\xff\xff"
UNITS = [b"\0", "é".encode(), b"some text ", random.Random(0).randbytes(50)]
SIZES = [0, 1, 10, 300, 5000, LIMIT - 2, LIMIT, LIMIT + 2, 30 * LIMIT, 100 * LIMIT]
FLUSHES = [zlib.Z_SYNC_FLUSH, zlib.Z_FINISH, zlib.Z_FULL_FLUSH]
HEAD = request(headers=[("Sec-WebSocket-Extensions", "permessage-deflate")])
WORDS = [b"\0", b"\xff", TAIL, b"\x01\x00\x00\xff\xff", b"\x03\x00", b"\x00\x05\x00\xfa\xffhello", b"\x02\x07" * 8]

session = Session(ws_per_message_deflate=True, ws_max_size=LIMIT, ws_ping_interval=None)
messages: list[tuple[int, bytes]] = []


@functools.cache
def squeeze(unit: bytes, size: int, level: int, flush: int) -> bytes:
    compressor = zlib.compressobj(level, wbits=-15)
    packed = compressor.compress((unit * (size // len(unit) + 1))[:size]) + compressor.flush(flush)
    return packed.removesuffix(TAIL)


def one(rng: random.Random) -> bytes:
    """The bytes of up to four messages, which are kept in ``messages`` for the check."""
    messages.clear()
    wire = b""
    for _ in range(rng.randrange(1, 5)):
        payload = squeeze(rng.choice(UNITS), rng.choice(SIZES), rng.choice((1, 9)), rng.choice(FLUSHES))
        if rng.random() < 0.6:
            payload = mutate(rng, payload, WORDS)
        kind = rng.choice((TEXT, BINARY))
        messages.append((kind, payload))
        parts = cut(rng, payload) or [b""]
        for number, part in enumerate(parts):
            fin = number == len(parts) - 1
            wire += frame(CONT if number else kind, part, fin=fin, rsv=0 if number else RSV1, mask=rng.randbytes(4))
    return wire


def check(rng: random.Random, wire: bytes) -> str:
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    events, written, closed = session.run([HEAD, wire])
    peak = tracemalloc.get_traced_memory()[1] - before
    # The frames that are kept, the answer, and what a message costs while it is inflated.
    assert peak < 4 * len(wire) + 4 * LIMIT + 262144, f"{peak} bytes for {len(wire)}"
    again = session.run([HEAD, *cut(rng, wire)])
    assert events[1:] == again[0][1:], "it depends on how the bytes are cut"
    received = [event for event in events[1:] if event["type"] == "websocket.receive"]
    ended = [event for event in events[1:] if event["type"] == "websocket.disconnect"]
    contents = [event["text"].encode() if "text" in event else event["bytes"] for event in received]
    assert all(len(content) <= LIMIT for content in contents)
    # While there is one stream, the oracle is zlib's.
    stream = zlib.decompressobj(wbits=-15)
    outcome = "ok"
    for number, (kind, payload) in enumerate(messages):
        code = 0
        content = b""
        if len(payload) > LIMIT + (LIMIT >> 8) + 1024:
            return "packed size over the limit"
        try:
            content = stream.decompress(payload + TAIL, LIMIT + 1)
            if kind == TEXT and len(content) <= LIMIT:
                content.decode()
        except zlib.error:
            code = 1002
        except UnicodeDecodeError:
            code = 1007
        if stream.eof:
            outcome = "ended streams"
            break
        if len(content) > LIMIT:
            code = 1009
        if code == 1002 and ended and ended[0]["code"] == 1009:
            # Both are true of it: zlib was asked for more than the limit in one call.
            return "failed 1009"
        if code:
            assert ended and ended[0]["code"] == code, (ended, code)
            assert len(received) == number
            return f"failed {code}"
        assert contents[number] == content
    return outcome


if __name__ == "__main__":
    tracemalloc.start()
    main(one, check)
