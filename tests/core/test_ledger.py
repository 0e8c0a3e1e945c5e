"""Counts of open sockets by address and user: exact whatever happens, bounded whoever comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wirefast import Refuse
from wirefast._core import ledger as module
from wirefast._core.clock import move
from wirefast._core.ledger import MAX_ADDRESS, MAX_ADDRESSES, AddressRate, Lease, Ledger, RouteLimits, address_of
from wirefast._core.meter import Allowance


def test_it_is_compiled() -> None:
    assert not module.__file__.endswith(".py")


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (None, None),
        (("", 0), None),
        (("1.2.3.4", 5), "1.2.3.4"),
        (("::ffff:1.2.3.4", 5), "1.2.3.4"),
        (("::FFFF:102:304", 5), "1.2.3.4"),
        (("2001:db8:1:2::1", 5), bytes.fromhex("20010db800010002")),
        (("2001:db8:1:2:ffff:ffff:ffff:ffff", 5), bytes.fromhex("20010db800010002")),
        (("2001:0db8:0001:0002:0000::9", 5), bytes.fromhex("20010db800010002")),
        (("2001:db8:1:3::1", 5), bytes.fromhex("20010db800010003")),
        (("fe80::1%eth0", 5), bytes.fromhex("fe80000000000000")),
        (("testclient", 5), "testclient"),
        (("not:an:address", 5), "not:an:address"),
        (("x" * 1000, 5), "x" * MAX_ADDRESS),
        (("x:" * 1000, 5), ("x:" * 1000)[:MAX_ADDRESS]),
    ],
)
def test_addresses(client: Any, address: Any) -> None:
    assert address_of(client) == address


# ---- Rates ----


class Clock:
    """A time that stands until the test moves it."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def ahead(self) -> float:
        return self.now - time.monotonic()


@pytest.fixture
def clock() -> Iterator[Clock]:
    found = Clock()
    move(found.ahead)
    yield found
    move(None)


def test_a_rate_at_its_bound(clock: Clock) -> None:
    rate = AddressRate(20, 1.0, 20)
    assert [rate.ask("a") for _ in range(20)] == [0.0] * 20
    assert rate.ask("a") == pytest.approx(0.05, abs=0.0005)
    assert rate.ask("b") == 0.0
    clock.now += 0.048
    assert rate.ask("a") > 0
    clock.now += 0.003
    assert rate.ask("a") == 0.0 and rate.ask("a") > 0
    clock.now += 100
    assert sum(rate.ask("a") == 0.0 for _ in range(100)) == 20


def test_a_million_addresses_are_bounded() -> None:
    rate = AddressRate(1, 60.0, 1)
    for number in range(1_000_000):
        assert rate.ask(number) == 0.0
    assert len(rate) <= MAX_ADDRESSES
    assert rate.ask(999_999) > 0, "one that came lately is known"


def test_one_that_keeps_coming_is_not_forgotten() -> None:
    rate = AddressRate(1, 3600.0, 1)
    assert rate.ask("flood") == 0.0
    for number in range(300_000):
        rate.ask(number)
        if number % 50_000 == 0:
            assert rate.ask("flood") > 0


# ---- Counts ----

NOTHING: dict[str, Any] = {"dismiss": lambda *arguments: None, "count": lambda kind: None}


def test_a_million_addresses_leave_nothing() -> None:
    ledger = Ledger(**NOTHING, per_ip=1, connections=10)
    limits = RouteLimits((ledger,), Allowance(**NOTHING), None)
    for number in range(1_000_000):
        limits.admit({"client": (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1)}).release()
    assert ledger.open == 0 and ledger.by_ip == {} and sys.getsizeof(ledger.by_ip) < 10_000


