"""Text that can be sent. JSON's escapes may hold a lone surrogate, which has no UTF-8 form (RFC 8259, section 8.2)."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """``text`` with U+FFFD for each lone surrogate; a pair of surrogates becomes its character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf8(text: str) -> bytes:
    """``text`` in UTF-8, with U+FFFD for each lone surrogate."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return well_formed(text).encode("utf-8")
