"""One accepted connection whose body is a case, and what the cases note of it."""


def session(body, **options):
    """A build whose endpoint is ``body(f, trace, websocket)``."""

    def build(f, trace):
        app = f.App()

        @app.websocket("/ws")
        async def endpoint(websocket: f.WebSocket):
            await body(f, trace, websocket)

        return app

    return build


def states(websocket):
    return websocket.client_state.name, websocket.application_state.name


async def attempt(trace, awaitable):
    """Record what an operation gave or raised."""
    try:
        trace("gave", await awaitable)
    except Exception as error:
        trace("error", error, isinstance(error, RuntimeError))
