"""The HTML pages that show an OpenAPI document, for programs that serve them by themselves.

FastAPI: ``fastapi.openapi.docs``.
"""

from wirefast.documents.pages import get_redoc_html as get_redoc_html
from wirefast.documents.pages import get_swagger_ui_html as get_swagger_ui_html
from wirefast.documents.pages import get_swagger_ui_oauth2_redirect_html as get_swagger_ui_oauth2_redirect_html
from wirefast.documents.pages import swagger_ui_default_parameters as swagger_ui_default_parameters

__all__ = [
    "get_redoc_html",
    "get_swagger_ui_html",
    "get_swagger_ui_oauth2_redirect_html",
    "swagger_ui_default_parameters",
]
