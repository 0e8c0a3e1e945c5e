"""``MeasuredWebSocketProtocol``: a WebSocket that counts, for metrics, ``wirefast top`` and the line at its end.

A server with metrics uses this class in place of `WebSocketProtocol`, so a socket of a server without metrics costs no
instruction more. Each socket counts in its own object. The totals of its route get these counts when the socket ends or
when metrics are read.
"""

import weakref

from libc.stdint cimport uint8_t, uint64_t

from wirefast._core.channel cimport EventKind, payload_size
from wirefast._core.close cimport CLOSE_ABNORMAL
from wirefast._core.outbox cimport QUEUED, Policy
from wirefast.metrics.counters cimport SERIES_MAX, Counter, Histogram
from wirefast.server.connection cimport Connection
from wirefast.server.lazy_scope cimport LazyScope
from wirefast.server.outgoing cimport LOST, OPEN, Outgoing
from wirefast.server.protocol cimport WebSocketProtocol

from wirefast.metrics import counters
from wirefast.metrics.catalogue import FAMILIES, code_label
from wirefast.server.log_lines import log_end, members_of
from wirefast.server.request_ids import KEY, as_header

cdef object closes = FAMILIES["wirefast_closes_total"]
cdef object handshakes = FAMILIES["wirefast_handshakes_total"]
cdef object messages = FAMILIES["wirefast_messages_total"]
cdef object message_bytes = FAMILIES["wirefast_message_bytes_total"]
cdef Histogram pings = FAMILIES["wirefast_ping_seconds"].of()
cdef Counter accepted = handshakes.of("accepted")

#: The sets of connections of the servers in this process that have measured sockets.
servers = weakref.WeakValueDictionary()


# The state of the server that accepted the last socket. The state is in `servers`.
cdef object latest = None
# route -> RouteTotals; close code and side -> Counter.
cdef dict routes = {}
cdef dict ends = {}


cdef class RouteTotals:
    def __init__(self, str route not None):
        self.route = route
        self.messages_in, self.messages_out = messages.of("in", route), messages.of("out", route)
        self.bytes_in, self.bytes_out = message_bytes.of("in", route), message_bytes.of("out", route)


cdef RouteTotals totals_of(LazyScope scope):
    """Return the totals of a connection's route. Its key is the declared path, which a client cannot choose."""
    cdef object path = getattr(scope.get("route"), "path", None)
    cdef RouteTotals totals = routes.get(path)
    if totals is None:
        if type(path) is not str or len(routes) >= SERIES_MAX:
            path = "other"
            totals = routes.get(path)
        if totals is None:
            totals = routes[path] = RouteTotals(path)
    return totals


cdef Counter close_counter(int code, bint by_client):
    """Return the counter of a code's label. Codes from 3000 on share two labels."""
    cdef object key = code * 2 + by_client
    cdef Counter counter = ends.get(key)
    if counter is None:
        counter = closes.of(code_label(code), "client" if by_client else "server")
        if code < 3000:
            ends[key] = counter
    return counter


cdef str outcome_of(int status):
    if status == 403:
        return "refused"
    if status == 503:
        return "unavailable"
    return "failed" if status >= 500 else "invalid" if status in (400, 408, 413, 414, 426, 431, 501) else "refused"


