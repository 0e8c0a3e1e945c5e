"""A service whose pages a browser opens: an operation, two OAuth 2 flows with their server, and a strict policy."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wirefast import App, Body, Depends, Form, WebSocket
from wirefast.security import OAuth2AuthorizationCodeBearer, OAuth2PasswordBearer, OAuth2PasswordRequestForm

#: Swagger UI has pictures inside its style sheet. ReDoc makes an empty style element (hence the hash of nothing), which
#: it fills by script, and a worker for its search.
NOTHING = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
POLICY = f"default-src 'self'; img-src 'self' data:; style-src 'self' {NOTHING}; worker-src blob:"


class StrictPolicy:
    """Puts a Content-Security-Policy on every page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self.app(scope, receive, with_policy if scope["type"] == "http" else send)


class Item(BaseModel):
    """Something to keep."""

    name: str
    size: int = 1


app = App(
    title="Documented <service>",
    description="A service **to look at**.",
    swagger_ui_init_oauth={"clientId": "the-client", "scopes": "read"},
)
app.add_middleware(StrictPolicy)
password = OAuth2PasswordBearer("token", scheme_name="Password")
code = OAuth2AuthorizationCodeBearer("authorize", "token/code", scopes={"read": "Read all"}, scheme_name="Code")


EXAMPLE = Body(openapi_examples={"one": {"value": {"name": "one", "size": 3}}})


@app.post("/items/{item_id}", tags=["items"])
def add(item_id: int, item: Annotated[Item, EXAMPLE]) -> dict[str, object]:
    """Keep an item."""
    return {"kept": item_id, "item": item}


@app.get("/by-password", tags=["login"])
def by_password(token: Annotated[str, Depends(password)]) -> dict[str, str]:
    return {"token": token}


@app.get("/by-code", tags=["login"])
def by_code(token: Annotated[str, Depends(code)]) -> dict[str, str]:
    return {"token": token}


@app.post("/token", include_in_schema=False)
def token(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    return {"access_token": f"{form.username}-{form.password}", "token_type": "bearer"}


@app.get("/authorize", include_in_schema=False)
def authorize(redirect_uri: str, state: str, response_type: str, client_id: str) -> HTMLResponse:
    """The authorization server's page, which says yes at once."""
    answer = urlencode({"code": f"{client_id}-code", "state": state})
    headers = {"Location": f"{redirect_uri}?{answer}"}
    return HTMLResponse("", 302 if response_type == "code" else 400, headers)


@app.post("/token/code", include_in_schema=False)
def token_for_code(code: Annotated[str, Form()]) -> dict[str, str]:
    return {"access_token": f"token-for-{code}", "token_type": "bearer"}


@app.websocket("/ws")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
