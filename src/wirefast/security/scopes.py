"""The scopes that declarations ask for, as an object that callables get. It loads no scheme and no model.

FastAPI: ``fastapi.security.oauth2``, where `wirefast.security.oauth2` has the class too.
"""

__all__ = ["SecurityScopes"]


class SecurityScopes:
    """The scopes that `Security` declarations ask for on the way to the callable with this parameter.

    Attributes:
        scopes: from the outermost declaration to the innermost, each once.
        scope_str: the same joined by spaces, as a ``scope`` challenge wants them.
    """

    # The module that FastAPI has the class in; here it loads without the schemes.
    __module__ = "wirefast.security.oauth2"

    def __init__(self, scopes: list[str] | None = None) -> None:
        self.scopes: list[str] = scopes or []
        self.scope_str: str = " ".join(self.scopes)
