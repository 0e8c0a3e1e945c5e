"""The examples of the WebSocket pages that FastAPI users read, as applications: only the imports are redirected.

Missing imports (the pages forget ``WebSocketDisconnect``) are added; nothing else is changed. Each module has its
``app``; ``everything`` mounts them all, for one server. Run one with
``python -m uvicorn mission.echo:app --app-dir tests``.
"""
