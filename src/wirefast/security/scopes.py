"""The scopes of declarations, as an object that callables get. This module loads no scheme and no model.

FastAPI: ``fastapi.security.oauth2``, where `wirefast.security.oauth2` has the class too.
"""

__all__ = ["SecurityScopes"]


class SecurityScopes:
    """The scopes of all `Security` declarations from the endpoint to the callable with this parameter.

    Attributes:
        scopes: from the outermost declaration to the innermost, each once.
        scope_str: the scopes joined by spaces, in the form of a ``scope`` challenge.
    """

    # FastAPI's module of the class; this module loads without the schemes.
    __module__ = "wirefast.security.oauth2"

    def __init__(self, scopes: list[str] | None = None) -> None:
        self.scopes: list[str] = scopes or []
        self.scope_str: str = " ".join(self.scopes)
