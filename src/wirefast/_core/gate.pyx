"""Whether a handshake may come to its route: the Origin of a page, against what the application allows.

Compiled because each handshake passes here: one look at its headers finds the few that a policy has to judge.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE

from libc.string cimport memcmp

from wirefast._core.scope cimport find_in

from wirefast._core import close
from wirefast._core import scope as keys

cdef object POLICY_KEY = keys.ORIGINS
REASON = close.ORIGIN_NOT_ALLOWED

cdef extern from *:
    """
    /* What a byte is in the name of a plain host: 1 for a lower-case letter, a digit or a hyphen. */
    static const unsigned char gate_host_class[256] = {
        ['-'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1,
        ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
        ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
        ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
    };
    """
    const unsigned char[256] HOST_CLASS "gate_host_class"

cdef enum:
    LONGEST_PLAIN_HOST = 255


cdef bint is_bearer(object value):
    """Whether an Authorization header is one that no browser adds by itself."""
    cdef bytes scheme
    if type(value) is not bytes or len(<bytes> value) < 7:
        return False
    scheme = (<bytes> value)[:7]
    return scheme.lower() == b"bearer "


cdef bint is_own_page(bytes origin, object host, object scheme) except -1:
    """Whether Origin and Host are the same host, both in plain form, as for the application's own pages. The policy
    parses all other forms."""
    cdef const char* text = PyBytes_AS_STRING(origin)
    cdef const char* name
    cdef Py_ssize_t size, position, start, digits
    cdef unsigned char letter
    if type(host) is not bytes:
        return False
    name = PyBytes_AS_STRING(<bytes> host)
    size = PyBytes_GET_SIZE(<bytes> host)
    start = PyBytes_GET_SIZE(origin) - size
    if size == 0 or size > LONGEST_PLAIN_HOST or start < 7 or memcmp(text + start, name, <size_t> size) != 0:
        return False
    if start == 8:
        if memcmp(text, b"https://", 8) != 0:
            return False
    elif start != 7 or memcmp(text, b"http://", 7) != 0 or scheme != "ws":
        return False
    # Labels of the host, none of them empty but perhaps the last.
    for position in range(size):
        letter = <unsigned char> name[position]
        if HOST_CLASS[letter]:
            continue
        if letter == b":":
            break
        if letter != b"." or position == 0 or name[position - 1] == b".":
            return False
    else:
        return True
    # A port of at most four digits cannot be too large.
    digits = size - position - 1
    if position == 0 or digits < 1 or digits > 4 or name[position + 1] == b"0":
        return False
    for position in range(position + 1, size):
        if not b"0" <= name[position] <= b"9":
            return False
    return True


async def refuse(scope, receive, send):
    """Refuse a handshake: an ASGI application. Servers answer 403."""
    await send({"type": "websocket.close", "code": close.POLICY_VIOLATION, "reason": REASON})


@cython.final
cdef class Judged:
    """An ASGI application for a handshake that an asynchronous function is to judge."""
    cdef object answer
    cdef object policy
    cdef tuple origins
    cdef object app

    async def __call__(self, scope, receive, send):
        cdef object app = self.app
        if not await self.answer:
            self.policy.refused(scope, self.origins)
            app = refuse
        await app(scope, receive, send)


@cython.final
cdef class Gate:
    def __init__(self, policy, bint hands_on=False, limited=None):
        self.policy = policy
        self.limited = limited
        self.explicit = policy.is_explicit
        self.spelled = getattr(policy, "spelled", frozenset())
        self.hands_on = hands_on

    cdef object with_limits(self, object app):
        """Return the application with the limits of its route, made once for each."""
        if app is not self.last:
            self.last_limited = self.limited(app)
            self.last = app
        return self.last_limited

    cdef object enter(self, object scope, object app):
        cdef tuple more = None  # after the first Origin
        cdef object origin = None, host = None
        cdef bint is_page = False
        cdef bint credentials = False, told = False
        cdef object name, value, policy, answer
        cdef tuple origins
        cdef Py_ssize_t size
        cdef Judged judged
        if self.limited is not None:
            app = self.with_limits(app)
        if self.hands_on:
            if self.explicit:
                scope[POLICY_KEY] = self.policy
            return app
        for name, value in scope["headers"]:
            if not PyBytes_CheckExact(name):
                name = bytes(name)
            size = PyBytes_GET_SIZE(name)
            if size == 6:
                if memcmp(PyBytes_AS_STRING(name), b"origin", 6) == 0:
                    if not is_page:
                        is_page, origin = True, value
                    else:
                        more = (value,) if more is None else more + (value,)
                elif memcmp(PyBytes_AS_STRING(name), b"cookie", 6) == 0:
                    credentials = True
            elif size == 4:
                if memcmp(PyBytes_AS_STRING(name), b"host", 4) == 0:
                    told = told or host is not None
                    host = value
            elif size == 14:
                if memcmp(PyBytes_AS_STRING(name), b"sec-fetch-site", 14) == 0:
                    told = True
            elif size == 13 and memcmp(PyBytes_AS_STRING(name), b"authorization", 13) == 0:
                credentials = credentials or not is_bearer(value)
        if not is_page:
            return app
        policy = self.policy
        if self.explicit:
            if more is None and type(origin) is bytes and origin in self.spelled:
                return app
        else:
            policy = find_in(scope, POLICY_KEY, None)
            if policy is None:
                if not credentials:
                    return app
                policy = self.policy
                if (
                    not told and more is None and type(origin) is bytes
                    and is_own_page(<bytes> origin, host, find_in(scope, "scheme", None))
                ):
                    return app
        origins = (origin,) if more is None else (origin, *more)
        answer = policy.judge(scope, origins)
        if answer is True:
            return app
        if answer is False:
            policy.refused(scope, origins)
            return refuse
        judged = Judged.__new__(Judged)
        judged.answer, judged.policy, judged.origins, judged.app = answer, policy, origins, app
        return judged

    def choose(self, scope, app):
        """Return the ASGI callable that serves a handshake: ``app``, or one that refuses; see enter()."""
        return self.enter(scope, app)
