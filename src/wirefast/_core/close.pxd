# The close codes for compiled code, as numbers of C. close.py has the names, the rules and the reasons.

cdef extern from "close.h" nogil:
    enum:
        CLOSE_NORMAL
        CLOSE_GOING_AWAY
        CLOSE_PROTOCOL_ERROR
        CLOSE_UNSUPPORTED_DATA
        CLOSE_NO_CODE
        CLOSE_ABNORMAL
        CLOSE_INVALID_DATA
        CLOSE_POLICY_VIOLATION
        CLOSE_TOO_BIG
        CLOSE_INTERNAL_ERROR
        CLOSE_SERVICE_RESTART
        CLOSE_TRY_AGAIN_LATER
        CLOSE_REASON_MAX
