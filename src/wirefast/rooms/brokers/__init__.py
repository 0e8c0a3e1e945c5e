"""Brokers: how the hubs of several processes reach each other's members."""

from wirefast.rooms.brokers.base import Broker, BrokerUnavailable, InvalidBrokerURL, make_broker

__all__ = ["Broker", "BrokerUnavailable", "InvalidBrokerURL", "make_broker"]
