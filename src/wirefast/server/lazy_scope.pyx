"""The ASGI scope of a WebSocket. A member is made when it is first read.

ASGI has fourteen members. Most endpoints read two or three of them, and a socket keeps its scope for its whole life. A
dict of all members would cost each socket a kilobyte. So the scope keeps the parts of each member and makes the member
when it is read. The five members that every application and router writes have fields of their own. Code that needs all members (iterates, copies, compares, prints) gets the same answers as from an ordinary
dict. C code that reads the table of a dict directly misses members, so give `dict(scope)` to `json.dumps` and
`orjson.dumps`.
"""

import copy
from urllib.parse import unquote

from cpython.dict cimport PyDict_GetItemWithError
from cpython.object cimport PyObject

from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl

from wirefast._core import scope as keys

cdef str DENIAL_KEY = keys.DENIAL_RESPONSE
cdef str EXTENSION_KEY = keys.EXTENSION
cdef str HANDLERS_KEY = keys.EXCEPTION_HANDLERS

cdef enum:
    TYPE
    ASGI
    HTTP_VERSION
    SCHEME
    SERVER
    CLIENT
    ROOT_PATH
    PATH
    RAW_PATH
    QUERY_STRING
    HEADERS
    SUBPROTOCOLS
    STATE
    EXTENSIONS
    # From here on: the fields that are written.
    APP
    ROUTER
    PATH_PARAMS
    ENDPOINT
    HANDLERS

# The names of all members, in the order of a whole dict.
cdef dict members = {
    "type": TYPE, "asgi": ASGI, "http_version": HTTP_VERSION, "scheme": SCHEME, "server": SERVER, "client": CLIENT,
    "root_path": ROOT_PATH, "path": PATH, "raw_path": RAW_PATH, "query_string": QUERY_STRING, "headers": HEADERS,
    "subprotocols": SUBPROTOCOLS, "state": STATE, "extensions": EXTENSIONS, "app": APP, "router": ROUTER,
    "path_params": PATH_PARAMS, "endpoint": ENDPOINT, HANDLERS_KEY: HANDLERS,
}
cdef object MISSING = object()
# The server's address of the last connection. With one listening socket, all scopes share this one tuple.
cdef tuple last_server = None


cdef object scope_form(object noted, bint own):
    """Return an address in the form of a scope, None for one that is not known. The path of a Unix socket is the server's
    address alone."""
    if type(noted) is tuple and len(<tuple> noted) >= 2:
        return noted if len(<tuple> noted) == 2 else (<tuple> noted)[:2]
    return (noted, None) if own and type(noted) is str else None


cdef object address(object transport, str which, object question):
    """Return an address in the form of a scope: the one that the transport knows, else the answer of uvicorn's function,
    which asks the socket."""
    cdef object noted
    try:
        noted = transport.get_extra_info(which)
    except Exception:
        return None
    if type(noted) is tuple and len(<tuple> noted) >= 2 or type(noted) is str:
        return scope_form(noted, which == "sockname")
    return asked(question, transport)


cpdef tuple sides(object transport):
    """Return the addresses of a connection's server and client in the form of a scope; None for an unknown one."""
    return address(transport, "sockname", get_local_addr), address(transport, "peername", get_remote_addr)


cdef object asked(object question, object transport):
    try:
        return question(transport)
    except Exception:
        return None


cdef LazyScope new_scope(Outgoing connection, Settings settings, Head head, list subprotocols, dict state):
    global last_server
    cdef LazyScope scope = LazyScope.__new__(LazyScope)
    cdef object transport = connection.transport
    cdef str path = head.path.decode("ascii")
    scope.connection = connection
    scope.settings = settings
    if "%" in path:
        path = unquote(path)
        scope.raw_path = settings.raw_root_path + head.path
    scope.path = settings.root_path + path
    scope.query = head.query
    # The copy has no places for more headers.
    scope.headers = head.headers = head.headers[:]
    scope.subprotocols = subprotocols or None
    scope.scheme = "wss" if asked(is_ssl, transport) else "ws"
    # A closed transport does not know its addresses, except for a SocketTransport its peer's.
    if connection.plain is not None:
        scope.server = address(transport, "sockname", get_local_addr)
    else:
        scope.server, scope.client = sides(transport)
    if type(scope.server) is tuple:
        if scope.server == last_server:
            scope.server = last_server
        else:
            last_server = scope.server
    # The lifespan's state is copied as it is now. An empty copy can be made later.
    scope.state = state.copy() if state else None
    return scope


