"""The outbox of a socket: messages that wait while its transport takes no more.

Each message's ``Policy`` bounds it, in messages and bytes. Everything that waits counts. What a policy lets in under
``wait``, ``close`` or ``drop_new`` stays until it is sent or the socket ends; what came under ``drop_old`` or
``conflate`` may be dropped for something newer until the moment it is handed to the transport. What is left keeps its
order. Plain sends, whose callers wait by themselves, pass through in their place and are never dropped.
"""

cimport cython
from cpython.pyport cimport PY_SSIZE_T_MAX

import logging
from typing import Literal
from collections import deque

logger = logging.getLogger("wirefast.rooms")

# Empty entries that may stay among the others before they are swept out.
cdef enum:
    SWEEP = 32

cdef Py_ssize_t bound(str name, object value) except -1:
    cdef Py_ssize_t number = 0
    try:
        number = value
    except TypeError:
        raise TypeError(f"{name} is an int, not {type(value).__name__}") from None
    except OverflowError:
        pass
    if number < 1:
        raise ValueError(f"{name} must be from 1 to {PY_SSIZE_T_MAX}, not {value}")
    return number


# For annotations of what takes a policy.
PolicyName = Literal["wait", "close", "drop_new", "drop_old", "conflate"]
cdef dict RULES = {"wait": WAIT, "close": CLOSE, "drop_new": DROP_NEW, "drop_old": DROP_OLD, "conflate": CONFLATE}


@cython.final
cdef class Policy:
    """Policy(name, *, max_messages=1024, max_bytes=1048576, deadline=5.0)\n--\n\nWhat happens to a message for a socket that reads too slowly.

    Args:
        name: ``"close"`` (the socket is closed with 1013 and a reason), ``"drop_new"`` (the message is dropped),
            ``"drop_old"`` (the oldest waiting ones are dropped), ``"conflate"`` (only the latest of each key waits),
            ``"wait"`` (the publisher waits, and at the deadline the socket is closed).
        max_messages: how many messages may wait for one socket. Default: 1024.
        max_bytes: how many bytes may wait for one socket. Default: 1 MiB.
        deadline: seconds that ``"wait"`` waits. Default: 5.

    Raises:
        ValueError: another name, or a bound below 1, or a deadline that is not positive and finite.
        TypeError: a bound that is no int, a deadline that is no number.
    """

    # Taken as objects, so that what is wrong is told with its name.
    def __init__(self, str name not None, *, max_messages=1024, max_bytes=1048576, deadline=5.0):
        if name not in RULES:
            raise ValueError(f"{name!r} is no policy; there are: {', '.join(RULES)}")
        self.max_messages = bound("max_messages", max_messages)
        self.max_bytes = bound("max_bytes", max_bytes)
        try:
            self.deadline = deadline
        except TypeError:
            raise TypeError(f"deadline is a number of seconds, not {type(deadline).__name__}") from None
        if not 0.0 < self.deadline < 1e9:
            raise ValueError(f"deadline must be a positive number of seconds, not {deadline!r}")
        self.rule = RULES[name]
        self.name = name

    def __repr__(self):
        text = f"Policy({self.name!r}, max_messages={self.max_messages}, max_bytes={self.max_bytes}"
        return text + (f", deadline={self.deadline:g})" if self.rule == WAIT else ")")


cdef dict BY_NAME = {name: Policy(name) for name in RULES}


cdef Policy find_policy(object policy):
    if type(policy) is Policy:
        return policy
    if type(policy) is not str:
        raise TypeError(f"a policy is a name or a Policy, not {type(policy).__name__}")
    cdef Policy found = BY_NAME.get(policy)
    return Policy(policy) if found is None else found


def as_policy(policy):
    """Return the ``Policy`` of a name, with the default bounds; a Policy is returned as it is."""
    return find_policy(policy)


@cython.final
@cython.freelist(64)
cdef class Waiting:
    pass


cdef Waiting waiting(object payload, Py_ssize_t size, double since):
    cdef Waiting self = Waiting.__new__(Waiting)
    self.payload = payload
    self.size = size
    self.since = since
    return self


