"""Tasks to run after the response. FastAPI's ``fastapi.background``."""

from starlette.background import BackgroundTasks as _StarletteBackgroundTasks


class BackgroundTasks(_StarletteBackgroundTasks):
    """Injected by its type alone; ``add_task(function, *args, **kwargs)`` adds one.

    Tasks run after an HTTP response was sent. On a WebSocket they are never run, as in FastAPI.
    """