cdef class LazyScope(dict):
    """A dict whose members are made when they are read.

    Every method of a dict finds each of ASGI's members. A mutable member is made once and then kept in the dict.
    """

    def __init__(self, *args, **kwargs):
        # Other code than the server makes an ordinary dict, for example by type(scope)(scope).
        self.full = True
        dict.__init__(self, *args, **kwargs)

    cdef object make(self, int member):
        """Return a member that is not in the dict. Put a mutable one into the dict, so that it is made once."""
        cdef object value
        if member == PATH:
            return self.path
        if member == TYPE:
            return "websocket"
        if member == HEADERS:
            return self.headers
        if member == QUERY_STRING:
            return self.query
        if member == ROOT_PATH:
            return self.settings.root_path
        if member == SCHEME:
            return self.scheme
        if member == CLIENT:
            # Not kept: uvicorn's support of proxies reads the member of every scope, and three objects would stay.
            if self.client is None and self.connection.plain is not None:
                return scope_form(self.connection.plain.peer_address(), False)
            return self.client
        if member == SERVER:
            return self.server
        if member == RAW_PATH:
            if self.raw_path is None:
                self.raw_path = self.path.encode("ascii")
            return self.raw_path
        if member == ENDPOINT:
            return self.endpoint
        if member == PATH_PARAMS:
            return self.path_params
        if member == APP:
            return self.app
        if member == HANDLERS:
            return self.handlers
        if member == ROUTER:
            return self.router
        if member == HTTP_VERSION:
            return "1.1"
        if member == STATE:
            value = self.state if self.state is not None else {}
            self.state = None
            dict.__setitem__(self, "state", value)
        elif member == EXTENSIONS:
            value = {DENIAL_KEY: self.connection.mark, EXTENSION_KEY: self.connection}
            dict.__setitem__(self, "extensions", value)
        elif member == SUBPROTOCOLS:
            value = self.subprotocols if self.subprotocols is not None else []
            self.subprotocols = None
            dict.__setitem__(self, "subprotocols", value)
        else:
            value = self.settings.asgi.copy()
            dict.__setitem__(self, "asgi", value)
        return value

    cdef bint has(self, int member) noexcept:
        return member < APP or (self.written >> (member - APP)) & 1

    cdef int write(self, int member, object value) except -1:
        self.written |= 1u << (member - APP)
        if member == ENDPOINT:
            self.endpoint = value
        elif member == PATH_PARAMS:
            self.path_params = value
        elif member == APP:
            self.app = value
        elif member == HANDLERS:
            self.handlers = value
        else:
            self.router = value
        return 0

    cdef object found(self, object key, object default):
        cdef PyObject* value = PyDict_GetItemWithError(self, key)
        cdef PyObject* member
        if value != NULL:
            return <object> value
        if not self.full:
            member = PyDict_GetItemWithError(members, key)
            if member != NULL and self.has(<object> member):
                return self.make(<object> member)
        return default

    cdef int fill(self) except -1:
        """Put every member into the dict; from then on the dict alone counts."""
        if self.full:
            return 0
        for key, member in members.items():
            if self.has(member) and not dict.__contains__(self, key):
                dict.__setitem__(self, key, self.make(member))
        self.full = True
        self.connection = self.settings = self.headers = self.client = self.server = None
        self.app = self.router = self.path_params = self.endpoint = self.handlers = None
        return 0

    # ---- One member ----

    def __getitem__(self, key):
        cdef object value = self.found(key, MISSING)
        if value is MISSING:
            raise KeyError(key)
        return value

    def __contains__(self, key):
        cdef PyObject* member
        if dict.__contains__(self, key):
            return True
        member = NULL if self.full else PyDict_GetItemWithError(members, key)
        return member != NULL and self.has(<object> member)

    def __setitem__(self, key, value):
        cdef PyObject* member = NULL if self.full else PyDict_GetItemWithError(members, key)
        if member != NULL and <int> <object> member >= APP and not dict.__contains__(self, key):
            self.write(<object> member, value)
        else:
            dict.__setitem__(self, key, value)

    def get(self, key, default=None, /):
        """Return a member, or the default; dict's method."""
        return self.found(key, default)

    def setdefault(self, key, default=None, /):
        """Return a member. If there is none, set it to the default first; dict's method."""
        cdef object value = self.found(key, MISSING)
        if value is MISSING:
            self[key] = default
            return default
        return value

    def __delitem__(self, key):
        self.fill()
        dict.__delitem__(self, key)

    def pop(self, key, /, *default):
        """Remove a member and return it; dict's method."""
        self.fill()
        return dict.pop(self, key, *default)

    def update(self, *others, **named):
        """Set members; dict's method."""
        for key, value in dict(*others, **named).items():
            self[key] = value

    # ---- All of them ----

    def __iter__(self):
        self.fill()
        return dict.__iter__(self)

    def __reversed__(self):
        self.fill()
        return dict.__reversed__(self)

    def __len__(self):
        self.fill()
        return dict.__len__(self)

    def keys(self):
        """Return a view of the names; dict's method."""
        self.fill()
        return dict.keys(self)

    def values(self):
        """Return a view of the members; dict's method."""
        self.fill()
        return dict.values(self)

    def items(self):
        """Return a view of names and members; dict's method."""
        self.fill()
        return dict.items(self)

    def popitem(self):
        """Remove the last member and return it with its name; dict's method."""
        self.fill()
        return dict.popitem(self)

    def clear(self):
        """Remove all members; dict's method."""
        self.fill()
        dict.clear(self)

    def copy(self):
        """Return an ordinary dict with the same members; dict's method."""
        self.fill()
        return dict.copy(self)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        cdef dict made = {}
        memo[id(self)] = made
        self.fill()
        for key, value in dict.items(self):
            made[copy.deepcopy(key, memo)] = copy.deepcopy(value, memo)
        return made

    def __reduce__(self):
        return dict, (self.copy(),)

    def __reduce_ex__(self, protocol):
        return self.__reduce__()

    def __repr__(self):
        self.fill()
        return dict.__repr__(self)

    def __eq__(self, other):
        self.fill()
        if isinstance(other, LazyScope):
            (<LazyScope> other).fill()
        return dict.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = None

    def __or__(self, other):
        if not isinstance(other, dict):
            return NotImplemented
        return dict(self) | dict(other)

    def __ror__(self, other):
        if not isinstance(other, dict):
            return NotImplemented
        return dict(other) | dict(self)

    def __ior__(self, other):
        self.update(other)
        return self