class World(RuleBasedStateMachine):
    """Handshakes, users, refusals and ends in any order, against a list that is counted anew."""

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[Any] = []
        options: dict[str, Any] = {"count": lambda kind: None}
        self.app = Ledger(**options, dismiss=self.dismiss, connections=6, per_ip=3)
        self.router = Ledger(**options, dismiss=self.dismiss, connections=4, per_user=2, evicts_oldest=True)
        self.strict = Ledger(**options, dismiss=self.dismiss, per_user=1)
        allowance = Allowance(dismiss=self.dismiss, count=lambda kind: None)
        self.inner = RouteLimits((self.app, self.router, self.strict), allowance, None)
        self.outer = RouteLimits((self.app,), allowance, None)
        # Lease -> [address, in the router, user of the router, user of the strict one]
        self.here: dict[Lease, list[Any]] = {}

    def dismiss(self, websocket: Any, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    @rule(address=st.sampled_from("abc"), inner=st.booleans())
    def come(self, address: str, inner: bool) -> None:
        mine = sum(one[0] == address for one in self.here.values())
        within = sum(one[1] for one in self.here.values())
        room = len(self.here) < 6 and mine < 3 and (not inner or within < 4)
        try:
            lease = (self.inner if inner else self.outer).admit({"client": (address, 1)})
        except Refuse as refused:
            assert not room and refused.headers and int(refused.headers["Retry-After"]) >= 1
            assert refused.status_code == (503 if len(self.here) >= 6 or mine < 3 else 429)
        else:
            assert room
            self.here[lease] = [address, inner, None, None]

    @precondition(lambda self: any(one[1] and one[2] is None for one in self.here.values()))
    @rule(data=st.data(), user=st.sampled_from(["x", "y", None]))
    def claim(self, data: st.DataObject, user: str | None) -> None:
        lease = data.draw(st.sampled_from([at for at, one in self.here.items() if one[1] and one[2] is None]))
        self.router.claim(lease, user)
        if user is None:
            return
        self.here[lease][2] = user
        others = [at for at, one in self.here.items() if one[2] == user]
        order = [at for at in self.order if at in others]
        self.order.append(lease)
        if len(order) == 2:
            self.here[order[0]][2] = "evicted"
            assert self.closed.pop() == (4409, "too many sockets of this user")

    order: list[Lease] = []

    @precondition(lambda self: any(one[1] and one[3] is None for one in self.here.values()))
    @rule(data=st.data(), user=st.sampled_from(["x", "y"]))
    def claim_strictly(self, data: st.DataObject, user: str) -> None:
        lease = data.draw(st.sampled_from([at for at, one in self.here.items() if one[1] and one[3] is None]))
        taken = any(one[3] == user for one in self.here.values())
        try:
            self.strict.claim(lease, user)
        except Refuse as refused:
            assert taken and refused.status_code == 429
        else:
            assert not taken
            self.here[lease][3] = user

    @precondition(lambda self: self.here)
    @rule(data=st.data(), twice=st.booleans())
    def go(self, data: st.DataObject, twice: bool) -> None:
        lease = data.draw(st.sampled_from(list(self.here)))
        lease.release()
        if twice:
            lease.release()
        del self.here[lease]
        self.router.claim(lease, "x")  # too late to count

    @invariant()
    def counts_are_exact(self) -> None:
        ones = list(self.here.values())
        assert self.app.open == len(ones)
        assert self.router.open == self.strict.open == sum(one[1] for one in ones)
        assert self.app.by_ip == {a: n for a in "abc" if (n := sum(one[0] == a for one in ones))}
        users = {u: n for u in "xy" if (n := sum(one[2] == u for one in ones))}
        assert {user: len(leases) for user, leases in self.router.by_user.items()} == users
        assert {user: len(leases) for user, leases in self.strict.by_user.items()} == {
            u: 1 for u in "xy" if any(one[3] == u for one in ones)
        }

    def teardown(self) -> None:
        for lease in self.here:
            lease.release()
        for ledger in (self.app, self.router, self.strict):
            assert ledger.open == 0 and not ledger.by_ip and not ledger.by_user
        self.order.clear()


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
