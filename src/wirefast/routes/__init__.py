"""The kinds of routes, the decorators that declare them, and their copies under an include."""
