# Raw parameter values out of an ASGI scope, each source read once: see extract.pyx.

cpdef list parse_query(bytes query)
cpdef dict parse_cookies(object headers)
cpdef int fill_headers(object headers, dict wanted, list values) except -1
