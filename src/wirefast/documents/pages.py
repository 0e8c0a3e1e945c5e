"""The pages that show a document: Swagger UI, ReDoc, and the redirect page of OAuth 2. FastAPI:
``fastapi.openapi.docs``.

Each page is one HTML file with a script inside, as in FastAPI. The parts are also separate functions, because a strict
Content-Security-Policy refuses scripts inside of pages: ``documents.serving`` then serves script and page apart.
"""

from __future__ import annotations

import html
import json
from typing import Any

from starlette.responses import HTMLResponse

from wirefast.encoders import jsonable_encoder

__all__ = ["get_redoc_html", "get_swagger_ui_html", "get_swagger_ui_oauth2_redirect_html"]

_SWAGGER = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5"
_REDOC = "https://cdn.jsdelivr.net/npm/redoc@2/bundles/redoc.standalone.js"
_FAVICON = "https://fastapi.tiangolo.com/img/favicon.png"
_FONTS = "https://fonts.googleapis.com/css?family=Montserrat:300,400,700|Roboto:300,400,700"

#: The default options of Swagger UI; ``swagger_ui_parameters`` override them.
swagger_ui_default_parameters: dict[str, Any] = {
    "dom_id": "#swagger-ui",
    "layout": "BaseLayout",
    "deepLinking": True,
    "showExtensions": True,
    "showCommonExtensions": True,
}


def get_swagger_ui_html(
    *,
    openapi_url: str,
    title: str,
    swagger_js_url: str = f"{_SWAGGER}/swagger-ui-bundle.js",
    swagger_css_url: str = f"{_SWAGGER}/swagger-ui.css",
    swagger_favicon_url: str = _FAVICON,
    oauth2_redirect_url: str | None = None,
    init_oauth: dict[str, Any] | None = None,
    swagger_ui_parameters: dict[str, Any] | None = None,
) -> HTMLResponse:
    """Return the page of Swagger UI, which shows the document and calls its operations.

    Args:
        openapi_url: the address of the document.
        title: the title of the page.
        swagger_js_url, swagger_css_url, swagger_favicon_url: the addresses of these files. Default: public CDNs.
        oauth2_redirect_url: the path that authorization servers send a browser back to; None for none.
        init_oauth: the options of Swagger UI's ``initOAuth``, such as ``clientId``.
        swagger_ui_parameters: options of Swagger UI, which override `swagger_ui_default_parameters`.
    """
    script = swagger_script(openapi_url, oauth2_redirect_url, init_oauth, swagger_ui_parameters)
    return swagger_page(title, swagger_js_url, swagger_css_url, swagger_favicon_url, f"<script>\n{script}</script>")


def get_redoc_html(
    *,
    openapi_url: str,
    title: str,
    redoc_js_url: str = _REDOC,
    redoc_favicon_url: str = _FAVICON,
    with_google_fonts: bool = True,
) -> HTMLResponse:
    """Return the page of ReDoc, for reading.

    Args:
        openapi_url: where the page loads the document from.
        title: the title of the page.
        redoc_js_url, redoc_favicon_url: where the browser loads these from. Default: public CDNs.
        with_google_fonts: whether the page loads ReDoc's fonts from Google. Default True.
    """
    fonts = f"{style_element(_FONTS)}\n" if with_google_fonts else ""
    return redoc_page(openapi_url, title, redoc_js_url, redoc_favicon_url, f"{fonts}<style>{REDOC_STYLE}</style>")


def get_swagger_ui_oauth2_redirect_html() -> HTMLResponse:
    """Return the page that an authorization server redirects to: it gives the answer to Swagger UI and closes."""
    return oauth2_redirect_page(f"<script>\n{OAUTH2_REDIRECT_SCRIPT}</script>")


# ---- Their parts ----

REDOC_STYLE = "body { margin: 0; padding: 0; }"

