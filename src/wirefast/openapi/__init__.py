"""OpenAPI 3.1 under FastAPI's module paths: ``models``, ``constants``, ``utils`` and ``docs``."""
