"""The compiled gate by itself: which handshakes a policy is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from wirefast._core import gate
from wirefast._core.gate import Gate, refuse
from wirefast._core.scope import ORIGINS
from wirefast.limits.origins import OriginPolicy


class Policy:
    def __init__(self, explicit: bool, answer: Any = False) -> None:
        self.is_explicit = explicit
        self.answer = answer
        self.asked: list[Any] = []
        self.told: list[Any] = []

    def judge(self, scope: Any, sent: Any) -> Any:
        self.asked.append(sent)
        return self.answer

    def refused(self, scope: Any, sent: Any) -> None:
        self.told.append(sent)


async def app(*arguments: Any) -> None: ...


def test_it_is_compiled() -> None:
    assert not gate.__file__.endswith(".py")


@pytest.mark.parametrize(
    ("names", "asked_by_default", "asked_with_a_list"),
    [
        ([], False, False),
        (["cookie"], False, False),
        (["origin"], False, True),
        (["cookie", "origin"], True, True),
        (["origin", "cookie"], True, True),
        (["origins", "cookie"], False, False),
        (["origin", "cookie2", "x-cook", "cookiE"], False, True),
        (["origin", "authorization"], True, True),
        (["origin", "proxy-authorization"], False, True),
    ],
)
def test_who_is_judged(names: list[str], asked_by_default: bool, asked_with_a_list: bool) -> None:
    headers = [(name.encode(), b"value") for name in names]
    for explicit, expected in ((False, asked_by_default), (True, asked_with_a_list)):
        policy = Policy(explicit)
        chosen = Gate(policy).choose({"headers": headers}, app)
        assert chosen is (refuse if expected else app)
        assert len(policy.asked) == len(policy.told) == int(expected)
        policy = Policy(explicit, True)
        assert Gate(policy).choose({"headers": headers}, app) is app and not policy.told


@pytest.mark.parametrize(
    ("value", "ambient"),
    [
        (b"Bearer a", False),
        (b"BEARER a", False),
        (b"Bearer", True),
        (b"Bearera", True),
        (b"Basic a", True),
        (b"", True),
    ],
)
def test_authorization(value: bytes, ambient: bool) -> None:
    policy = Policy(False)
    Gate(policy).choose({"headers": [(b"origin", b"a"), (b"authorization", value)]}, app)
    assert bool(policy.asked) is ambient


def test_all_origins_are_given() -> None:
    policy = Policy(True)
    Gate(policy).choose({"headers": [(b"origin", b"a"), (b"origin", b"b"), (b"origin", b"c")]}, app)
    assert policy.asked == [(b"a", b"b", b"c")]


def test_what_is_set_around_a_mounted_application() -> None:
    outer, inner = Policy(True), Policy(False)
    scope = {"headers": [(b"origin", b"a")]}
    assert Gate(outer, hands_on=True).choose(scope, app) is app and scope[ORIGINS] is outer
    assert Gate(inner).choose(scope, app) is refuse
    assert outer.asked == [(b"a",)] and not inner.asked
    scope = {"headers": [(b"origin", b"a")]}
    Gate(Policy(False), hands_on=True).choose(scope, app)
    assert ORIGINS not in scope


HOSTS = [
    b"a", b"example.com", b"example.com:8000", b"127.0.0.1:8000", b"a:80", b"a:443", b"a:65535", b"a:99999", b"a:08",
    b"a:0", b"a:", b":80", b"a:b", b"a:8:0", b"a..b", b".a", b"a.", b"-a", b"a_b", b"A", b"[::1]", b"[::1]:80", b"a/b",
    b"a b", b"", b"a@b", b"\xe9", b"a" * 255, b"a" * 256, b"a" * 600, b"a%41",
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["ws", "wss", "http", "https", None])
def test_the_short_way_of_an_own_page_is_the_policys_answer(scheme: str | None) -> None:
    """A page of the very host is let in without a parse; in whatever case that differs, the policy decides."""
    short = 0
    for host in HOSTS:
        for other in (host, host + b":80", host + b".evil", b"evil." + host, host.upper(), host[:-1]):
            for prefix in (b"http://", b"https://", b"ws://", b"http:/", b"", b"HTTP://", b"null"):
                for more in (
                    [],
                    [(b"host", host)],
                    [(b"origin", b"http://evil")],
                    [(b"sec-fetch-site", b"cross-site")],
                ):
                    headers = [(b"origin", prefix + other), (b"host", host), (b"cookie", b"a=b"), *more]
                    scope = {"headers": headers, "scheme": scheme, "path": "/"}
                    sent = tuple(value for name, value in headers if name == b"origin")
                    policy = OriginPolicy()
                    right = policy.judge(scope, sent)
                    asked = Policy(False, right)
                    assert Gate(asked).choose(scope, app) is (app if right else refuse), (headers, scheme)
                    short += not asked.asked
    assert short
