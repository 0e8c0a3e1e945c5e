"""The local socket of a running service, on which its workers answer the questions of ``wirefast top``.

A service has a private directory (`paths`) with a Unix socket, on which one process listens (`service`): the supervisor
of the workers, or the only process of the service. Workers connect to it (`agent`). Both sides send lines of JSON
(`lines`).
"""
