"""Fixed words of an OpenAPI document. FastAPI: ``fastapi.openapi.constants``."""

__all__ = ["METHODS_WITH_BODY", "REF_PREFIX", "REF_TEMPLATE"]

#: The methods whose request body a document describes.
METHODS_WITH_BODY = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}
#: Where a document keeps its schemas.
REF_PREFIX = "#/components/schemas/"
#: A pointer to one of them, for pydantic.
REF_TEMPLATE = REF_PREFIX + "{model}"
