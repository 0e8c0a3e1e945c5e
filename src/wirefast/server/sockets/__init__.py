"""Plain connections that the server accepts, reads and writes by itself, in place of the event loop's transports."""
