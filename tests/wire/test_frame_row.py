"""Small frames that follow each other in a turn share one object: what a peer reads is the same, in the same order."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from peer import BINARY, CLOSE, PING, PONG, TEXT, Frame, frame

pytestmark = pytest.mark.both_transports

ROW_PAYLOAD = 1024
ROW_BYTES = 16384
LOST = 4


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """Sends what each message asks for: a list of sizes and letters, in one turn of the loop."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        for kind, letter, size in json.loads(message["text"]):
            if kind == "text":
                await send({"type": "websocket.send", "text": letter * size})
            elif kind == "bytes":
                await send({"type": "websocket.send", "bytes": letter.encode() * size})
            else:
                await send({"type": "websocket.close", "code": 4000, "reason": letter})


def wanted(rows: list[tuple[str, str, int]]) -> list[Frame]:
    return [Frame(TEXT if kind == "text" else BINARY, letter.encode() * size) for kind, letter, size in rows]


SIZES = [0, 1, 125, 126, 127, 130, ROW_PAYLOAD - 1, ROW_PAYLOAD, ROW_PAYLOAD + 1, 5000, 70000]


def test_frames_of_a_turn_keep_their_order(serve: Any, loop_name: str) -> None:
    """Small and large frames in any order, also more than a row or the bound of a flush holds."""
    chance = random.Random(7)
    server = serve(answers, loop=loop_name)
    with server.opened() as peer:
        for _ in range(30):
            rows = [
                (chance.choice(["text", "bytes"]), chance.choice("abcdef"), chance.choice(SIZES))
                for _ in range(chance.choice([1, 2, 3, 16, 60]))
            ]
            peer.send(frame(TEXT, json.dumps(rows).encode()))
            for expected in wanted(rows):
                assert peer.frame() == expected


def test_a_full_row_begins_another(serve: Any) -> None:
    rows = [("text", chr(97 + n % 26), ROW_PAYLOAD) for n in range(3 * ROW_BYTES // ROW_PAYLOAD + 1)]
    with serve(answers).opened() as peer:
        peer.send(frame(TEXT, json.dumps(rows).encode()))
        for expected in wanted(rows):
            assert peer.frame() == expected


def test_a_close_frame_comes_behind_a_row(serve: Any) -> None:
    rows = [("text", "a", 5)] * 5
    with serve(answers).opened() as peer:
        peer.send(frame(TEXT, json.dumps([*rows, ("close", "done", 0)]).encode()))
        for expected in wanted(rows):
            assert peer.frame() == expected
        end = peer.frame()
        assert (end.opcode, end.code, end.reason) == (CLOSE, 4000, "done")


def test_pongs_and_answers_keep_the_order_of_their_causes(serve: Any) -> None:
    """Pings and messages in one segment: pongs are queued while the server reads, before the application answers."""
    rows = [("text", "a", 5)] * 3
    text = frame(TEXT, json.dumps(rows).encode())
    with serve(answers).opened() as peer:
        for _ in range(5):
            peer.send(text, frame(PING, b"1"), text, frame(PING, b"2"))
            got = [peer.frame() for _ in range(8)]
            assert [one for one in got if one.opcode == PONG] == [Frame(PONG, b"1"), Frame(PONG, b"2")]
            assert [one for one in got if one.opcode == TEXT] == wanted(rows) * 2


def test_sockets_whose_sends_alternate_in_one_turn(serve: Any, loop_name: str) -> None:
    """One application sends to many sockets by turns, so each row ends when another socket's begins."""
    sends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        sends.append(send)
        while (message := await receive())["type"] == "websocket.receive":
            for number in range(int(message["text"])):
                for at, other in enumerate(list(sends)):
                    await other({"type": "websocket.send", "text": f"{at}:{number}"})

    server = serve(app, loop=loop_name)
    with server.opened() as first, server.opened() as second, server.opened() as third:
        peers = [first, second, third]
        first.send(frame(TEXT, b"40"))
        for at, peer in enumerate(peers):
            for number in range(40):
                assert peer.frame() == Frame(TEXT, f"{at}:{number}".encode())


def test_a_peer_that_is_lost_takes_its_row_along(serve: Any, loop_name: str) -> None:
    """A connection that is lost before it has written its row leaves no byte of it for another connection."""
    sends: dict[str, Any] = {}
    connections: dict[str, Any] = {}

    async def leave() -> None:
        # The loop tells the connection of its end before the turn that would write the row.
        connections["/lost"].transport.abort()
        for _ in range(3):
            await sends["/lost"]({"type": "websocket.send", "text": "secret"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        connections[scope["path"]] = scope["extensions"]["wirefast"]
        await receive()
        await send({"type": "websocket.accept"})
        sends[scope["path"]] = send
        while (message := await receive())["type"] == "websocket.receive":
            await asyncio.create_task(leave())
            while connections["/lost"].state != LOST:
                await asyncio.sleep(0)
            for number in range(3):
                await send({"type": "websocket.send", "text": f"{message['text']}{number}"})

    server = serve(app, loop=loop_name)
    with server.opened("/lost"), server.opened("/stays") as stays:
        stays.send(frame(TEXT, b"n"))
        assert [stays.frame() for _ in range(3)] == [Frame(TEXT, f"n{number}".encode()) for number in range(3)]
