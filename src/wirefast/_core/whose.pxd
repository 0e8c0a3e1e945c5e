# Whose end an exception tells of.

# The mark of the connection with this scope; None where it has none.
cpdef object mark_of(object scope)
