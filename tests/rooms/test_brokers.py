"""The choice of a broker by URL, and what each says about a URL it cannot use. No server is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirefast.extras import how_to_install
from wirefast.rooms.brokers import BrokerUnavailable, make_broker
from wirefast.rooms.brokers.base import take_prefix
from wirefast.rooms.brokers.nats import NatsBroker, token
from wirefast.rooms.brokers.redis import RedisBroker


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("redis://localhost", RedisBroker, "Redis at localhost:6379"),
        ("redis://:secret@[::1]:6380/5?client_name=x&max_connections=3&protocol=3", RedisBroker, "Redis at ::1:6380"),
        ("rediss://user:secret@host/0?ssl_cert_reqs=none", RedisBroker, "Redis at host:6379"),
        ("unix://:secret@/run/redis.sock?db=2", RedisBroker, "Redis at /run/redis.sock"),
        ("nats://localhost", NatsBroker, "NATS at localhost:4222"),
        ("nats://user:secret@a:1,nats://user:secret@b", NatsBroker, "NATS at a:1, b:4222"),
        ("tls://token@host:4443?prefix=chat", NatsBroker, "NATS at host:4443"),
    ],
)
def test_urls(url: str, kind: type, name: str) -> None:
    broker = make_broker(url)
    assert type(broker) is kind
    assert broker.name == name  # type: ignore[attr-defined]
    assert not broker.connected and broker.dropped == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "begins with one of redis://, rediss://, unix://, nats://, tls://"),
        ("localhost:6379", "begins with one of"),
        ("redis:localhost", "begins with one of"),
        ("memcached://:secret@localhost", "begins with one of"),
        ("Redis://localhost", "begins with one of"),
        ("redis://", "has the form redis://"),
        ("redis://:6379", "has the form redis://"),
        ("redis://host/rooms", "has the form redis://"),
        ("redis://host:port", "has the form redis://"),
        ("redis://:sec/ret@host", "has the form redis://"),
        ("redis://[::1", "has the form redis://"),
        ("unix://", "has the form redis://"),
        ("redis://host?socket_connect_timeout=secret", "Invalid value for 'socket_connect_timeout'"),
        ("redis://host?colour=red", "unexpected keyword argument 'colour'"),
        ("nats://", "has the form nats://"),
        ("nats://host:port", "has the form nats://"),
        ("nats://host:99999", "has the form nats://"),
        ("nats://sec/ret@host", "has the form nats://"),
        ("nats://a,b", "has the form nats://"),
        ("nats://a,redis://b", "has the form nats://"),
        ("nats://host?colour=red", "has the form nats://"),
        ("redis://host?prefix=", "the prefix"),
        ("redis://host?prefix=a:b", "the prefix"),
        ("nats://host?prefix=a..b", "the prefix"),
        ("nats://host?prefix=a.*", "the prefix"),
    ],
)
def test_wrong_urls_are_one_line_without_a_password(url: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_broker(url)
    text = str(caught.value)
    assert said in text
    assert "\n" not in text and "secret" not in text and "sec" not in text.split()


@pytest.mark.parametrize(
    ("url", "rest", "prefix"),
    [
        ("redis://h", "redis://h", "wirefast"),
        ("redis://h?prefix=chat", "redis://h", "chat"),
        ("redis://h/0?ssl_ca_certs=%2Fa+b&prefix=a.b-c_d", "redis://h/0?ssl_ca_certs=%2Fa+b", "a.b-c_d"),
    ],
)
def test_prefix(url: str, rest: str, prefix: str) -> None:
    assert take_prefix(url) == (rest, prefix)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_room_is_one_token_of_its_own(one: str, other: str) -> None:
    for room in (one, other):
        try:
            room.encode()
        except UnicodeEncodeError:
            return
    text = token(one)
    assert text.isascii() and text and not set(text) & set(".*> \t\r\n")
    assert text != token("")
    assert (text == token(other)) == (one == other)


@pytest.mark.parametrize(("client", "url"), [("redis", "redis://localhost"), ("nats", "nats://localhost")])
def test_an_absent_client_is_one_line(client: str, url: str) -> None:
    program = (
        f"import sys; sys.modules[{client!r}] = None\n"
        "from wirefast.rooms.brokers import BrokerUnavailable, make_broker\n"
        f"try: make_broker({url!r})\n"
        "except BrokerUnavailable as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert how_to_install(client) in done.stdout


def test_the_clients_are_imported_when_they_are_used() -> None:
    program = "import sys, wirefast.rooms.brokers; print(sorted({'redis', 'nats'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_the_error_is_public() -> None:
    assert issubclass(BrokerUnavailable, Exception) and not issubclass(BrokerUnavailable, ValueError)
