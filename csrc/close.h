/* The codes of a close frame: RFC 6455 section 7.4.1 and the IANA registry of WebSocket close codes.
 *
 * This file lists the numbers of the codes for C and Cython. src/wirefast/_core/close.py has the names for Python, the
 * meanings and the reasons; a test compares both files.
 */
#ifndef WIREFAST_CLOSE_H
#define WIREFAST_CLOSE_H

enum {
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001,
    CLOSE_PROTOCOL_ERROR = 1002,
    CLOSE_UNSUPPORTED_DATA = 1003,
    CLOSE_RESERVED = 1004,
    CLOSE_NO_CODE = 1005,
    CLOSE_ABNORMAL = 1006,
    CLOSE_INVALID_DATA = 1007,
    CLOSE_POLICY_VIOLATION = 1008,
    CLOSE_TOO_BIG = 1009,
    CLOSE_EXTENSION_REQUIRED = 1010,
    CLOSE_INTERNAL_ERROR = 1011,
    CLOSE_SERVICE_RESTART = 1012,
    CLOSE_TRY_AGAIN_LATER = 1013,
    CLOSE_BAD_GATEWAY = 1014,
    CLOSE_NO_TLS = 1015,
    CLOSE_FIRST_UNREGISTERED = 3000, /* to 3999: libraries and frameworks */
    CLOSE_LAST_PRIVATE = 4999,       /* from 4000: applications */
    /* The codes of the private range that wirefast sends: 4000 plus the HTTP status of the same meaning. */
    CLOSE_UNAUTHORIZED = 4401,
    CLOSE_FORBIDDEN = 4403,
    CLOSE_TIMED_OUT = 4408,
    CLOSE_REPLACED = 4409,
};

/* Bytes of UTF-8 that a close frame holds after the code: a control frame holds 125 bytes. */
enum { CLOSE_REASON_MAX = 123 };

#endif
