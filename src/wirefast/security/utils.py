"""Reading an ``Authorization`` header. FastAPI: ``fastapi.security.utils``."""

__all__ = ["get_authorization_scheme_param"]


def get_authorization_scheme_param(authorization_header_value: str | None) -> tuple[str, str]:
    """Split ``"Bearer abc"`` into ``("Bearer", "abc")``; both empty when there is no header.

    The argument, ``authorization_header_value``, is the header or None. The scheme is what precedes the first space, in
    the client's own case; the parameter has its surrounding white space removed.
    """
    scheme, _, parameter = (authorization_header_value or "").partition(" ")
    return scheme, parameter.strip()
