"""The keyword arguments of ``wirefast.run``, for editors and type checkers. wirefast only."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

if TYPE_CHECKING:
    import asyncio
    import ssl
    from configparser import RawConfigParser

__all__ = ["RunOptions"]


class RunOptions(TypedDict, total=False):
    """The keyword arguments of `wirefast.run`: those of ``uvicorn.run``, and ours of ``wirefast run``.

    docs/deployment.md and ``wirefast run --help`` say what each does.
    """

    host: str
    port: int
    uds: str | None
    fd: int | None
    loop: Literal["auto", "none", "asyncio", "uvloop"] | str
    http: type[asyncio.Protocol] | str
    http2: bool
    ws: type[asyncio.Protocol] | str
    ws_max_size: int
    ws_max_queue: int
    ws_ping_interval: float | None
    ws_ping_timeout: float | None
    ws_per_message_deflate: bool
    lifespan: Literal["auto", "on", "off"]
    interface: Literal["auto", "asgi3", "asgi2", "wsgi"]
    reload: bool
    reload_dirs: list[str] | str | None
    reload_includes: list[str] | str | None
    reload_excludes: list[str] | str | None
    reload_delay: float
    workers: int | None
    env_file: str | os.PathLike[str] | None
    log_config: dict[str, Any] | str | os.PathLike[str] | RawConfigParser | IO[Any] | None
    log_level: Literal["critical", "error", "warning", "info", "debug", "trace"] | int | None
    access_log: bool
    proxy_headers: bool
    server_header: bool
    date_header: bool
    forwarded_allow_ips: list[str] | str | None
    root_path: str
    limit_concurrency: int | None
    backlog: int
    limit_max_requests: int | None
    limit_max_requests_jitter: int
    timeout_keep_alive: int
    timeout_graceful_shutdown: int | None
    timeout_worker_healthcheck: int
    ssl_keyfile: str | os.PathLike[str] | None
    ssl_certfile: str | os.PathLike[str] | None
    ssl_keyfile_password: str | None
    ssl_version: int
    ssl_cert_reqs: int
    ssl_ca_certs: str | os.PathLike[str] | None
    ssl_ciphers: str | None
    ssl_context_factory: Callable[[Any, Callable[[], ssl.SSLContext]], ssl.SSLContext] | None
    headers: list[tuple[str, str]] | None
    use_colors: bool | None
    app_dir: str | None
    factory: bool
    h11_max_incomplete_event_size: int | None
    reset_contextvars: bool
    # wirefast's own options: see src/wirefast/cli/options.py.
    timeout_body: float
    drain_batch: int
    drain_every: float
    health_path: str | None
    ready_path: str | None
    metrics_port: int | None
    control: bool
    log_format: Literal["text", "json"]
    request_id: bool
    pin: bool
    watch_loop: float
    transport: Literal["sockets", "loop"]
    as_fastapi: bool
    limit_connections: int | None
    limit_per_ip: int | None
    limit_handshakes: float | None
    limit_messages: float | None
    limit_bytes: float | None
    limit_message_bytes: int | None
    limit_first_message: float | None
    limit_idle: float | None
    limit_lifetime: float | None
