"""The kinds of routes, the decorators that declare them, and what they become under an include."""
