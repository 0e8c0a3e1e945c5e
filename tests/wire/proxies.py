"""Reverse proxies in front of a server of the tests: nginx as docs/deployment.md has it, and HAProxy.

Each is given a socket that listens already, so there is no port to choose and no start to wait for. A test that needs a
program which is not installed is left out, and says so.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from processes import foreign

DEPLOYMENT = Path(__file__).resolve().parents[2] / "docs/deployment.md"

NGINX = """
{user}
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {site}
}}
"""

HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 20s
    timeout client 20s
    timeout server 20s
    timeout tunnel 60s
    http-reuse always
frontend clients
    bind fd@{listener}
    http-request deny if {{ path_beg /admin }}
    http-request del-header x-user
    default_backend chat
backend chat
    server chat {upstream}
"""

#: What `nginx` below serves where a test wants more than the documented page has.
DENY = "location /admin { deny all; }"


def documented() -> str:
    """The site of docs/deployment.md, without what only a real machine has: the port 443 and its certificate."""
    site = re.search(r"```nginx\n(.*?)```", DEPLOYMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert site is not None, "docs/deployment.md has no nginx site"
    text, found = re.subn(r"listen 443 ssl;", "listen 127.0.0.1:@PORT@;", site[1])
    text, upstreams = re.subn(r"server unix:[^;]*;", "server @UPSTREAM@;", text)
    assert (found, upstreams) == (1, 1), "the documented site is not what the tests expect"
    text = re.sub(r"ssl_\w+ [^;]*;", "", text)
    return text.replace("$scheme", "https")


def trusting() -> str:
    """A site as many have it: any upgrade is passed on, and the connections to the server are shared and kept."""
    site = documented()
    site, maps = re.subn(r"map \$http_upgrade .*?\n}", "", site, flags=re.DOTALL)
    site = re.sub(r"map \$\w+ \$connection_upgrade .*?\n}", "", site, flags=re.DOTALL)
    site, upgrades = re.subn(r"(proxy_set_header Upgrade) [^;]*;", r"\1 $http_upgrade;", site)
    site, upstreams = re.subn(r"(server @UPSTREAM@;)", r"\1 keepalive 1;", site)
    assert (maps, upgrades, upstreams) == (1, 1, 1), "the documented site is not what the tests expect"
    return 'map $http_upgrade $connection_upgrade { default upgrade; "" ""; }\n' + site


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
    if found is None:
        pytest.skip(f"needs {name}, which is not installed")
    return found


@contextmanager
def nginx(upstream: str, directory: Path, site: str | None = None, locations: str = "") -> Iterator[int]:
    """The port of an nginx before ``upstream``, an address or ``unix:`` and a path; by default as documented."""
    command = program("nginx")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        site = (site or documented()).replace("@PORT@", str(port)).replace("@UPSTREAM@", upstream)
        site = site.replace("location / {", locations + "\n    location / {")
        config = directory / "nginx.conf"
        # Or its workers run as another user, who must not read this directory.
        user = "" if os.geteuid() else "user root;"
        config.write_text(NGINX.format(user=user, directory=directory, site=site), encoding="utf-8")
        process = subprocess.Popen(
            [command, "-e", str(directory / "error.log"), "-p", str(directory), "-c", str(config)],
            pass_fds=[listener.fileno()],
            env=foreign() | {"NGINX": f"{listener.fileno()};"},
            stdin=subprocess.DEVNULL,
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def haproxy(upstream: str, directory: Path) -> Iterator[int]:
    """The port of an HAProxy before ``upstream``, an address. Its connections to the server are shared and kept."""
    command = program("haproxy")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        config = directory / "haproxy.cfg"
        config.write_text(HAPROXY.format(listener=listener.fileno(), upstream=upstream), encoding="utf-8")
        process = subprocess.Popen(
            [command, "-q", "-db", "-f", str(config)],
            pass_fds=[listener.fileno()],
            env=foreign(),
            stdin=subprocess.DEVNULL,
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)