cdef class MeasuredWebSocketProtocol(WebSocketProtocol):
    """A `WebSocketProtocol` that counts.

    Args:
        config, server_state, app_state: uvicorn's, as in `WebSocketProtocol`.
    """

    # ---- The handshake ----

    cdef int accept(self, object subprotocol, object headers) except -1:
        global latest
        cdef LazyScope about = self.scope
        WebSocketProtocol.accept(self, subprotocol, headers)
        self.about = about
        self.totals = totals_of(about)
        self.opened_at = self.reactor.now()
        if self.settings.server_state is not latest:
            latest = self.settings.server_state
            servers[id(latest)] = latest
        accepted.value += 1
        return 0

    cdef int refuse(self, int status, list lines, bytes body) except -1:
        handshakes.of(outcome_of(status)).add()
        if self.app_runs:
            self.about = self.scope
        return WebSocketProtocol.refuse(self, status, lines, body)

    # ---- Messages ----

    cdef int on_message(self) except -1:
        cdef size_t last = (self.ring_start + self.ring_count - 1) & (self.ring_capacity - 1)
        self.messages_in += 1
        self.bytes_in += <uint64_t> payload_size(<object> self.ring[last].payload)
        return Connection.on_message(self)

    cdef int send_frame(self, EventKind kind, const char* data, Py_ssize_t size) except -1:
        Outgoing.send_frame(self, kind, data, size)
        self.messages_out += 1
        self.bytes_out += <uint64_t> size
        return 0

    cdef int offer(self, bytes frame, Py_ssize_t size, Policy policy, object key, bint first) except -1:
        cdef int outcome = Outgoing.offer(self, frame, size, policy, key, first)
        if outcome <= QUEUED:
            self.messages_out += 1
            self.bytes_out += <uint64_t> size
        return outcome

    cdef int on_control(self, unsigned opcode, const uint8_t* data, size_t size) except -1:
        cdef bint pending = self.ping_pending
        Connection.on_control(self, opcode, data, size)
        if pending and not self.ping_pending:
            pings.note(self.reactor.now() - self.ping_sent_at)
        return 0

    # ---- The end ----

    cdef int count_end(self) except -1:
        cdef RouteTotals totals = self.totals
        cdef Counter counter
        cdef int code = CLOSE_ABNORMAL
        cdef double opened_at = self.opened_at
        if opened_at == 0:
            return 0
        self.opened_at = 0
        if self.end is not None:
            code = self.end[0]
        counter = close_counter(code, self.peer_ended)
        counter.value += 1
        totals.messages_in.value += self.messages_in
        totals.messages_out.value += self.messages_out
        totals.bytes_in.value += self.bytes_in
        totals.bytes_out.value += self.bytes_out
        if getattr(self.settings.config, "log_ends", False):
            side = "client" if self.peer_ended else "server"
            reason = None if self.end is None else self.end[1]
            seconds = self.reactor.now() - opened_at
            log_end(self.client(), self.about, code, reason, side, seconds, self.carried())
        return 0

    cdef str client(self):
        """Return the client's address, as the handshake's log line has it. A trusted proxy may have set it."""
        cdef object client = self.about["client"]
        return "%s:%d" % tuple(client) if client else self.peer()

    cdef int lost(self) except -1:
        Connection.lost(self)
        self.count_end()
        if not self.app_runs:
            self.about = None
        return 0

    cdef int app_ended(self, object exc, object result, bint cancelled) except -1:
        WebSocketProtocol.app_ended(self, exc, result, cancelled)
        if self.state == LOST:
            self.about = None
        return 0

    cdef dict told(self):
        return members_of(self.scope if self.about is None else self.about, self.peer())

    # ---- An open socket ----

    def carried(self):
        """Return messages received, messages sent, bytes received, bytes sent."""
        return self.messages_in, self.messages_out, self.bytes_in, self.bytes_out

    def describe(self):
        """Return the facts about an open socket as values of JSON; None if the socket is not open."""
        cdef LazyScope scope = self.about
        cdef object outbox = self.outbox
        if self.state != OPEN or scope is None:
            return None
        return {
            "route": self.totals.route,
            "path": scope["path"],
            "client": self.client(),
            "user": user_of(scope),
            "seconds": self.reactor.now() - self.opened_at,
            "messages_in": self.messages_in,
            "messages_out": self.messages_out,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "waiting_bytes": 0 if outbox is None else outbox.size,
            "waiting_seconds": self.waiting_for(),
        }

    def user(self):
        """Return the name of the socket's user; None if the application has not set one."""
        return None if self.about is None else user_of(self.about)

    def kick(self, int code, str reason not None):
        """Close the socket from outside the application. Return whether it was open."""
        if self.state != OPEN:
            return False
        self.dismiss(code, reason)
        return True


cdef class IdentifiedWebSocketProtocol(MeasuredWebSocketProtocol):
    """A `MeasuredWebSocketProtocol` whose answers to handshakes have the header of ``--request-id``.

    Args:
        config, server_state, app_state: uvicorn's, as in `WebSocketProtocol`.
    """

    cdef int accept(self, object subprotocol, object headers) except -1:
        return MeasuredWebSocketProtocol.accept(self, subprotocol, [*(headers or ()), *as_header(self.scope)])

    cdef int refuse(self, int status, list lines, bytes body) except -1:
        named = [b"%s: %s\r\n" % header for header in as_header(self.scope)]
        return MeasuredWebSocketProtocol.refuse(self, status, lines + named, body)


def user_of(scope):
    """Return the name of a connection's user; None if there is none.

    The user is ``scope["user"]``, which Starlette's authentication sets, or ``websocket.state.user``. The name is the user
    itself if it is a string, else the user's identity, name or id.
    """
    for user in (scope.get("user"), (scope.get("state") or {}).get("user")):
        if isinstance(user, (str, int)):
            return str(user)
        for name in ("identity", "username", "name", "id", "display_name"):
            try:
                found = user.get(name) if isinstance(user, dict) else getattr(user, name, None)
            except Exception:
                continue
            if isinstance(found, (str, int)) and found != "":
                return str(found)
    return None


def read_sockets():
    """Yield the numbers of all open sockets of this process, by route: a reader of metrics."""
    cdef MeasuredWebSocketProtocol socket
    cdef RouteTotals totals
    cdef Py_ssize_t waiting = 0
    cdef double oldest = 0.0
    for totals in routes.values():
        totals.read_open = totals.read[0] = totals.read[1] = totals.read[2] = totals.read[3] = 0
    for server_state in list(servers.values()):
        for connection in server_state.connections:
            if not isinstance(connection, MeasuredWebSocketProtocol):
                continue
            socket = <MeasuredWebSocketProtocol> connection
            if socket.opened_at == 0:
                continue
            totals = socket.totals
            totals.read_open += socket.state == OPEN
            totals.read[0] += socket.messages_in
            totals.read[1] += socket.messages_out
            totals.read[2] += socket.bytes_in
            totals.read[3] += socket.bytes_out
            if socket.outbox is not None and socket.outbox.count:
                waiting += socket.outbox.size
                oldest = max(oldest, socket.waiting_for())
    for totals in list(routes.values()):
        route = totals.route
        yield "wirefast_sockets_open", (route,), totals.read_open
        yield "wirefast_messages_total", ("in", route), totals.read[0]
        yield "wirefast_messages_total", ("out", route), totals.read[1]
        yield "wirefast_message_bytes_total", ("in", route), totals.read[2]
        yield "wirefast_message_bytes_total", ("out", route), totals.read[3]
    yield "wirefast_outbox_bytes", (), waiting
    yield "wirefast_outbox_age_seconds", (), oldest


counters.add_reader(read_sockets)
