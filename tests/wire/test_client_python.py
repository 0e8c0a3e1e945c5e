"""The generated Python client: strict, formatted, and right against a real server."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from processes import TIMEOUT, running, wirefast

SERVICE = Path(__file__).with_name("client_service.py")


@pytest.fixture
def url() -> Iterator[str]:
    with running(str(SERVICE), "--port", "0", "--no-access-log") as server:
        yield f"ws://127.0.0.1:{server.wait_for_port()}"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("client") / "generated_client.py"
    done = wirefast("client", str(SERVICE), "-o", str(path))
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def client(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("generated_client", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generated_client"] = module
    spec.loader.exec_module(module)
    return module


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, TIMEOUT))


async def until(room: Any, *states: str) -> Any:
    """The next change to one of these states."""
    future = asyncio.get_running_loop().create_future()
    end = room.on("state", lambda change: change.state in states and not future.done() and future.set_result(change))
    change = await future
    end()
    return change


def test_talking(client: Any, url: str) -> None:
    async def work() -> None:
        async with client.connect("/rooms/{room_id}", url=url, room_id=7, name="bob") as room:
            assert await room.send(client.Say(text="early")) == "queued"
            said = await room.request(client.Say(text="hi"), timeout=TIMEOUT)
            assert said == client.Said(by="bob", text="hi")
            asked = [room.request(client.Ask(number=number, wait=number / 100)) for number in (3, 2, 1)]
            assert [answer.number for answer in await asyncio.gather(*asked)] == [3, 2, 1]
            with pytest.raises(client.ReplyError, match="the room is full") as full:
                await room.request(client.Say(text="full?"))
            assert (full.value.code, full.value.reply["data"]) == ("full", {"limit": 2})
            with pytest.raises(client.ReplyError, match="text: ") as invalid:
                await room.request(client.Say.model_construct(text="", _fields_set={"type", "text"}))
            assert invalid.value.code in ("invalid", "unknown_type")
            with pytest.raises(TimeoutError):
                await room.request(client.Ask(number=1, wait=5), timeout=0.02)
            messages = aiter(room)
            heard: list[Any] = []
            room.on("said", heard.append)
            for text in ("one", "two"):
                await room.send(client.Say(text=text))
            assert [(await anext(messages)).text for _ in range(2)] == ["one", "two"]
            assert await room.request(client.Ask(number=4)) == client.Answer(number=4)
            later = aiter(room)  # it has no earlier message, and the answer is in no iterator
            await room.send(client.Say(text="three"))
            assert [(await anext(each)).text for each in (later, messages)] == ["three", "three"]
            assert [message.text for message in heard] == ["one", "two", "three"]
        assert room.state == "closed"
        with pytest.raises(StopAsyncIteration):
            await anext(messages)
        assert await room.send(client.Say(text="x")) == "dropped"
        with pytest.raises(client.ConnectionLost, match=r"^the socket is closed \(1000\)$"):
            await room.request(client.Say(text="x"))

    run(work())


@pytest.mark.parametrize(
    ("code", "reason", "state"),
    [
        (1008, "", "closed"),
        (4403, "", "closed"),
        (4401, "", "closed"),
        (1000, "", "closed"),
        (1012, "retry=30", "waiting"),
        (1013, "busy; retry=30", "waiting"),
        (1011, "", "waiting"),
        (4429, "retry=30", "waiting"),
    ],
)
def test_close_codes(client: Any, url: str, code: int, reason: str, state: str) -> None:
    async def work() -> None:
        options = {"retry_base": 0.01, "retry_max": 0.02}
        async with client.connect("/rooms/{room_id}", url=url, room_id=1, **options) as room:
            changed = asyncio.create_task(until(room, "waiting", "closed"))
            await room.send(client.Leave(code=code, reason=reason))
            change = await changed
            assert (change.state, change.code) == (state, code)
            if reason:
                assert 0.03 <= change.delay <= 0.04
            if state == "waiting":
                assert (await room.request(client.Say(text="back"))).text == "back"

    run(work())


def test_tokens(client: Any, url: str) -> None:
    async def work() -> None:
        given = iter(["old", "old", "good"])

        async def token() -> str:
            return next(given)

        async with client.connect("/private", url=url, token=token, retry_base=0.001) as room:
            for _ in range(2):
                await until(room, "waiting")
            assert (await room.request(client.Hello(name="x"))).text == "x"
        for place in ("header", "subprotocol", "message", "query"):
            async with client.connect(
                f"/tokens/{place}", url=url, token="a?>~"
            ) as room:  # goes where the document says
                assert (await room.request(client.Which())).text == "a?>~"
        async with client.connect("/private", url=url, token=lambda: "old", retry_base=0.001) as room:
            assert (await until(room, "closed")).code == 4401

    run(work())


def test_tickets(client: Any, url: str) -> None:
    async def work() -> None:
        asked = 0
        async with httpx2.AsyncClient(base_url=url.replace("ws", "http")) as http:

            async def ticket() -> str:
                nonlocal asked
                asked += 1
                return str((await http.post("/tickets")).json())

            async with client.connect("/ticketed", url=url, token=ticket, retry_base=0.001) as room:
                for connection in (1, 2, 3):
                    assert (await room.request(client.Whose())).text == "ada"
                    assert asked == connection  # each holds once
                    waiting = asyncio.create_task(until(room, "waiting"))
                    await asyncio.sleep(0)
                    await room.send(client.Restart())
                    await waiting

    run(work())


def test_streams_text_and_bytes(client: Any, url: str) -> None:
    async def work() -> None:
        async with client.connect("/ticks/{last}", url=url, last=5) as ticks:
            assert [tick.number async for tick in ticks] == [0, 1, 2, 3, 4]
        async with client.connect("/echo/{path}", url=url, path="a/b c", shout=True) as echo:
            heard = aiter(echo)
            assert await anext(heard) == "a/b c"
            await echo.send("text")
            await echo.send(b"\x01\x02")
            assert [await anext(heard), await anext(heard)] == ["TEXT", b"\x01\x02"]

    run(work())


def test_refused_handshakes(client: Any, url: str) -> None:
    async def work() -> None:
        async with client.connect("/ticks/{last}", url=url, last="x") as ticks:
            change = await until(ticks, "closed")
            assert (change.code, change.reason[:8]) == (4403, "HTTP 403")
            text = r'^the socket was closed \(4403: HTTP 403 \{"code":.*"reason":.*\}\)$'
            with pytest.raises(client.ConnectionLost, match=text) as closed:
                await anext(aiter(ticks))
            assert (closed.value.code, closed.value.reason) == (change.code, change.reason)

    run(work())


def test_backoff_with_full_jitter(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.random, "random", lambda: 0.5)
    options = {"retry_base": 0.002, "retry_max": 0.01, "attempts": 5}
    waits: list[float] = []

    async def work() -> None:
        async with client.connect("/rooms/{room_id}", url="ws://127.0.0.1:9", room_id=1, **options) as room:
            room.on("state", lambda change: change.state == "waiting" and waits.append(change.delay))
            await until(room, "closed")  # after so many attempts in a row

    run(work())
    assert waits == pytest.approx([0.001, 0.002, 0.004, 0.005, 0.005])


def test_the_queue_has_a_bound(client: Any) -> None:
    async def work() -> None:
        dropped: list[Any] = []
        async with client.connect("/rooms/{room_id}", url="ws://127.0.0.1:9", room_id=1, queue=2) as room:
            room.on("dropped", dropped.append)
            outcomes = [await room.send(client.Say(text=text)) for text in "abc"]
            assert outcomes == ["queued", "queued", "dropped"]
            with pytest.raises(client.ConnectionLost, match="^the queue is full$"):
                await room.request(client.Say(text="d"))
        assert [(item.message.text, item.why) for item in dropped] == [
            ("c", "queue full"), ("d", "queue full"), ("a", "closed"), ("b", "closed"),
        ]  # fmt: skip

    run(work())


def test_it_is_strict_formatted_and_stable(file: Path) -> None:
    for command in (["mypy", "--strict"], ["ruff", "format", "--check", "--config", "line-length=120"]):
        if importlib.util.find_spec(command[0]) is None:
            continue  # the tools are in the extra dev
        whole = [sys.executable, "-m", *command, str(file)]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=TIMEOUT * 5)
        assert done.returncode == 0, done.stdout + done.stderr
    again = wirefast("client", str(SERVICE), "--lang", "python")
    assert again.stdout == file.read_text(encoding="utf-8")


def test_types_of_answers(file: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    program = """
from typing import assert_type
from generated_client import Answer, Ask, Said, Say, connect

async def work() -> None:
    async with connect("/rooms/{room_id}", url="ws://x", room_id=7) as room:
        assert_type(await room.request(Say(text="hi")), Said)
        assert_type(await room.request(Ask(number=1)), Answer)
        await room.send("text")  # wrong
    connect("/rooms/{room_id}", url="ws://x")  # wrong
"""
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "generated_client.py").write_text(file.read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT * 5)
    wrong = {number for number, line in enumerate(program.splitlines(), 1) if "# wrong" in line}
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error:" in line}
    assert found == wrong, done.stdout
