"""Tickets: an HTTP endpoint issues one to a user who is logged in, a handshake redeems it once. wirefast only.

A ticket names the process that issued it. Only that process decides about the ticket, so it is used once, however many
handshakes bring it; another process asks the issuer through the hub. Only a hash of a ticket is kept.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import re
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starlette.requests import HTTPConnection

from wirefast._core import json
from wirefast._core.clock import monotonic
from wirefast._core.close import FORBIDDEN, UNAUTHORIZED
from wirefast.exceptions import Refuse
from wirefast.metrics.catalogue import FAMILIES
from wirefast.openapi.models import APIKey, APIKeyIn
from wirefast.rooms.hub import Hub
from wirefast.rooms.models import MAX_NAME
from wirefast.security.base import SecurityBase
from wirefast.security.scopes import SecurityScopes

__all__ = ["MAX_SUBJECT", "MAX_TICKETS", "REDEEM_WITHIN", "Ticket", "Tickets"]

#: The most tickets of one process that wait to be redeemed.
MAX_TICKETS = 100000
#: The most characters of a subject, and of each scope; the most scopes of a ticket.
MAX_SUBJECT, MAX_SCOPES = 1024, 64
#: Seconds within which the process that issued a ticket has to answer.
REDEEM_WITHIN = 2.0

#: The most bytes of a message from one process to another.
MAX_PAYLOAD = 1048576

_FORM = re.compile(r"([0-9a-f]{16})\.([A-Za-z0-9_-]{12})\.([A-Za-z0-9_-]{32})")
_NO_DIGEST = bytes(32)
_counted = FAMILIES["wirefast_tickets_total"]


@dataclass(frozen=True)
class Ticket:
    """A redeemed ticket.

    Attributes:
        subject: the user or other subject of the ticket.
        scopes: the scopes of the ticket.
    """

    subject: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Kept:
    digest: bytes
    until: float
    ticket: Ticket


class Tickets(SecurityBase):
    """Issues and redeems tickets; the result of the dependency is the `Ticket` of a connection.

    ``Security(tickets, scopes=["rooms"])`` requires scopes too.

    Args:
        ttl: seconds that a ticket is valid. Default: 30.
        store: the hub that connects the processes, by its broker or by the relay of one machine's workers. Default:
            only tickets of this process.
        name: the name of the query parameter; logs do not show ``ticket``. Default: ``ticket``.
        scheme_name: name in documentation; the name of the class by default.
        description: for documentation.
        auto_error: refuse a connection without a valid ticket with 401, on an accepted socket with 4401 (default), or
            result in ``None``.

    Raises:
        ValueError: a ``ttl`` that is not positive and finite.
        TypeError: a ``store`` that is no hub.
    """

    model: APIKey

    def __init__(
        self,
        *,
        ttl: float = 30.0,
        store: Hub | None = None,
        name: str = "ticket",
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        if not 0 < ttl < 10**9:
            raise ValueError(f"ttl takes a positive number of seconds, not {ttl!r}")
        if store is not None and not isinstance(store, Hub):
            raise TypeError(f"store takes a Hub, not {type(store).__name__}")
        model = APIKey(**{"in": APIKeyIn.query}, name=name, description=description)  # type: ignore[arg-type]
        self._set_up(model, scheme_name, auto_error)
        self.ttl = ttl
        self.store = store
        # In the order of their ends, since all are valid for the same time.
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._asked: dict[str, asyncio.Future[Ticket | None]] = {}
        self._process = 0
        self._id = ""
        self._broker: Any = None

    def make_not_authenticated_error(self) -> Refuse:
        """Return the refusal: 401 or 4401, "Not authenticated". Override to refuse in another way."""
        return Refuse(401, "Not authenticated", code=UNAUTHORIZED)

    async def issue(self, subject: str, scopes: Iterable[str] = ()) -> str:
        """Issue a ticket.

        Args:
            subject: such as the name of a user; at most 1,024 characters.
            scopes: the scopes of the ticket; at most 64.

        Returns:
            The ticket, 62 characters that a URL may contain.

        Raises:
            TypeError, ValueError: an invalid subject or scope.
            Refuse: 503; 100,000 tickets of this process wait.
            RuntimeError: the hub has a broker and is not started.
        """
        ticket = Ticket(_checked(subject), tuple(map(_checked, scopes)))
        if len(ticket.scopes) > MAX_SCOPES:
            raise ValueError(f"a ticket has at most {MAX_SCOPES} scopes")
        await self._listen()
        now = monotonic()
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._kept.popitem(last=False)
        if len(self._kept) >= MAX_TICKETS:
            raise Refuse(503, "too many tickets wait", headers={"Retry-After": str(max(1, round(self.ttl)))})
        key, secret = _random(9), _random(24)
        self._kept[key] = _Kept(_digest(secret), now + self.ttl, ticket)
        _counted.of("issued").add()
        return f"{self._id}.{key}.{secret}"

    async def redeem(self, ticket: str) -> Ticket | None:
        """Redeem a ticket.

        Args:
            ticket: the issued text.

        Returns:
            The ticket's data; None for a ticket that is used already, too old, unknown or malformed, or if the
            process that issued it does not answer within 2 seconds.
        """
        found = await self._redeem(ticket)
        _counted.of("refused" if found is None else "redeemed").add()
        return found

    async def _redeem(self, ticket: str) -> Ticket | None:
        parts = _FORM.fullmatch(ticket)
        if parts is None:
            return None
        issuer, key, secret = parts.groups()
        if issuer == self._id and self._process == os.getpid():
            return self._take(key, _digest(secret))
        await self._listen()
        if self._broker is None:
            return None
        return await self._ask(issuer, key, _digest(secret))

    async def __call__(self, connection: HTTPConnection, needed: SecurityScopes) -> Ticket | None:
        brought = connection.query_params.get(self.model.name)
        ticket = None if brought is None else await self.redeem(brought)
        if ticket is None:
            self._refuse_if_required()
            return None
        missing = [scope for scope in needed.scopes if scope not in ticket.scopes]
        if missing:
            raise Refuse(403, f"the ticket lacks the scope {missing[0]}", code=FORBIDDEN)
        return ticket

    def _take(self, key: str, digest: bytes) -> Ticket | None:
        kept = self._kept.get(key)
        if not hmac.compare_digest(_NO_DIGEST if kept is None else kept.digest, digest) or kept is None:
            return None
        del self._kept[key]
        return kept.ticket if monotonic() < kept.until else None

    # ---- Other processes ----

    async def _listen(self) -> None:
        """Make the name of this process, and subscribe to the questions of other processes."""
        if self._process != os.getpid():
            self._process, self._id = os.getpid(), os.urandom(8).hex()
            self._kept.clear()
            self._broker = None
        hub = self.store
        broker = None if hub is None else hub._broker
        if hub is None or (broker is None and hub._url is None):
            self._broker = None  # there is no other process to ask
            return
        if not hub._running or broker is None:
            raise RuntimeError("this hub is not started: give it to App(hub=hub), or use `async with hub`")
        if broker is not self._broker:
            self._broker = broker
            hub._services[_room(self._id)] = self._heard
            broker.subscribe(_room(self._id))
        with suppress(asyncio.TimeoutError):  # then no other process can ask until it is confirmed
            await asyncio.wait_for(broker.subscribed(_room(self._id)), REDEEM_WITHIN)

    async def _ask(self, issuer: str, key: str, digest: bytes) -> Ticket | None:
        question = os.urandom(16).hex()
        answer = self._asked[question] = asyncio.get_running_loop().create_future()
        try:
            asked = {"ask": question, "from": self._id, "key": key, "digest": digest.hex()}
            self._broker.publish(_room(issuer), json.dumps(asked))
            return await asyncio.wait_for(answer, REDEEM_WITHIN)
        except asyncio.TimeoutError:
            return None
        finally:
            del self._asked[question]

    def _heard(self, payload: bytes) -> None:
        """Answer another process, or take its answer. The broker may deliver anything, so this never raises."""
        if self.store is None:
            raise AssertionError
        try:
            if len(payload) > MAX_PAYLOAD:
                raise ValueError("too long")
            said = json.loads(payload)
            if "ask" in said:
                self._answer(*(str(said[name]) for name in ("ask", "from", "key", "digest")))
            elif (waiting := self._asked.get(said["answer"])) is not None and not waiting.done():
                subject = said["subject"]
                waiting.set_result(None if subject is None else Ticket(str(subject), tuple(map(str, said["scopes"]))))
        except (KeyError, TypeError, ValueError):
            self.store._stats.malformed += 1

    def _answer(self, question: str, asker: str, key: str, digest: str) -> None:
        if not re.fullmatch(r"[0-9a-f]{16}", asker) or not re.fullmatch(r"[0-9a-f]{32}", question):
            raise ValueError("a question that no process asks")
        ticket = self._take(key, bytes.fromhex(digest))
        answer: dict[str, Any] = {"answer": question, "subject": None}
        if ticket is not None:
            answer.update(subject=ticket.subject, scopes=list(ticket.scopes))
        self._broker.publish(_room(asker), json.dumps(answer))


def _room(process: str) -> str:
    """Return the broker's name for messages to a process; it is longer than a room's name may be."""
    return f"{'tickets':.<{MAX_NAME}}{process}"


def _random(size: int) -> str:
    return urlsafe_b64encode(os.urandom(size)).decode("ascii")


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("ascii")).digest()


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a subject or scope is a str, not {type(text).__name__}")
    if not 1 <= len(text) <= MAX_SUBJECT:
        raise ValueError(f"a subject or scope has 1 to {MAX_SUBJECT} characters")
    return text
