"""Whether a handshake may reach its route: compare the Origin of a page with what the application allows.

Compiled because every handshake passes here: one pass over its headers finds the few that a policy has to judge.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject

from libc.string cimport memcmp

from wirefast._core.scope cimport find_in

from wirefast._core import close
from wirefast._core import scope as keys

cdef object POLICY_KEY = keys.ORIGINS
REASON = close.ORIGIN_NOT_ALLOWED

cdef extern from *:
    """
    /* The bytes of the name of a plain host: 1 for a lower-case letter, a digit or a hyphen. */ static const unsigned
    char gate_host_class[256] = { ['-'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] =
        1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1,
        ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1,
        ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
    };
    """
    const unsigned char[256] HOST_CLASS "gate_host_class"

# The same macros without reference counts: the results belong to the headers.
cdef extern from "Python.h":
    PyObject* item_of_list "PyList_GET_ITEM"(list values, Py_ssize_t position)
    PyObject* item_of_tuple "PyTuple_GET_ITEM"(PyObject* values, Py_ssize_t position)
    Py_ssize_t size_of_tuple "PyTuple_GET_SIZE"(PyObject* values)
    Py_ssize_t size_of_bytes "PyBytes_GET_SIZE"(PyObject* text)
    const char* text_of_bytes "PyBytes_AS_STRING"(PyObject* text)
    bint is_tuple "PyTuple_CheckExact"(PyObject* value)
    bint is_bytes "PyBytes_CheckExact"(PyObject* value)

cdef enum:
    LONGEST_PLAIN_HOST = 255

# What a policy needs of the headers of a handshake. The values belong to the headers.
cdef struct Found:
    PyObject* origin             # the first
    Py_ssize_t origins           # how many there are
    PyObject* host               # the last
    bint told                    # there is more than one Host, or a Sec-Fetch-Site
    bint credentials             # that a browser may have added


cdef bint sift(list headers, Found* found) except -1:
    """Read the headers; return False if a header is not a pair with a name of bytes."""
    cdef PyObject* pair
    cdef PyObject* name
    cdef Py_ssize_t position, size
    cdef const char* text
    found.origin = found.host = NULL
    found.origins = 0
    found.told = found.credentials = False
    for position in range(len(headers)):
        pair = item_of_list(headers, position)
        if not is_tuple(pair) or size_of_tuple(pair) != 2:
            return False
        name = item_of_tuple(pair, 0)
        if not is_bytes(name):
            return False
        size = size_of_bytes(name)
        if size > 14 or size < 4:
            continue
        text = text_of_bytes(name)
        if size == 6:
            if memcmp(text, b"origin", 6) == 0:
                if found.origins == 0:
                    found.origin = item_of_tuple(pair, 1)
                found.origins += 1
            elif memcmp(text, b"cookie", 6) == 0:
                found.credentials = True
        elif size == 4:
            if memcmp(text, b"host", 4) == 0:
                found.told = found.told or found.host is not NULL
                found.host = item_of_tuple(pair, 1)
        elif size == 14:
            if memcmp(text, b"sec-fetch-site", 14) == 0:
                found.told = True
        elif size == 13 and memcmp(text, b"authorization", 13) == 0:
            found.credentials = found.credentials or not is_bearer(<object> item_of_tuple(pair, 1))
    return True


cdef bint is_bearer(object value):
    """Whether an Authorization header is one that no browser adds by itself."""
    cdef bytes scheme
    if type(value) is not bytes or len(<bytes> value) < 7:
        return False
    scheme = (<bytes> value)[:7]
    return scheme.lower() == b"bearer "


cdef bint is_own_page(bytes origin, object host, object scheme) except -1:
    """Whether Origin and Host name the same host, both in plain form, as for the application's own pages.

    The policy parses all other forms.
    """
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
    # The labels of the host. Only the last may be empty.
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
    # A port of at most four digits is never too large.
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
    """An ASGI application for a handshake that an asynchronous function judges."""
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
        """Return the application with the limits of its route; made once for each application."""
        if app is not self.last:
            self.last_limited = self.limited(app)
            self.last = app
        return self.last_limited

    cdef object enter(self, object scope, object app):
        cdef Found found
        cdef object headers, origin, policy, answer
        cdef tuple origins
        cdef Judged judged
        if self.limited is not None:
            app = self.with_limits(app)
        if self.hands_on:
            if self.explicit:
                scope[POLICY_KEY] = self.policy
            return app
        headers = scope["headers"]
        if type(headers) is not list or not sift(<list> headers, &found):
            headers = [(bytes(name), value) for name, value in headers]
            sift(<list> headers, &found)
        if found.origin is NULL:
            return app
        origin = <object> found.origin
        policy = self.policy
        if self.explicit:
            if found.origins == 1 and type(origin) is bytes and origin in self.spelled:
                return app
        else:
            policy = find_in(scope, POLICY_KEY, None)
            if policy is None:
                if not found.credentials:
                    return app
                policy = self.policy
                if (
                    not found.told and found.origins == 1 and found.host is not NULL and type(origin) is bytes
                    and is_own_page(<bytes> origin, <object> found.host, find_in(scope, "scheme", None))
                ):
                    return app
        origins = (origin,)
        if found.origins > 1:
            origins = tuple([value for name, value in headers if name == b"origin"])
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
