"""Endpoints that the cases of routing share."""
# ruff: noqa: B008 (Depends() as a default is what is tested)


def accepting(trace, name="endpoint"):
    """An endpoint that records its name and path parameters."""

    async def endpoint(websocket):
        trace(name, dict(websocket.path_params), websocket.scope["path"])
        await websocket.accept()
        await websocket.close()

    return endpoint


def annotated(f, trace, name="endpoint"):
    async def endpoint(websocket: f.WebSocket):
        await accepting(trace, name)(websocket)

    return endpoint
