# What the server writes by itself: whole HTTP responses, and checked header lines.

# One header line. ValueError for a name or value that would break the message.
cdef bytes header_line(object name, object value)

# The headers of an ASGI event, each a name and a value in bytes. TypeError for anything else.
cdef list header_pairs(object headers, str event)

# A whole HTTP response that ends the connection.
cdef bytes response(int status, list lines, bytes body)
