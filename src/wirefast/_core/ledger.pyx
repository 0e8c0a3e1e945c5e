"""Counts of open sockets and rates of handshakes, for one process.

A count is compared and increased in one step, without an await in between. ``Lease.release`` decreases it; a session
calls that however it ends. An address is an IPv4 address, or the first 64 bits of an IPv6 address, since one client has
all addresses of such a network (RFC 6177). Addresses come from ``scope["client"]``, which trusted proxies' headers have
set.
"""

import math
import socket

from wirefast._core.instant cimport monotonic
from wirefast._core.meter cimport new_meter
from wirefast._core.metered cimport give_meter
from wirefast._core.scope cimport find_in
from wirefast._core.websocket cimport WebSocketCore

from wirefast._core import close
from wirefast._core import scope as keys
from wirefast.exceptions import Refuse

cdef enum:
    # Addresses of each half of a rate's memory.
    ADDRESSES = 65536

#: The most addresses that one rate remembers.
MAX_ADDRESSES = 2 * ADDRESSES
#: Characters of an address that is no IP address.
MAX_ADDRESS = 64
#: Seconds in Retry-After if the time of the next free place is unknown.
RETRY_AFTER = 5
# The status and the reason of each refusal.
cdef dict REFUSALS = {
    "connections": (503, close.TOO_MANY_CONNECTIONS),
    "per_ip": (429, close.TOO_MANY_OF_ADDRESS),
    "per_user": (429, close.EVICTED),
    "handshakes": (429, close.TOO_MANY_HANDSHAKES),
    "rate": (429, close.TOO_MANY_REQUESTS),
}
cdef object LEASE_KEY = keys.LEASE
cdef object COUNTED_KEY = keys.COUNTED
# Whether a Limits of this process counts connections for an application that it does not look into.
cdef bint counts_around = False
cdef bytes MAPPED = bytes(10) + b"\xff\xff"


cdef object counted_by(object client):
    """Return what one client is counted by, from ``scope["client"]``; None if there is no address."""
    cdef str host
    cdef bytes packed
    if client is None or not client[0]:
        return None
    host = client[0]
    if ":" not in host:
        return host if len(host) <= MAX_ADDRESS else host[:MAX_ADDRESS]
    try:
        packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return host[:MAX_ADDRESS]
    if packed.startswith(MAPPED):
        return socket.inet_ntoa(packed[12:])
    return packed[:8]


def address_of(client):
    """Return what one client is counted by, from ``scope["client"]``; None if there is no address."""
    return counted_by(client)


def refusal(str kind, double retry_after=RETRY_AFTER):
    """Return the exception that refuses a handshake or a request for a limit."""
    status, reason = REFUSALS[kind]
    headers = {"Retry-After": str(max(1, math.ceil(retry_after)))}
    return Refuse(status, reason, code=close.TRY_AGAIN_LATER, headers=headers)


def count_around():
    """Have handshakes look for limits that counted them already, outside of their route's router."""
    global counts_around
    counts_around = True


cdef class AddressRate:
    def __init__(self, double count, double per, double burst):
        self.interval = per / count
        self.tolerance = self.interval * (burst - 1.0)
        self.young = {}
        self.old = {}

    def peek(self, address):
        """Return 0, or the seconds after which the next one may come, and take none."""
        cdef object known = self.young.get(address)
        if known is None:
            known = self.old.get(address)
        if known is None:
            return 0.0
        early = <double> known - monotonic() - self.tolerance
        return early if early > 1e-9 else 0.0

    cdef double take(self, object address) except -1.0:
        cdef double now = monotonic()
        cdef object known = self.young.get(address)
        cdef double full
        if known is None:
            known = self.old.pop(address, None)
        full = now if known is None else max(<double> known, now)
        if full - now > self.tolerance + 1e-9:
            self.young[address] = full
            return full - now - self.tolerance
        self.young[address] = full + self.interval
        if len(self.young) >= ADDRESSES:
            self.old = self.young
            self.young = {}
        return 0.0

    def ask(self, address):
        """Count one; return 0, or the seconds until the next is allowed."""
        return self.take(address)

    def __len__(self):
        return len(self.young) + len(self.old)