@cython.final
cdef class Outbox:
    def __cinit__(self):
        self.watchers = []

    cdef int admit(self, object payload, Py_ssize_t size, Policy policy, object key, bint first, double now) except -1:
        cdef Waiting entry
        cdef Py_ssize_t least_count = self.count, least_size = self.size
        cdef bint may_drop = policy.rule == DROP_OLD or policy.rule == CONFLATE
        if self.ended:
            return GONE
        if policy.rule == WAIT and self.waiters is not None and not first:
            return FULL
        if policy.rule == CONFLATE and self.latest is not None:
            entry = self.latest.get(key)
            if entry is not None:
                self.drop(entry)
                least_count, least_size = self.count, self.size
        if may_drop:
            least_count -= self.droppable_count
            least_size -= self.droppable_size
        if least_count >= policy.max_messages or least_size > policy.max_bytes - size:
            if policy.rule == WAIT:
                return FULL
            self.dropped += 1
            self.dropped_bytes += <unsigned long long> size
            return CLOSING if policy.rule == CLOSE else DROPPED
        while self.count >= policy.max_messages or self.size > policy.max_bytes - size:
            self.drop(self.oldest_droppable())
        entry = waiting(payload, size, now)
        entry.droppable = may_drop
        if may_drop:
            if self.droppables is None:
                self.droppables = deque()
            self.droppables.append(entry)
            self.droppable_count += 1
            self.droppable_size += size
        if policy.rule == CONFLATE:
            if self.latest is None:
                self.latest = {}
            entry.key = key
            self.latest[key] = entry
        self.append(entry)
        return QUEUED

    cdef int keep(self, object payload, Py_ssize_t size, double now) except -1:
        cdef Waiting entry = waiting(payload, size, now)
        entry.ordinary = True
        self.ordinary_count += 1
        self.ordinary_size += size
        return self.append(entry)

    cdef int append(self, Waiting entry) except -1:
        if self.entries is None:
            self.entries = deque()
        self.entries.append(entry)
        self.count += 1
        self.size += entry.size
        return 0

    cdef list take(self, Py_ssize_t limit):
        cdef list payloads = []
        cdef Py_ssize_t before = self.size
        while self.count and before - self.size < limit:
            payloads.append(self.take_one())
        self.compact()
        self.wake()
        return payloads

    cdef object take_one(self):
        cdef Waiting entry = self.entries.popleft()
        while entry.payload is None:
            entry = self.entries.popleft()
        payload = entry.payload
        self.forget(entry)
        return payload

    cdef int drop(self, Waiting entry) except -1:
        self.dropped += 1
        self.dropped_bytes += <unsigned long long> entry.size
        self.forget(entry)
        return self.compact()

    cdef int forget(self, Waiting entry) except -1:
        """Empty an entry; it no longer counts."""
        entry.payload = None
        self.count -= 1
        self.size -= entry.size
        if entry.ordinary:
            self.ordinary_count -= 1
            self.ordinary_size -= entry.size
        if entry.droppable:
            self.droppable_count -= 1
            self.droppable_size -= entry.size
        if entry.key is not None and self.latest.get(entry.key) is entry:
            del self.latest[entry.key]
        return 0

    cdef Waiting oldest_droppable(self):
        cdef Waiting entry = self.droppables.popleft()
        while entry.payload is None:
            entry = self.droppables.popleft()
        return entry

    cdef int compact(self) except -1:
        """Sweep out the empty entries once they outnumber the others."""
        cdef Waiting entry
        if self.entries is not None and len(self.entries) > 2 * self.count + SWEEP:
            self.entries = deque([entry for entry in self.entries if entry.payload is not None])
        if self.droppables is not None and len(self.droppables) > 2 * self.droppable_count + SWEEP:
            self.droppables = deque([entry for entry in self.droppables if entry.payload is not None])
        return 0

    cdef int give_up(self) except -1:
        cdef Waiting entry
        if self.entries is not None:
            for entry in list(self.entries):
                if entry.payload is not None and not entry.ordinary:
                    self.drop(entry)
        return self.wake()

    cdef int wake(self) except -1:
        if self.waiters is not None and not self.waiters[0].done():
            self.waiters[0].set_result(None)
        return 0

    cdef int end(self) except -1:
        cdef list watchers = self.watchers
        if self.ended:
            return 0
        self.ended = True
        self.watchers = None
        self.entries = self.droppables = self.latest = None
        self.count = self.size = 0
        self.ordinary_count = self.ordinary_size = self.droppable_count = self.droppable_size = 0
        self.wake()
        for watcher in watchers:
            try:
                watcher()
            except Exception:
                logger.exception("Leaving the rooms of a socket failed")
        return 0

    # ---- For what is not compiled: hubs, and the sender of other servers ----

    def offer(self, payload, Py_ssize_t size, Policy policy not None, key, bint first, double now):
        """Take a message in, or not; the number of an ``Outcome``."""
        return self.admit(payload, size, policy, key, first, now)

    def hold(self, payload, Py_ssize_t size, double now):
        """Take in what a plain send gave, past every bound."""
        self.keep(payload, size, now)

    def pop(self):
        """Take out the oldest payload; None where there is none."""
        if not self.count:
            return None
        payload = self.take_one()
        self.compact()
        self.wake()
        return payload

    def abandon(self):
        """Drop all but what plain sends left."""
        self.give_up()

    def finish(self):
        """Forget what waits, as the socket has ended; tell the watchers and the waiting publishers."""
        self.end()

    def watch(self, watcher):
        """Have ``watcher()`` called at the end; at once where that has come."""
        if self.ended:
            watcher()
        else:
            self.watchers.append(watcher)

    def unwatch(self, watcher):
        """Call it no more."""
        if not self.ended and watcher in self.watchers:
            self.watchers.remove(watcher)

    def add_waiter(self, future):
        """Queue a publisher's future, done when it is its turn to try and something has changed."""
        if self.waiters is None:
            self.waiters = deque()
        self.waiters.append(future)

    def replace_first_waiter(self, future):
        """Put another future in the place of the first one, whose turn gained nothing."""
        self.waiters[0] = future

    def remove_waiter(self, future):
        """Take a publisher's future out; the next one has its turn."""
        self.waiters.remove(future)
        if self.waiters:
            self.wake()
        else:
            self.waiters = None

    def since(self):
        """When the oldest waiting message came, in loop time; None where nothing waits."""
        cdef Waiting entry
        if self.count:
            for entry in self.entries:
                if entry.payload is not None:
                    return entry.since
        return None
