"""The local socket of a running service: its workers answer there, and ``wirefast top`` asks.

A service has a private directory (`paths`) with a Unix socket, on which one process listens (`service`): the supervisor
of the workers, or the only process there is. Workers connect to it (`agent`). All speak lines of JSON (`lines`).
"""
