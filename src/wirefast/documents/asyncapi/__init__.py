"""The AsyncAPI 3.1 document of an application's sockets.

``document`` makes the document of its parts. ``channels`` has one channel for each socket with its operations,
``messages`` finds the sent and received messages, ``schemas`` has the JSON Schemas, ``security`` the schemes,
``application`` and ``serving`` the part of `App`. wirefast only: FastAPI has no such document.
"""
