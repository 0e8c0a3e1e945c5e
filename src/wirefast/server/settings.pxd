# What all sockets of one server share, read once from uvicorn's Config.

from libc.stddef cimport size_t


cdef class Settings:
    cdef readonly object config
    cdef readonly object server_state
    # The application, and what changes a scope before it sees it: uvicorn's ProxyHeadersMiddleware, without
    # the application inside. None where nothing does.
    cdef readonly object app
    cdef readonly object rewrite
    cdef readonly object logger

    # Limits; a time below zero means never, a count of -1 none.
    cdef size_t max_size
    cdef size_t max_queue
    cdef double ping_interval
    cdef double ping_timeout
    cdef Py_ssize_t limit_concurrency
    cdef bint deflate
    # Whether one of them is out of bounds, so that every handshake is answered 500.
    cdef bint invalid

    # Connections that were ended because too much was unsent.
    cdef readonly unsigned long long overflows

    # Parts of every scope.
    cdef str root_path
    cdef bytes raw_root_path
    cdef dict asgi

    cdef bint reset_contextvars
    cdef bint trace
    # Whether handshakes are logged.
    cdef bint access_log

    # The default header lines (date, server) as last rendered, and the list they were rendered from.
    cdef list default_headers
    cdef bytes default_lines

    cdef int read_limits(self, object config) except -1
    # Header lines that every response starts with.
    cdef bytes header_lines(self)
    # Whether one more socket would pass the limit; the socket itself is already counted.
    cdef bint full(self) except -1


cdef Settings settings_of(object config, object server_state)