cdef class Ledger:
    def __init__(
        self, *, dismiss, count, Py_ssize_t connections=0, Py_ssize_t per_ip=0, Py_ssize_t per_user=0,
        bint evicts_oldest=False, AddressRate handshakes=None,
    ):
        self.dismiss, self.count = dismiss, count
        self.connections, self.per_ip, self.per_user = connections, per_ip, per_user
        self.evicts_oldest = evicts_oldest
        self.handshakes = handshakes
        self.by_ip = {}
        self.users = {}

    @property
    def by_user(self):
        """Return the leases of each user, the oldest first."""
        return {user: [held] if type(held) is Lease else list(held) for user, held in self.users.items()}

    cdef object enter(self, object address):
        """Count one more socket; return None, or the limit that refuses it."""
        cdef double wait
        cdef object here = 0
        if self.handshakes is not None and address is not None:
            wait = self.handshakes.take(address)
            if wait > 0.0:
                return "handshakes", wait
        if self.connections and self.open >= self.connections:
            return "connections", <double> RETRY_AFTER
        if self.per_ip and address is not None:
            here = self.by_ip.get(address, 0)
            if <Py_ssize_t> here >= self.per_ip:
                return "per_ip", <double> RETRY_AFTER
            self.by_ip[address] = here + 1
        self.open += 1
        return None

    cdef int leave(self, object address) except -1:
        cdef object here
        self.open -= 1
        if self.per_ip and address is not None:
            here = self.by_ip[address] - 1
            if here:
                self.by_ip[address] = here
            else:
                del self.by_ip[address]
        return 0

    def claim(self, Lease lease not None, user):
        """Count a socket as one of a user's.

        Raises:
            Refuse: the user has reached the limit, and ``evict`` is ``"newest"``.
        """
        self.count_user(lease, user)

    cdef int count_user(self, Lease lease, object user) except -1:
        cdef object held
        cdef dict holders
        if user is None or not self.per_user or lease.entered == 0 or lease.is_counted_by(self):
            return 0
        held = self.users.get(user)
        if held is not None and (1 if type(held) is Lease else len(<dict> held)) >= self.per_user:
            self.count("per_user")
            if not self.evicts_oldest:
                raise refusal("per_user")
            self.evict(held if type(held) is Lease else next(iter(<dict> held)))
            held = self.users.get(user)
        return self.note_user(lease, user, held)

    def hold(self, Lease lease not None, user):
        """Note a socket as one of a user's, however many there are."""
        self.note_user(lease, user, self.users.get(user))

    cdef int note_user(self, Lease lease, object user, object held) except -1:
        """Note a socket beside those that are held for its user: None, a Lease or a dict of Leases."""
        if held is None:
            self.users[user] = lease
        elif type(held) is Lease:
            self.users[user] = {held: None, lease: None}
        else:
            (<dict> held)[lease] = None
        if lease.user_of is None:
            lease.user_of, lease.user = self, user
        else:
            if lease.more_users is None:
                lease.more_users = {}
            lease.more_users[self] = user
        return 0

    def evict_held(self, Lease lease not None):
        """Close a socket for another of its user; nothing happens if it is none of a user's here any more."""
        if lease.is_counted_by(self):
            self.evict(lease)

    cdef int evict(self, Lease lease) except -1:
        """Close the socket of a lease for another of its user."""
        lease.disown(self)
        if lease.meter is not None:
            lease.meter.evicted = True
        self.dismiss(lease.websocket, close.REPLACED, close.EVICTED)
        return 0


cdef class Lease:
    cdef bint is_counted_by(self, Ledger ledger) except -1:
        """Return whether that ledger counts this socket for the user."""
        return self.user_of is ledger or (self.more_users is not None and ledger in self.more_users)

    def counts(self, Ledger ledger not None):
        """Return whether it is counted there."""
        return ledger in self.ledgers

    def may_claim(self, Ledger ledger not None):
        """Return whether the ledger may count this open lease as a user's: it does not count it yet."""
        return self.entered != 0 and not self.is_counted_by(ledger)

    def keep(self, Ledger ledger not None, share):
        """Hold what other processes count of it; ``share.end()`` is called when it is none of the user's any more."""
        if self.shares is None:
            self.shares = {}
        self.shares[ledger] = share

    cdef int disown(self, Ledger ledger) except -1:
        """Count the socket for the user no longer."""
        cdef object user, held
        if self.shares is not None and ledger in self.shares:
            self.shares.pop(ledger).end()
        if self.user_of is ledger:
            user, self.user_of, self.user = self.user, None, None
        else:
            user = self.more_users.pop(ledger)
        held = ledger.users[user]
        if held is self:
            del ledger.users[user]
        else:
            del (<dict> held)[self]
            if not <dict> held:
                del ledger.users[user]
        return 0

    def release(self):
        """Return all counts; a second call does nothing."""
        self.give_back()

    cdef int give_back(self) except -1:
        cdef Ledger ledger
        while self.entered:
            self.entered -= 1
            ledger = self.ledgers[self.entered]
            ledger.leave(self.address)
        if self.user_of is not None:
            self.disown(self.user_of)
        if self.more_users is not None:
            for ledger in list(self.more_users):
                self.disown(ledger)
        if self.meter is not None:
            self.meter.finish()
            self.meter = None
        self.websocket = None
        return 0


cdef class RouteLimits:
    def __init__(
        self, tuple ledgers, Allowance allowance, websocket_class, dict options=None, tuple users=(),
        bint by_dependency=True, shared=None,
    ):
        self.users = users
        self.shared = shared
        self.by_dependency = by_dependency
        self.ledgers = ledgers
        self.allowance = allowance
        self.websocket_class = websocket_class
        self.options = options

    cdef Lease enter(self, object scope, object websocket):
        """Count a handshake, and measure its socket. Raises Refuse at a limit."""
        cdef Lease lease = Lease.__new__(Lease)
        cdef Ledger ledger
        cdef object refused, counted
        lease.ledgers = self.ledgers
        lease.address = counted_by(find_in(scope, "client", None))
        counted = find_in(scope, COUNTED_KEY, None) if counts_around else None
        if counted is not None:
            lease.ledgers = tuple([ledger for ledger in self.ledgers if ledger not in counted])
        for ledger in lease.ledgers:
            refused = ledger.enter(lease.address)
            if refused is not None:
                lease.give_back()
                ledger.count(refused[0])
                raise refusal(refused[0], refused[1])
            lease.entered += 1
        lease.websocket = websocket
        if self.by_dependency and lease.entered:
            scope[LEASE_KEY] = lease
        if websocket is None:
            return lease
        lease.meter = new_meter(websocket, self.allowance)
        give_meter(websocket, lease.meter)
        try:
            for ledger, user in self.users:
                if counted is None or ledger not in counted:
                    ledger.count_user(lease, user(websocket))
        except BaseException:
            lease.give_back()
            raise
        return lease

    def admit(self, scope, websocket=None):
        """Count a handshake; return its Lease. Raises Refuse at a limit."""
        return self.enter(scope, websocket)
