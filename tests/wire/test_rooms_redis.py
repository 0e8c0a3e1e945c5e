"""Rooms over a real Redis: what every broker must do, and what can go wrong with Redis alone."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from broker_cases import BrokerCases, run
from broker_servers import PATIENCE, BrokerProcess, Ear, RedisProcess, certificate, proxy_to, until
from websockets.sync.client import ClientConnection, connect

from processes import running
from wirefast.rooms.brokers import BrokerUnavailable
from wirefast.rooms.brokers.redis import RedisBroker
from wirefast.rooms.brokers.supervisor import BrokerLimits


def command(process: BrokerProcess, *words: str) -> str:
    """The reply to a command, by a connection of its own; short ones and arrays of short strings."""
    with (
        socket.create_connection(("127.0.0.1", process.port), timeout=20) as connection,
        connection.makefile("rb") as file,
    ):
        connection.sendall(f"*{len(words)}\r\n".encode())
        for word in words:
            connection.sendall(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))

        def reply() -> str:
            line = file.readline().decode().rstrip()
            if line.startswith("$"):
                return file.read(int(line[1:]) + 2).decode().rstrip()
            if line.startswith("*"):
                return " ".join(reply() for _ in range(int(line[1:])))
            assert not line.startswith("-"), line
            return line[1:]

        return reply()


EXAMPLE = Path(__file__).parents[2] / "examples" / "chat_redis.py"


class TestRedis(BrokerCases):
    process_class = RedisProcess
    broker_class = RedisBroker

    @pytest.mark.parametrize("kind", ["pubsub", "normal"])
    def test_one_of_the_two_connections_is_killed(self, process: BrokerProcess, kind: str) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(process.url)).start("a")
            publisher = await Ear(self.broker(process.url)).start()
            command(process, "CLIENT", "KILL", "TYPE", kind)
            await until(lambda: ear.gaps)
            await until(lambda: ear.broker.connected)
            publisher.broker.publish("a", b"1")
            ear.broker.publish("a", b"2")
            # What was published into a connection that was dead already is lost, and the other hub was told.
            await until(lambda: len(ear.heard["a"]) == 2 or publisher.broker.dropped)
            assert set(ear.gaps) == {"a"}
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())

    def test_a_listener_too_slow_for_the_output_buffer(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            command(process, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 1mb 1")
            patient = BrokerLimits(first_delay=0.01, check_every=60.0, answer_within=60.0)
            with proxy_to(process.port) as proxy:
                ear = await Ear(self.broker(process.url_at(proxy.port), patient)).start("a")
                publisher = await Ear(self.broker(process.url)).start()
                proxy.flowing.clear()
                for number in range(400):
                    publisher.broker.publish("a", b"%d " % number + b"x" * 100_000)
                    if not number % 50:
                        await asyncio.wait_for(publisher.broker.flush(), 20)
                await publisher.broker.flush()
                proxy.flowing.set()
                await until(lambda: ear.gaps)
                assert ear.gaps == ["a"] and ear.broker.connected
                publisher.broker.publish("a", b"400 whole again")
                await until(lambda: ear.heard["a"][-1:] == [b"400 whole again"])
                numbers = [int(payload.split()[0]) for payload in ear.heard["a"]]
                assert numbers[:-1] == list(range(len(numbers) - 1)) and len(numbers) < 401
                await ear.broker.stop()
                await publisher.broker.stop()

        run(scene())

    def test_rooms_are_given_up_at_the_server(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            def channels() -> set[str]:
                return set(command(process, "PUBSUB", "CHANNELS").split())

            quick = await Ear(self.broker(process.url)).start("a", "b")
            slow = await Ear(self.broker(process.url, BrokerLimits(linger=0.05))).start("c")
            assert channels() == {"wirefast:", "wirefast:a", "wirefast:b", "wirefast:c"}
            quick.broker.unsubscribe("a")
            slow.broker.unsubscribe("c")
            await until(lambda: channels() == {"wirefast:", "wirefast:b"})
            await quick.broker.stop()
            await slow.broker.stop()
            await until(lambda: not channels())

        run(scene())

    def test_rights_are_checked_at_start(self, process: BrokerProcess) -> None:
        command(process, "ACL", "SETUSER", "deaf", "on", ">secret", "~*", "resetchannels", "&else:*", "+@all")
        self.refused(process.url.replace("//", "//deaf:secret@"), "access refused")

    def test_a_publisher_without_the_right_to_publish(
        self, process: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def scene() -> None:
            command(process, "ACL", "SETUSER", "mute", "on", ">secret", "~*", "&*", "+@all", "-publish")
            mute = await Ear(self.broker(process.url.replace("//", "//mute:secret@"))).start("a")
            ear = await Ear(self.broker(process.url)).start()
            mute.broker.publish("a", b"1")
            mute.broker.publish("a", b"2")
            await mute.broker.flush()
            assert mute.broker.dropped == 2 and mute.broker.connected
            ear.broker.publish("a", b"3")
            await until(lambda: mute.heard["a"] == [b"3"])
            await mute.broker.stop()
            await ear.broker.stop()

        run(scene())
        assert len(caplog.messages) == 1 and "refused a payload of room 'a'" in caplog.messages[0]

    def test_a_unix_socket(self, process: BrokerProcess) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(f"unix://{process.directory}/redis.sock")).start("a")
            publisher = await Ear(self.broker(process.url)).start()
            publisher.broker.publish("a", b"1")
            await until(lambda: ear.heard["a"] == [b"1"])
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())

    def test_tls(self, short_path: Path) -> None:
        pair = certificate(short_path)
        process = RedisProcess(short_path, tls=pair)

        async def scene() -> None:
            url = f"rediss://127.0.0.1:{process.port}"
            ear = await Ear(self.broker(f"{url}?ssl_ca_certs={pair[0]}")).start("a")
            ear.broker.publish("a", b"1")
            await until(lambda: ear.heard["a"] == [b"1"])
            await ear.broker.stop()
            with pytest.raises(BrokerUnavailable, match="(?i)certificate"):
                await Ear(self.broker(url)).start()

        try:
            run(scene())
        finally:
            process.kill()

    @pytest.mark.parametrize(
        "garbage",
        [
            b"garbage\r\n",
            b"\x00\xff\r\n",
            b"*x\r\n",
            b":1\r\n",
            b"*0\r\n",
            b"+OK\r\n",
            b"-ERR no\r\n",
            b"*1\r\n$-1\r\n",
        ],
    )
    def test_what_is_no_message_ends_the_link(
        self, process: BrokerProcess, garbage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Sent into the stream between a real server and the listener."""

        async def scene() -> None:
            writers: list[asyncio.StreamWriter] = []

            async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", process.port)
                writers.append(writer)
                await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

            async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    while data := await reader.read(65536):
                        writer.write(data)
                except OSError:
                    pass
                writer.close()

            server = await asyncio.start_server(between, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            ear = await Ear(self.broker(process.url_at(port))).start("a")
            writers[0].write(garbage)
            await until(lambda: ear.gaps and ear.broker.connected)
            assert ear.gaps == ["a"]
            ear.broker.publish("a", b"1")
            await until(lambda: ear.heard["a"] == [b"1"])
            await ear.broker.stop()
            server.close()

        run(scene())
        assert len(caplog.messages) == 2 and "is lost" in caplog.messages[0]

    def test_the_chat_over_two_workers(self, process: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CHAT_BROKER", process.url)
        with running(str(EXAMPLE), "--port", "0", "--workers", "2") as server, ExitStack() as stack:
            url = f"ws://127.0.0.1:{server.wait_for_port()}/ws/"
            for _ in range(2):
                server.wait_for("Application startup complete")
            # The kernel chooses the worker: come in until both have a member.
            members: dict[str, ClientConnection] = {}
            deadline = time.monotonic() + 3 * PATIENCE
            while len(members) < 2:
                assert time.monotonic() < deadline
                try:
                    member = stack.enter_context(connect(f"{url}{len(members)}"))
                except ConnectionRefusedError:  # complete, and about to listen
                    time.sleep(0.05)
                    continue
                greeting = str(member.recv(PATIENCE))
                assert greeting.startswith("You are with process ")
                if greeting in members:
                    member.close()
                else:
                    members[greeting] = member
            one, two = members.values()
            one.send("hello")
            for member in (one, two):
                while (text := member.recv(PATIENCE)) != "Client #0 says: hello":
                    assert str(text).endswith("left the chat")
            two.close()
            assert one.recv(PATIENCE) == "Client #1 left the chat"
        assert "Traceback" not in server.log
