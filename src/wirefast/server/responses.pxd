# HTTP responses that the server itself writes, and checked header lines.

# Make one header line. Raise ValueError for a name or a value that would break the message.
cdef bytes header_line(object name, object value)

# Return the headers of an ASGI event, each a name and a value in bytes. Raise TypeError for anything else.
cdef list header_pairs(object headers, str event)

# Make a whole HTTP response that ends the connection.
cdef bytes response(int status, list lines, bytes body)