#: Swagger UI's interface: the page that opened this one holds the request in ``swaggerUIRedirectOauth2``, whose
#: callbacks take the answer. An answer follows ``?``, that of the implicit flow ``#`` (RFC 6749, 4.1.2, 4.2.2).
OAUTH2_REDIRECT_SCRIPT = """\
"use strict";
const request = window.opener.swaggerUIRedirectOauth2;
const inHash = /code|token|error/.test(location.hash);
const answer = Object.fromEntries(new URLSearchParams((inHash ? location.hash : location.search).slice(1)));
const { auth, redirectUrl } = request;
const isValid = answer.state === request.state;
const byCode = ["accessCode", "authorizationCode", "authorization_code"].includes(auth.schema.get("flow"));
const report = (level, message) => request.errCb({ authId: auth.name, source: "auth", level, message });
if (!byCode || auth.code) {
  request.callback({ auth, token: answer, isValid, redirectUrl });
} else {
  if (!isValid) {
    report("warning", "The authorization server returned another state than it was sent: the answer may be forged.");
  }
  if (answer.code) {
    delete request.state;
    auth.code = answer.code;
    request.callback({ auth, redirectUrl });
  } else {
    const details = [answer.error, answer.error_description, answer.error_uri].filter(Boolean).join(": ");
    report("error", details || "The authorization server returned no code.");
  }
}
window.close();
"""


def swagger_script(
    openapi_url: str,
    oauth2_redirect_url: str | None,
    init_oauth: dict[str, Any] | None,
    swagger_ui_parameters: dict[str, Any] | None,
) -> str:
    """Return the JavaScript that starts Swagger UI; the arguments are those of `get_swagger_ui_html`."""
    options = {**swagger_ui_default_parameters, **(swagger_ui_parameters or {})}
    lines = [f"url: {_quoted(openapi_url)},"]
    lines += [f"{_json(name)}: {_json(jsonable_encoder(value))}," for name, value in options.items()]
    if oauth2_redirect_url:
        lines.append(f"oauth2RedirectUrl: window.location.origin + {_quoted(oauth2_redirect_url)},")
    lines += ["presets: [", "  SwaggerUIBundle.presets.apis,", "  SwaggerUIBundle.SwaggerUIStandalonePreset", "],"]
    script = "const ui = SwaggerUIBundle({\n" + "".join(f"  {line}\n" for line in lines) + "});\n"
    if init_oauth:
        script += f"ui.initOAuth({_json(jsonable_encoder(init_oauth))});\n"
    return script


def swagger_page(title: str, js_url: str, css_url: str, favicon_url: str, start: str) -> HTMLResponse:
    """Return the HTML around Swagger UI; ``start`` is the script element that starts Swagger UI."""
    head = f"{style_element(css_url)}\n{_icon_element(favicon_url)}"
    return _page(title, head, f'<div id="swagger-ui"></div>\n{script_element(js_url)}\n{start}')


def redoc_page(openapi_url: str, title: str, js_url: str, favicon_url: str, style: str) -> HTMLResponse:
    """Return the HTML around ReDoc; ``style`` is the HTML of the fonts and of `REDOC_STYLE`."""
    body = (
        "<noscript>ReDoc needs JavaScript to show this documentation.</noscript>\n"
        f'<redoc spec-url="{html.escape(openapi_url)}"></redoc>\n{script_element(js_url)}'
    )
    return _page(title, f"{_icon_element(favicon_url)}\n{style}", body)


def oauth2_redirect_page(script: str) -> HTMLResponse:
    """Return the HTML around `OAUTH2_REDIRECT_SCRIPT`; ``script`` is the element with the script or its address."""
    return _page("Swagger UI: OAuth2 Redirect", "", script)


def with_link(page: HTMLResponse, url: str, text: str) -> HTMLResponse:
    """Return a page with a link above its content.

    Args:
        page: one of this module.
        url, text: the URL and text of the link.
    """
    link = f'<nav><a href="{html.escape(url)}">{html.escape(text, quote=False)}</a></nav>'
    return HTMLResponse(bytes(page.body).decode("utf-8").replace("<body>\n", f"<body>\n{link}\n", 1))


def script_element(url: str) -> str:
    """Return the element that runs the script at an address."""
    return f'<script src="{html.escape(url)}"></script>'


def style_element(url: str) -> str:
    """Return the element that applies the style sheet at an address."""
    return f'<link rel="stylesheet" href="{html.escape(url)}">'


def _icon_element(url: str) -> str:
    return f'<link rel="shortcut icon" href="{html.escape(url)}">'


def _page(title: str, head: str, body: str) -> HTMLResponse:
    return HTMLResponse(
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title, quote=False)}</title>
{head}
</head>
<body>
{body}
</body>
</html>
"""
    )


def _json(value: Any) -> str:
    """JSON for a script element: it cannot end the element or begin a comment."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _quoted(text: str) -> str:
    """Return a JavaScript string in single quotes, as FastAPI writes addresses."""
    return "'" + _json(text)[1:-1].replace('\\"', '"').replace("'", "\\u0027") + "'"
