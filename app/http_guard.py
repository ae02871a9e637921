"""Which HTTP requests get to Gradio at all: those that the page and its clients send, of a bounded size.

Gradio has routes that this page does not use, and some write what a visitor did where others can read it, or
fetch an address for whoever asks. So there is a list of what is used, and the rest is not found.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import i18n, uploads
from models.core.upload_validation import MEGABYTE, megabytes

MAX_BODY = 4 * MEGABYTE  # bytes of what is no upload; a drawn mask has 0.4
DRAIN = 20.0  # seconds that the rest of a refused request may take
API = "/gradio_api/"
READ = re.compile(
    r"/(?:api|cards|scan|mesh|still|thumbnail|plotly\.js|config/?|theme\.css|robots\.txt|favicon\.ico|manifest\.json|pwa_icon.*|(?:assets|static|svelte)/.*)?"
    r"|/gradio_api/(?:info/?|openapi\.json|startup-events|app_id/?|login_check/?|user/?|token/?|theme\.css"
    r"|queue/data|queue/status|upload_progress|heartbeat/[^/]+|call/.+|custom_component/.+"
    r"|file=(?!/*[A-Za-z][A-Za-z0-9+.-]*:).+)"
)
WRITE = re.compile(r"/gradio_api/(?:queue/join/?|cancel/?|reset/?|upload/?|(?:call|run|api)/.+)")
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "; ".join(
        (
            "default-src 'self' data: blob:",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Gradio's page needs all of them
            "style-src 'self' 'unsafe-inline'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
}


class TooLargeError(Exception):
    """A request brought more than it may."""


class HttpGuard:
    """ASGI middleware. hosts: names that the page is served under, besides addresses and this machine's.

    arrived, left: called with the session of a page when it opens its heartbeat and when that ends.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str] = (),
        arrived: Callable[[str], None] = lambda _: None,
        left: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.app = app
        self.hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)}
        self.arrived, self.left = arrived, left

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it in a sentence."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await _drain(receive)
            await refused(scope, receive, send)
            return
        limit = uploads.MAX_REQUEST if scope["path"].startswith(f"{API}upload") else MAX_BODY
        bounded = _Bounded(receive, limit)
        answer = _Answer(send, bounded)
        try:
            await self._pass(scope, bounded, answer)
        except Exception:
            if not bounded.exceeded:
                raise
        if bounded.exceeded and not answer.begun:
            await _drain(receive)
            await _too_large(scope, limit)(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        heart = f"{API}heartbeat/"
        if not scope["path"].startswith(heart):
            await self.app(scope, receive, send)
            return
        session = scope["path"].removeprefix(heart)
        self.arrived(session)
        try:
            await self.app(scope, receive, send)
        finally:
            self.left(session)

    def _refused(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that is not passed on."""
        if not self.is_ours(dict(scope["headers"]).get(b"host", b"").decode("latin-1")):
            return _told(scope, 421, "errors.host_unknown")
        used = READ if scope["method"] in ("GET", "HEAD", "OPTIONS") else WRITE
        if scope["method"] == "OPTIONS":
            return None
        if not used.fullmatch(scope["path"]) or scope["method"] not in ("GET", "HEAD", "POST"):
            return _told(scope, 404, "errors.route_unknown")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        limit = uploads.MAX_REQUEST if scope["path"].startswith(f"{API}upload") else MAX_BODY
        if not length.isdigit() or int(length) > limit:
            return _too_large(scope, limit)
        return None

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names this machine: an address does, and no rebound name can be one."""
        name = re.sub(r":\d+$", "", host).strip("[]").lower()
        if name in self.hosts or any(
            name.endswith(f".{own.lstrip('.')}") for own in self.hosts if own[:1] == "."
        ):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class _Bounded:
    """A request's body, which ends in TooLargeError past its limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left, self.exceeded = receive, limit, False

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.exceeded = True
            raise TooLargeError
        return message


async def _drain(receive: Receive) -> None:
    """Let a body come that nobody reads: who is cut off while sending does not see the answer."""
    left = uploads.MAX_REQUEST
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return


class _Answer:
    """Sends what the page answers, but not what it makes of a body that was cut off."""

    def __init__(self, send: Send, body: _Bounded) -> None:
        self._send, self._body, self.begun = send, body, False

    async def __call__(self, message: Message) -> None:
        if self._body.exceeded and not self.begun:
            return
        self.begun = True
        await self._send(message)


def _too_large(scope: Scope, limit: int) -> PlainTextResponse:
    return _told(scope, 413, "errors.request_too_big", limit=megabytes(limit))


def _told(scope: Scope, status: int, key: str, **facts: Any) -> PlainTextResponse:
    sentence = i18n.say(i18n.language(Request(scope)), key, **facts)
    return PlainTextResponse(sentence, status, headers=HEADERS)
