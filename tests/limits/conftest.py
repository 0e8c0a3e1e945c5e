"""Each test of limits that has the fixture ``live`` runs over ASGI messages, in memory and on real sockets."""

from ways import ASGI, OURS, live_by

live = live_by(ASGI, *OURS)
