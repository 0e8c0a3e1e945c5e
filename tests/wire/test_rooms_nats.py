"""Rooms over a real NATS server: what every broker must do, and what can go wrong with NATS alone."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from broker_cases import QUICK, BrokerCases, run
from broker_servers import BrokerProcess, Ear, NatsProcess, certificate, free_port, until

from wirefast.rooms.brokers import BrokerUnavailable, nats
from wirefast.rooms.brokers.nats import NatsBroker


class TestNats(BrokerCases):
    process_class = NatsProcess
    broker_class = NatsBroker

    def test_the_next_server_of_a_list(self, process: BrokerProcess, short_path: Path) -> None:
        async def scene() -> None:
            (short_path / "second").mkdir()
            second = NatsProcess(short_path / "second")
            try:
                url = f"nats://127.0.0.1:{free_port()},{process.url},{second.url}"
                ear = await Ear(self.broker(url)).start("a")
                # Whichever it is connected to goes away; the other one takes it.
                process.kill()
                publisher = await Ear(self.broker(second.url)).start()
                await until(lambda: ear.broker.connected and ear.broker._link._client.connected_url.port == second.port)
                publisher.broker.publish("a", b"1")
                await until(lambda: ear.heard["a"] == [b"1"])
                await ear.broker.stop()
                await publisher.broker.stop()
            finally:
                second.kill()

        run(scene())

    def test_a_slow_consumer_is_a_gap(self, process: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client drops what is more than it may keep for a subscription until the callback has run."""

        async def scene() -> None:
            monkeypatch.setattr(nats, "PENDING_MESSAGES", 5)
            ear = await Ear(self.broker(process.url)).start("a", "b")
            publisher = await Ear(self.broker(process.url)).start()
            for _ in range(1_000):
                publisher.broker.publish("a", b"x")
            publisher.broker.publish("b", b"x")
            await until(lambda: ear.gaps)
            assert set(ear.gaps) == {"a"} and len(ear.gaps) <= 2 and len(ear.heard["a"]) < 1_000
            publisher.broker.publish("a", b"whole again")
            await until(lambda: ear.heard["a"][-1] == b"whole again" and ear.heard["b"])
            assert ear.broker.connected
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())

    def test_a_payload_that_is_too_large(self, process: BrokerProcess, caplog: pytest.LogCaptureFixture) -> None:
        async def scene() -> None:
            ear = await Ear(self.broker(process.url)).start("a")
            publisher = await Ear(self.broker(process.url)).start()
            publisher.broker.publish("a", b"1")
            publisher.broker.publish("a", b"x" * (1 << 20) + b"x")
            publisher.broker.publish("a", b"2")
            await until(lambda: ear.gaps and len(ear.heard["a"]) == 2)
            assert ear.gaps == ["a"] and ear.heard["a"] == [b"1", b"2"] and publisher.broker.dropped == 1
            await ear.broker.stop()
            await publisher.broker.stop()

        run(scene())
        assert len(caplog.messages) == 1
        assert "room 'a': 1048577 bytes are more than the 1048576 that it takes" in caplog.messages[0]

    def test_rights(self, short_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        users = (
            'authorization { users = [ {user: deaf, password: secret, permissions: {subscribe: ["else.>"]}},'
            ' {user: mute, password: secret, permissions: {publish: ["wirefast.b"], subscribe: [">"]}} ] }'
        )
        process = NatsProcess(short_path, configuration=users)
        try:
            url = process.url.replace("//", "//deaf:secret@")
            self.refused(url, "access refused: permissions violation for subscription")

            async def scene() -> None:
                url = process.url.replace("//", "//mute:secret@")
                mute, ear = await Ear(self.broker(url)).start(), await Ear(self.broker(url)).start("a", "b")
                mute.broker.publish("b", b"0")
                mute.broker.publish("a", b"1")
                mute.broker.publish("b", b"2")
                await mute.broker.flush()
                await until(lambda: len(ear.heard["b"]) == 2)
                assert mute.broker.dropped == 1 and mute.broker.connected and not ear.heard["a"]
                await mute.broker.stop()
                await ear.broker.stop()

            run(scene())
        finally:
            process.kill()
        assert "refused a payload of room 'a'" in caplog.messages[0]

    def test_tls(self, short_path: Path) -> None:
        pair = certificate(short_path)
        process = NatsProcess(short_path, tls=pair)

        async def scene() -> None:
            url = f"tls://127.0.0.1:{process.port}"
            client = {"tls": ssl.create_default_context(cafile=str(pair[0]))}
            ear = await Ear(NatsBroker(url, QUICK, client)).start("a")
            publisher = await Ear(NatsBroker(url, QUICK, client)).start()
            publisher.broker.publish("a", b"1")
            await until(lambda: ear.heard["a"] == [b"1"])
            process.kill()
            await until(lambda: not ear.broker.connected)
            process.restart()
            await until(lambda: ear.broker.connected and ear.gaps == ["a"])
            await ear.broker.stop()
            await publisher.broker.stop()
            with pytest.raises(BrokerUnavailable, match="(?i)certificate"):
                await Ear(self.broker(url)).start()

        try:
            run(scene())
        finally:
            process.kill()

    def test_tls_is_insisted_on_before_the_password_is_sent(self) -> None:
        async def scene() -> None:
            seen = bytearray()
            ended = asyncio.Event()

            async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b'INFO {"auth_required": true, "max_payload": 1000}\r\n')
                seen.extend(await reader.read())
                writer.close()
                ended.set()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            url = f"tls://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with pytest.raises(BrokerUnavailable, match="the server offers no TLS"):
                await Ear(self.broker(url)).start()
            await asyncio.wait_for(ended.wait(), 20)
            assert not seen
            server.close()

        run(scene())

    @pytest.mark.parametrize(
        "garbage", [b"garbage\r\n", b"MSG a x y\r\n", b"-ERR 'Stale Connection'\r\n", b"\x00" * 9000]
    )
    def test_what_is_no_message_ends_the_link(
        self, process: BrokerProcess, garbage: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
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
            ear = await Ear(self.broker(process.url_at(server.sockets[0].getsockname()[1]))).start("a")
            publisher = await Ear(self.broker(process.url)).start()
            writers[0].write(garbage)
            await until(lambda: ear.gaps and ear.broker.connected)
            publisher.broker.publish("a", b"1")
            await until(lambda: ear.heard["a"] == [b"1"])
            assert ear.gaps == ["a"]
            await ear.broker.stop()
            await publisher.broker.stop()
            server.close()

        run(scene())
        assert len(caplog.messages) == 2 and "is lost" in caplog.messages[0]
