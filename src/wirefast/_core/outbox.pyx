"""The outbox of a socket: messages that wait while its transport takes no more.

The ``Policy`` of a message bounds the outbox, in messages and bytes. All messages that wait count. A message of
``wait``, ``close`` or ``drop_new`` stays until it is sent or the socket ends. A message of ``drop_old`` or ``conflate``
may be dropped for a newer one until the transport takes it. The others keep their order. Messages of plain sends, whose
callers wait by themselves, keep their place and are never dropped.
"""

cimport cython
from cpython.pyport cimport PY_SSIZE_T_MAX

import logging
from typing import Literal
from collections import deque

logger = logging.getLogger("wirefast.rooms")

# The number of empty entries that may stay before they are removed.
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


# The type of a policy's name, for annotations.
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

    # The arguments are objects, so that an error can name the wrong argument.
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
    """Return the ``Policy`` of a name, with the default bounds; a Policy is returned unchanged."""
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
        """Remove the empty entries when they outnumber the others."""
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

    # ---- For Python: hubs, and the sender for other servers ----

    def offer(self, payload, Py_ssize_t size, Policy policy not None, key, bint first, double now):
        """Add a message if the policy allows it. Returns the number of an ``Outcome``."""
        return self.admit(payload, size, policy, key, first, now)

    def hold(self, payload, Py_ssize_t size, double now):
        """Add a message of a plain send, which has no bound."""
        self.keep(payload, size, now)

    def pop(self):
        """Take out the oldest payload; None if nothing waits."""
        if not self.count:
            return None
        payload = self.take_one()
        self.compact()
        self.wake()
        return payload

    def abandon(self):
        """Drop all but the messages of plain sends."""
        self.give_up()

    def finish(self):
        """Forget all messages, as the socket has ended; call the watchers and wake the waiting publishers."""
        self.end()

    def watch(self, watcher):
        """Call ``watcher()`` at the end of the socket; now if it has ended."""
        if self.ended:
            watcher()
        else:
            self.watchers.append(watcher)

    def unwatch(self, watcher):
        """Remove a watcher."""
        if not self.ended and watcher in self.watchers:
            self.watchers.remove(watcher)

    def add_waiter(self, future):
        """Queue a publisher's future, which is done when the publisher may try again."""
        if self.waiters is None:
            self.waiters = deque()
        self.waiters.append(future)

    def replace_first_waiter(self, future):
        """Replace the first future, whose publisher had no success, by another."""
        self.waiters[0] = future

    def remove_waiter(self, future):
        """Remove a publisher's future; the next publisher has its turn."""
        self.waiters.remove(future)
        if self.waiters:
            self.wake()
        else:
            self.waiters = None

    def since(self):
        """Return the time at which the oldest waiting message came, on the loop's clock; None if nothing waits."""
        cdef Waiting entry
        if self.count:
            for entry in self.entries:
                if entry.payload is not None:
                    return entry.since
        return None
