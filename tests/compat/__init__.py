"""The oracle: the same cases over FastAPI and over wirefast, compared event by event."""
