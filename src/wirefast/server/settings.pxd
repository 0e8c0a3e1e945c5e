# The settings that all sockets of one server share. They are read once from uvicorn's Config.

from libc.stddef cimport size_t


cdef class Settings:
    cdef readonly object config
    cdef readonly object server_state
    # The application. `rewrite` changes the scope before the application gets it: uvicorn's ProxyHeadersMiddleware without
    # the application inside, or None.
    cdef readonly object app
    cdef readonly object rewrite
    # Whether `rewrite` may change scopes without headers of a proxy too.
    cdef readonly bint rewrites_all
    cdef readonly object logger

    # Limits. A time below zero means never; a count of -1 means no limit.
    cdef size_t max_size
    cdef size_t max_queue
    cdef double ping_interval
    cdef double ping_timeout
    cdef Py_ssize_t limit_concurrency
    cdef bint deflate
    # Whether one of them is out of bounds. Then the answer to every handshake is 500.
    cdef bint invalid

    # The number of connections that ended because they had too many unsent bytes.
    cdef readonly unsigned long long overflows

    # Parts of every scope.
    cdef str root_path
    cdef bytes raw_root_path
    cdef dict asgi

    cdef bint reset_contextvars
    cdef bint trace
    # Whether handshakes are logged.
    cdef bint access_log

    # The list of default headers (date, server), and the lines that were made from it.
    cdef list default_headers
    cdef bytes default_lines

    cdef int read_limits(self, object config) except -1
    # Return the header lines with which every response begins.
    cdef bytes header_lines(self)
    # Whether one more socket would pass the limit; the socket itself is already counted.
    cdef bint full(self) except -1


cdef Settings settings_of(object config, object server_state)
