"""Rooms: a message that is published to a room reaches every socket that joined the room; wirefast only."""

from wirefast._core.outbox import Policy as Policy
from wirefast._core.sender import Buffered as Buffered
from wirefast.rooms.brokers.base import BrokerUnavailable as BrokerUnavailable
from wirefast.rooms.hub import Hub as Hub
from wirefast.rooms.models import Drop as Drop
from wirefast.rooms.models import Stats as Stats
from wirefast.rooms.models import TooManyRooms as TooManyRooms
from wirefast.rooms.roster import Membership as Membership
from wirefast.rooms.typed import Room as Room
