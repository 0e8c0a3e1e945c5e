"""Connections without TLS that the server accepts, reads and writes itself, without the event loop's transports."""
