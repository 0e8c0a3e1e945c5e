"""Frames of an open connection without a network: parsed with their masks undone, built, inflated.

The other protocols are those that uvicorn has of its own. The application is a bare coroutine.
"""

import pytest

from benchmarks import protocols
from benchmarks.protocols import Sink, Source, Wire, compressed_frame
from benchmarks.scene import LARGE, SMALL, compact
from benchmarks.wire.load import header, masked_frame

assert len(compact(SMALL)) == 128
TEXTS = {"128 B": compact(SMALL), "18 KiB": compact(LARGE), "1 MiB": "x" * 2**20}
# How many frames come in one read, and how many reads are timed.
IN = {
    "in, 128 B, 32 a read": ("128 B", 32, 20),
    "in, 18 KiB, 3 a read": ("18 KiB", 3, 30),
    "in, 1 MiB, 64 KiB a read": ("1 MiB", 1, 2),
}
OUT = {"out, 128 B": ("128 B", 500), "out, 18 KiB": ("18 KiB", 100), "out, 1 MiB": ("1 MiB", 4)}
READ = 65_536


@pytest.mark.parametrize("peer", protocols.INSTALLED)
@pytest.mark.parametrize("case", IN)
def test_in(measure, loop, case, peer):
    size, frames, reads = IN[case]
    text, sink = TEXTS[size], Sink(loop)
    wire = Wire(loop, peer, sink)
    data = masked_frame(text.encode()) * frames
    parts = [data[at : at + READ] for at in range(0, len(data), READ)]

    def work():
        received = wire.protocol.data_received
        for _ in range(reads):
            sink.expect(frames)
            for part in parts:
                received(part)
            last = sink.last()
        return last

    assert work() == text
    measure(work, reads * frames, step="frames", case=case, peer=peer)
    wire.close()


@pytest.mark.parametrize("peer", protocols.INSTALLED)
@pytest.mark.parametrize("case", OUT)
def test_out(measure, loop, case, peer):
    size, count = OUT[case]
    text = TEXTS[size]
    wire = Wire(loop, peer, Source(text, count))
    expected = (header(len(text)) + text.encode()) * count
    go = masked_frame(b"go")

    def work():
        wire.protocol.data_received(go)
        return wire.transport.take(len(expected))

    assert work() == expected
    measure(work, count, step="frames", case=case, peer=peer)
    wire.close()


@pytest.mark.parametrize("peer", protocols.INSTALLED)
@pytest.mark.parametrize(("size", "frames"), [("128 B", 32), ("18 KiB", 3)])
def test_inflate(measure, loop, size, frames, peer):
    text, sink, reads = TEXTS[size], Sink(loop), 20
    wire = Wire(loop, peer, sink, deflate=True)
    data = compressed_frame(text.encode()) * frames

    def work():
        for _ in range(reads):
            sink.expect(frames)
            wire.protocol.data_received(data)
            last = sink.last()
        return last

    assert work() == text
    measure(work, reads * frames, step="frames", case=f"inflate, {size}, {frames} a read", peer=peer)
    wire.close()
