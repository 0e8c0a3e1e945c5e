"""Brokers: how the hubs of several processes reach each other's members."""

from .base import Broker, BrokerUnavailable, make_broker

__all__ = ["Broker", "BrokerUnavailable", "make_broker"]
