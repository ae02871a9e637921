"""The page's document and configuration, kept ready, so that a full lecture hall can open the page at once.

Gradio copies the configuration of every component for each `/` and `/config`, which takes a third of a
second; nothing in them differs from visitor to visitor but the address that they were asked under.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import i18n

PATHS = frozenset({"/", "/config", "/gradio_api/info"})
KEPT = 32  # answers; whoever sends made-up Host headers pushes out old ones and fills no memory
# What Gradio builds addresses from, and what decides how a body is encoded.
VARIES = ("host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server", "accept-encoding")
# Parameters that only the browser's scripts read; with any other an answer is its own.
IDLE = frozenset(
    {
        "__theme",
        "lab",
        "talk",
        "view",
        "scan",
        "q",
        "methods",
        "object",
        "mask",
        "seed",
        "model",
        "look",
        "count",
        "serialize",
    }
)

Key = tuple[str, ...]


@dataclass
class _Kept:
    """The messages of one complete answer."""

    start: Message
    body: bytearray = field(default_factory=bytearray)


class PageCache:
    """ASGI middleware, to stand outside of all that rewrites the page: made once for an address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._making: dict[Key, asyncio.Lock] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from what is kept, else pass the request on and keep a complete good answer."""
        key = _key(scope)
        if key is None:
            await self.app(scope, receive, send)
            return
        if key not in self._kept:
            # Who asks while the answer is made waits for it, else a hall that opens a fresh page makes it
            # a hundred times at once.
            async with self._making.setdefault(key, asyncio.Lock()):
                if key not in self._kept:
                    await self._make(key, scope, receive, send)
                    self._making.pop(key, None)
                    return
        found = self._kept[key]
        self._kept.move_to_end(key)
        await send(found.start)
        await send({"type": "http.response.body", "body": bytes(found.body)})

    async def _make(self, key: Key, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by the app, and keep the answer if it is complete and good."""
        answer: _Kept | None = None

        async def sender(message: Message) -> None:
            nonlocal answer
            if message["type"] == "http.response.start":
                answer = _Kept(dict(message)) if message["status"] == 200 else None
            elif answer is not None and message["type"] == "http.response.body":
                answer.body += message.get("body", b"")
                if not message.get("more_body"):
                    self._keep(key, answer)
            await send(message)

        await self.app(scope, receive, sender)

    def _keep(self, key: Key, answer: _Kept) -> None:
        self._kept[key] = answer
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _key(scope: Scope) -> Key | None:
    """What an answer depends on; None where each visitor has an answer of their own."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in PATHS:
        return None
    headers = Headers(scope=scope)
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    language = asked.pop("lang", [""])[0]
    if language not in i18n.LANGUAGES:
        language = i18n.matching(headers.get("accept-language"))
    if asked.keys() - IDLE or "authorization" in headers or "access-token" in headers.get("cookie", ""):
        return None
    return (
        scope["path"],
        scope["scheme"],
        scope.get("root_path", ""),
        language,
        *(headers.get(name, "") for name in VARIES),
    )
