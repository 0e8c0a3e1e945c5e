"""What every broker must do, against a real server. The test files of the brokers inherit the cases."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from broker_servers import PATIENCE, BrokerProcess, Ear, proxy_to, until
from two_servers import APPLICATION, members_of, two_servers

from measures import descriptors
from processes import wirefast
from wirefast.rooms.brokers import Broker, BrokerUnavailable
from wirefast.rooms.brokers.supervisor import BrokerLimits

QUICK = BrokerLimits(
    first_delay=0.01, longest_delay=0.1, check_every=0.1, answer_within=0.5, connect_within=60.0, linger=0.0
)
ROOMS = ["room:42", "a", "a.b", "a.*", "*", ">", "a b", "%", "%25", "~", "", "grüße 漢字 😀", "A", "x" * 1024]


class BrokerCases:
    process_class: type[BrokerProcess]
    broker_class: Any

    @pytest.fixture(autouse=True)
    def only_our_lines(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        """Nothing but lines of our own logger, whatever goes wrong: no traceback, no other library's message."""
        caplog.set_level(logging.INFO)
        caplog.set_level(logging.WARNING, "asyncio")  # whose debug mode says what it serves
        yield
        for record in caplog.records:
            assert record.name == "wirefast" and "\n" not in record.getMessage() and not record.exc_info, record

    @pytest.fixture
    def process(self, short_path: Path) -> Iterator[BrokerProcess]:
        process = self.process_class(short_path)
        yield process
        process.end()

    def broker(self, url: str, limits: BrokerLimits = QUICK) -> Broker:
        broker: Broker = self.broker_class(url, limits)
        return broker

    def test_every_payload_once_and_in_order(self, process: BrokerProcess, loop_name: str) -> None:
        async def scene() -> None:
            ears = [await Ear(self.broker(process.url, BrokerLimits())).start("a", "b") for _ in range(2)]
            deaf = await Ear(self.broker(process.url)).start()
            count = 4_000
            for number in range(count):
                for name, ear in enumerate(ears):
                    ear.broker.publish("ab"[number % 2], b"%d %d" % (name, number))
                if not number % 500:
                    await asyncio.sleep(0)
            for ear in ears:
                await asyncio.wait_for(ear.broker.flush(), PATIENCE)

            def of(ear: Ear, room: str, publisher: int) -> list[int]:
                return [int(text.split()[1]) for text in ear.heard[room] if int(text.split()[0]) == publisher]

            for ear, publisher in ((0, 1), (1, 0)):
                for room in "ab":  # each has a queue of its own
                    await until(
                        lambda ear=ear, room=room, publisher=publisher: (
                            len(of(ears[ear], room, publisher)) == count // 2
                        )
                    )
                assert of(ears[ear], "a", publisher) == list(range(0, count, 2))
                assert of(ears[ear], "b", publisher) == list(range(1, count, 2))
            assert not deaf.heard
            for ear in [*ears, deaf]:
                assert not ear.gaps and not ear.broker.dropped
                await ear.broker.stop()

        run(scene(), loop_name)

    def test_any_name_of_a_room(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            rooms = [room for room in ROOMS if room]
            ear = await Ear(self.broker(process.url)).start(*rooms)
            publisher = await Ear(self.broker(process.url)).start()
            for room in rooms:
                publisher.broker.publish(room, room.encode() * 2)
            await publisher.broker.flush()
            await until(lambda: len(ear.heard) == len(rooms))
            assert ear.heard == {room: [room.encode() * 2] for room in rooms}
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())

    def test_payloads_of_any_bytes_and_size(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(process.url)).start("a")
            publisher = await Ear(self.broker(process.url)).start()
            payloads = [b"", b"\r\n", bytes(range(256)), b"\x00" * 70_000, b"x" * 900_000, b"end"]
            for payload in payloads:
                publisher.broker.publish("a", payload)
            await until(lambda: len(ear.heard["a"]) == len(payloads))
            assert ear.heard["a"] == payloads
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())

    def test_rooms_that_come_and_go(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(process.url)).start()
            publisher = await Ear(self.broker(process.url)).start()
            for turn in range(20):
                await ear.join(*(f"room {number}" for number in range(100)))
                for number in range(100):
                    if (number + turn) % 3:
                        ear.broker.unsubscribe(f"room {number}")
            for number in range(100):
                publisher.broker.publish(f"room {number}", b"last")
            wanted = {f"room {number}" for number in range(100) if not (number + 19) % 3}
            await until(lambda: set(ear.heard) == wanted)
            assert not ear.gaps
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())

    def test_prefixes_keep_applications_apart(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            ears = [await Ear(self.broker(f"{process.url}?prefix={name}")).start("a") for name in ("one", "two", "one")]
            ears[0].broker.publish("a", b"1")
            ears[1].broker.publish("a", b"2")
            await until(lambda: ears[2].heard)
            await ears[1].broker.flush()
            assert ears[2].heard == {"a": [b"1"]}
            for ear in ears:
                await ear.broker.stop()

        run(scene())

    def test_killed_and_restarted_under_traffic(
        self, process: BrokerProcess, caplog: pytest.LogCaptureFixture, loop_name: str
    ) -> None:
        async def scene() -> None:
            rooms = [f"room {number}" for number in range(30)]
            ear = await Ear(self.broker(process.url)).start(*rooms)
            publisher = await Ear(self.broker(process.url, BrokerLimits(first_delay=0.01, queue_payloads=100))).start()
            published: list[int] = []

            async def traffic() -> None:
                number = 0
                while True:
                    for _ in range(20):
                        publisher.broker.publish(rooms[number % 30], b"%d" % number)
                        published.append(number)
                        number += 1
                    await asyncio.sleep(0.002)

            talking = asyncio.ensure_future(traffic())
            await until(lambda: len(ear.heard[rooms[0]]) > 5)
            process.kill()
            await until(lambda: not ear.broker.connected and not publisher.broker.connected)
            await ear.join("joined while it was away")
            await until(lambda: publisher.broker.dropped)
            assert not ear.gaps
            process.restart()
            await until(lambda: ear.broker.connected and publisher.broker.connected)
            # The publisher's queue has overflowed after that: its notices are gaps of their own, one a second at most.
            assert set(ear.gaps) >= {*rooms, "joined while it was away"}
            await until(lambda: not publisher.broker.outgoing.queue)  # type: ignore[attr-defined]
            first = len(published)
            await until(lambda: len(published) > first + 600)
            talking.cancel()
            await asyncio.wait_for(publisher.broker.flush(), PATIENCE)
            for room, name in enumerate(rooms):
                whole = [number for number in published[first:] if number % 30 == room]
                await until(lambda name=name, whole=whole: int(ear.heard[name][-1]) == whole[-1])
                heard = [int(payload) for payload in ear.heard[name]]
                assert heard == sorted(set(heard)), "twice, or out of order"
                assert heard[-len(whole) :] == whole, "not whole again"
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene(), loop_name)
        texts = caplog.messages
        assert len([text for text in texts if " is lost: " in text]) == 2
        assert len([text for text in texts if " is back after " in text]) == 2

    def test_one_gap_for_each_room_of_a_kill(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            rooms = [f"room {number}" for number in range(1_200)]  # more than one change
            ear = await Ear(self.broker(process.url)).start(*rooms)
            for _ in range(2):
                ear.gaps.clear()
                process.kill()
                await until(lambda: not ear.broker.connected)
                process.restart()
                await until(lambda: ear.broker.connected)
                assert sorted(ear.gaps) == sorted(rooms)
            await ear.broker.stop()

        run(scene())

    def test_a_stall_without_a_close_is_noticed(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            with proxy_to(process.address) as proxy:
                ear = await Ear(self.broker(process.url_behind(proxy))).start("a")
                publisher = await Ear(self.broker(process.url)).start()
                proxy.flowing.clear()
                publisher.broker.publish("a", b"lost or late")
                await until(lambda: not ear.broker.connected)
                assert not ear.gaps
                proxy.flowing.set()
                await until(lambda: ear.broker.connected)
                assert ear.gaps == ["a"]
                publisher.broker.publish("a", b"whole again")
                await until(lambda: ear.heard["a"][-1:] == [b"whole again"])
                assert ear.heard["a"] == [b"whole again"], "what a given up connection still brought was delivered"
                await ear.broker.stop()
                await publisher.broker.stop()

        run(scene())

    def test_a_server_that_pauses_is_not_a_dead_one(
        self, process: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(process.url, BrokerLimits(check_every=0.01, answer_within=60.0))).start("a")
            publisher = await Ear(self.broker(process.url, BrokerLimits(answer_within=60.0))).start()
            assert process.process is not None
            process.process.send_signal(signal.SIGSTOP)
            os.waitpid(process.process.pid, os.WUNTRACED)  # a busy machine takes its time to stop all threads
            try:
                publisher.broker.publish("a", b"1")
                ear.broker.subscribe("b")
                joining = asyncio.ensure_future(ear.broker.subscribed("b"))
                done, _ = await asyncio.wait({joining}, timeout=0.2)
                assert not done and not ear.heard
            finally:
                process.process.send_signal(signal.SIGCONT)
            await asyncio.wait_for(joining, PATIENCE)
            publisher.broker.publish("b", b"2")
            await until(lambda: ear.heard == {"a": [b"1"], "b": [b"2"]})
            assert not ear.gaps
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())
        assert not caplog.messages

    def test_a_publisher_that_stalls(self, process: BrokerProcess) -> None:
        """With more on its way than the buffers hold. The hubs that were not cut off learn of the loss by a notice."""

        async def scene() -> None:
            with proxy_to(process.address) as proxy:
                ear = await Ear(self.broker(process.url)).start("a", "b")
                publisher = await Ear(self.broker(process.url_behind(proxy))).start()
                proxy.flowing.clear()
                for _ in range(15):
                    publisher.broker.publish("a", b"x" * 1_000_000)
                await until(lambda: publisher.broker.dropped)
                proxy.flowing.set()
                await until(lambda: ear.gaps)
                assert ear.gaps == ["a"]
                publisher.broker.publish("b", b"whole again")
                await until(lambda: ear.heard["b"])
                await ear.broker.stop()
                await publisher.broker.stop()

        run(scene())

    @pytest.mark.parametrize(
        "limits",
        [
            BrokerLimits(stop_within=0.05, check_every=60.0),
            BrokerLimits(check_every=0.05, answer_within=0.1, first_delay=60.0, longest_delay=60.0),
        ],
        ids=["stopped", "given up"],
    )
    def test_a_stalled_connection_holds_nothing(self, short_path: Path, limits: BrokerLimits) -> None:
        """Neither stop() nor a socket waits for a peer that takes nothing of more than the kernel buffers."""
        process = self.process_class(short_path, configuration="max_payload: 16777216")

        async def scene() -> None:
            with proxy_to(process.address) as proxy:

                def ours() -> int:
                    return len(descriptors()) - len(proxy.sockets)

                before = ours()
                ear = await Ear(self.broker(process.url_behind(proxy), limits)).start("a")
                proxy.flowing.clear()
                ear.broker.publish("a", b"x" * 12_000_000)
                if limits.check_every < 1:
                    await until(lambda: not ear.broker.connected)
                    await until(lambda: ours() == before)
                await asyncio.wait_for(ear.broker.stop(), PATIENCE)
                await until(lambda: ours() == before)
                assert ear.broker.dropped

        try:
            run(scene())
        finally:
            process.end()

    def test_two_server_processes(self, process: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BROKER_URL", process.url)
        count = 300
        with two_servers() as servers, members_of("room", *servers) as (one, two, away):
            for number in range(count):
                one.send(f"one {number}")
                two.send(f"two {number}")
            for member in (one, two, away):
                heard = [str(member.recv(PATIENCE)) for _ in range(2 * count)]
                for name in ("one", "two"):
                    assert [text for text in heard if text.startswith(name)] == [f"{name} {n}" for n in range(count)]
            with members_of("other", *servers) as (other, _, _):
                other.send("for another room")
                assert other.recv(PATIENCE) == "for another room"
                one.send("last")
                assert [member.recv(PATIENCE) for member in (one, two, away)] == ["last"] * 3
            for server in servers:
                server.end()
                assert "Traceback" not in server.log and "WARNING" not in server.log

    def test_two_server_processes_and_a_broker_that_is_killed(
        self, process: BrokerProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BROKER_URL", process.url)
        with two_servers() as servers, members_of("room", *servers) as (one, two, away):
            numbers = iter(range(10**9))

            def say_and_hear() -> int:
                """Members of the same process are served at once, whatever the broker does."""
                number = next(numbers)
                one.send(str(number))
                while (text := one.recv(PATIENCE)) != str(number):
                    assert text == "gap"
                    gaps.append("one")
                return number

            gaps: list[str] = []
            first = [say_and_hear() for _ in range(50)]
            for member in (two, away):
                assert [int(member.recv(PATIENCE)) for _ in first] == first
            process.kill()
            lost = [say_and_hear() for _ in range(50)]
            process.restart()
            # Both tell their members of the gap, and then everything arrives again.
            deadline = time.monotonic() + PATIENCE
            heard: dict[int, list[str]] = {0: [], 1: []}
            while not all("gap" in texts for texts in heard.values()):
                assert time.monotonic() < deadline
                say_and_hear()
                for texts, member in zip(heard.values(), (two, away), strict=True):
                    try:
                        texts.append(str(member.recv(0.01)))
                    except TimeoutError:
                        pass
            last = [say_and_hear() for _ in range(50)]
            for texts, member in zip(heard.values(), (two, away), strict=True):
                while texts[-1] != str(last[-1]):
                    texts.append(str(member.recv(PATIENCE)))
                assert texts.count("gap") == 1, "a gap is told once"
                arrived = [int(text) for text in texts if text != "gap"]
                assert arrived == sorted(set(arrived)), "twice, or out of order"
                assert arrived[-len(last) :] == last
            assert lost and gaps in ([], ["one"])
            for server in servers:
                server.end()
                assert "Traceback" not in server.log
                assert len([line for line in server.lines if " is lost: " in line]) == 1

    @pytest.mark.parametrize("wrong", ["password", "url"])
    def test_a_server_process_that_cannot_start_says_so_in_one_line(
        self, short_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
    ) -> None:
        process = self.process_class(short_path, password="right-secret")
        try:
            url = process.url.replace("right", "wrong") if wrong == "password" else process.url
            monkeypatch.setenv("BROKER_URL", f"x{url}" if wrong == "url" else url)
            ended = wirefast("run", str(APPLICATION), "--port", "0")
        finally:
            process.kill()
        assert ended.returncode != 0
        said = {"password": "access refused", "url": "begins with one of"}[wrong]
        lines = [line for line in ended.stderr.splitlines() if said in line]
        assert len(lines) == 1, ended.stderr
        assert "Traceback" not in ended.stderr and "secret" not in ended.stderr, ended.stderr

    def test_unreachable_at_start_is_one_line(self, process: BrokerProcess) -> None:
        process.kill()
        self.refused(process.url, f"127.0.0.1:{process.port}")

    def test_a_server_that_says_nothing_is_one_line(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"{self.process_class.scheme}://127.0.0.1:{silent.getsockname()[1]}"
            self.refused(url, "no answer within", BrokerLimits(connect_within=0.2))

    def test_a_server_of_something_else_is_one_line(self) -> None:
        async def scene() -> None:
            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await reader.read()
                writer.close()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            url = f"{self.process_class.scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(BrokerUnavailable) as caught:
                await Ear(self.broker(url)).start()
            assert "\n" not in str(caught.value)
            server.close()

        run(scene())

    @pytest.mark.parametrize("given", ["wrong-secret", None], ids=["wrong", "none"])
    def test_a_wrong_password_is_one_line(self, short_path: Path, given: str | None) -> None:
        process = self.process_class(short_path, password="right-secret")
        try:
            url = process.url if given is None else process.url_at(process.port, given)
            self.refused(url.replace("wirefast:right-secret@", ""), "access refused")

            async def right() -> None:
                ear = await Ear(self.broker(process.url)).start("a")
                await ear.broker.stop()

            run(right())
        finally:
            process.kill()

    def test_a_password_that_changed_while_it_was_away(
        self, process: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(process.url)).start("a")
            process.kill()
            await until(lambda: not ear.broker.connected)
            process.password = "secret"
            process.restart()
            await until(lambda: any("access refused" in text for text in caplog.messages))
            process.kill()
            process.password = None
            process.restart()
            await until(lambda: ear.broker.connected)
            assert ear.gaps == ["a"]
            await ear.broker.stop()

        run(scene())
        assert len([text for text in caplog.messages if "access refused" in text]) <= 2

    def refused(self, url: str, said: str, limits: BrokerLimits = QUICK) -> None:
        async def scene() -> None:
            with pytest.raises(BrokerUnavailable) as caught:
                await Ear(self.broker(url, limits)).start()
            text = str(caught.value)
            assert said in text and "\n" not in text and "secret" not in text, text

        run(scene())


def run(scene: Any, loop_name: str = "asyncio") -> None:
    """In a loop of its own, at whose end no task of the scene may be left."""

    async def whole() -> None:
        await asyncio.wait_for(scene, 120)
        await until(lambda: len(asyncio.all_tasks()) == 1)

    if loop_name == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(whole())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    except BaseException:
        for task in (left := asyncio.all_tasks(loop)):
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=PATIENCE))
        raise  # with the loop open: uvloop's close() waits for ever for a transport that the scene left
    loop.close()
