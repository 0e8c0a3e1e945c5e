"""Tasks to run after the response. FastAPI's ``fastapi.background``."""

from starlette.background import BackgroundTasks as _StarletteBackgroundTasks


class BackgroundTasks(_StarletteBackgroundTasks):
    """The tasks of one request, which endpoints get by the annotation.

    ``add_task(function, *args, **kwargs)`` adds a task. Tasks run after an HTTP response was sent. They never run on a
    WebSocket, as in FastAPI.
    """
