"""Only for the other compiled modules of the server."""
