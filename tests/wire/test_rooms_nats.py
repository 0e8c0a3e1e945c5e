"""Rooms over a real NATS server."""

from __future__ import annotations

from broker_cases import BrokerCases
from brokers import NatsProcess

from wirefast.rooms.brokers.nats import NatsBroker


class TestNats(BrokerCases):
    process_class = NatsProcess
    broker_class = NatsBroker
