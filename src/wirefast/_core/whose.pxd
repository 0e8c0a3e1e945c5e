# Which connection an exception is about.

# The mark of the connection with this scope; None for a connection without one.
cpdef object mark_of(object scope)
