"""HTTP responses that the server itself writes. Each of them ends its connection."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stddef cimport size_t
from libc.stdint cimport uint8_t

from wirefast.server.header_lines cimport FIELD, TOKEN, all_of

cdef dict status_lines = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


cdef bytes header_line(object name, object value):
    cdef bytes key = name
    cdef bytes content = value
    if not key or not all_of(<const uint8_t*> PyBytes_AS_STRING(key), <size_t> PyBytes_GET_SIZE(key), TOKEN):
        raise ValueError(f"malformed header name {key!r}")
    if not all_of(<const uint8_t*> PyBytes_AS_STRING(content), <size_t> PyBytes_GET_SIZE(content), FIELD):
        raise ValueError(f"malformed value of header {key!r}")
    return key + b": " + content + b"\r\n"


cdef list header_pairs(object headers, str event):
    cdef list pairs = []
    cdef object wrong
    if isinstance(headers, (str, bytes, Mapping)) or not isinstance(headers, Iterable):
        wrong = type(headers).__name__
    else:
        for pair in headers:
            try:
                name, value = pair
            except (TypeError, ValueError):
                name = value = None
            if type(name) is not bytes or type(value) is not bytes:
                wrong = f"{pair!r:.80}"
                break
            pairs.append((name, value))
        else:
            return pairs
    raise TypeError(f'"headers" of {event} takes pairs of bytes, such as [(b"x-name", b"value")], not {wrong}')


cdef bytes response(int status, list lines, bytes body):
    head = status_lines.get(status) or b"HTTP/1.1 %d \r\n" % status
    return b"".join([head, *lines, b"\r\n", body])


def refusal(refused not None, list headers not None):
    """Return the response to a refused request: plain text, and the end of the connection.

    Args:
        refused: a `Refused`.
        headers: uvicorn's default headers, as pairs of bytes.
    """
    cdef bytes body = refused.reason.encode()
    lines = [header_line(name, value) for name, value in headers]
    lines += refused.lines
    lines.append(b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n")
    lines.append(b"content-length: %d\r\n" % len(body))
    return response(refused.status, lines, body)
