"""Rooms over a real Redis."""

from __future__ import annotations

from broker_cases import BrokerCases
from brokers import RedisProcess

from wirefast.rooms.brokers.redis import RedisBroker


class TestRedis(BrokerCases):
    process_class = RedisProcess
    broker_class = RedisBroker
