"""The HTML document around Gradio's page: lab, language, colours and talk mode before anything is drawn.

Gradio follows `navigator.language` and has no way to choose by URL, and what `launch(head=)`
adds comes after its words were chosen; `launch(css=)` rewrites every selector to lie inside its
own container. So this middleware puts one script (scripts/page.js) and the stylesheet at the top of
the document, and headers that keep a browser from guessing types or telling where it came from.
"""

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import brotli
import gradio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import i18n, model_cards
from app.http_guard import HEADERS
from app.scripts import script
from models.core.errors import UserError


class Document:
    """ASGI middleware: the page itself ("/") is rewritten; "/api", "/cards" and `data` are ours.

    api: gives the HTML of the page for scripts, of a language and the address of the other page.
    data: by path what gives the JSON, or the bytes of a WebP, for a `?name=`, or raises UserError for a name
    that is none.
    ahead: by lab what a browser fetches at once when that lab is opened: "as", "href", and where a parameter
    of the page's address ends the href, "parameter" and what stands there "else".
    """

    def __init__(
        self,
        app: ASGIApp,
        style: str,
        api: Callable[[str, str], str],
        data: Mapping[str, Callable[[str], str | bytes]],
        ahead: Mapping[str, Any],
    ) -> None:
        self.app = app
        self.api = api
        self.data = data
        # A name that is none raises, and is not kept: no more is than ships, in each encoding.
        self.packed = cache(lambda path, name, encoding: _packed(data[path](name), encoding))
        known = f"{_core()}const AHEAD = {json.dumps(ahead)}, LANGUAGES = {json.dumps(list(i18n.LANGUAGES))};"
        self.head = f"<head><script>{known}{script('page')}</script><style>{style}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with our headers and script."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own = {"/api": self._api, "/cards": self._cards, **dict.fromkeys(self.data, self._data)}.get(
            scope["path"]
        )
        if own is not None and scope["method"] == "GET":
            answer = await run_in_threadpool(own, Request(scope))
            await answer(scope, receive, send)
            return
        page = scope["path"] == "/" and scope["method"] == "GET"
        encoding = accepted_encoding(Headers(scope=scope).get("accept-encoding", ""))
        held: dict[str, Any] = {"start": None, "body": b""}

        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if page:
                    held["start"] = message
                    return
            if page and message["type"] == "http.response.body":
                held["body"] += message.get("body", b"")
                if message.get("more_body"):
                    return
                packed, more = compressed(held["body"].replace(b"<head>", self.head, 1), encoding)
                headers = MutableHeaders(scope=held["start"])
                headers.update({**more, "content-length": str(len(packed))})
                await send(held["start"])
                message = {"type": "http.response.body", "body": packed}
            await send(message)

        await self.app(scope, receive, sender)

    def _api(self, request: Request) -> Response:
        address = str(request.url.replace(query="")).removesuffix("api")
        return HTMLResponse(self.api(i18n.language(request), address), headers=HEADERS)

    def _cards(self, request: Request) -> Response:
        return HTMLResponse(model_cards.html(request.query_params.get("lab", "")[:20]), headers=HEADERS)

    def _data(self, request: Request) -> Response:
        encoding = accepted_encoding(request.headers.get("accept-encoding", ""))
        try:
            body, more = self.packed(request.url.path, request.query_params.get("name", "")[:100], encoding)
        except UserError as error:
            told = i18n.explain(i18n.language(request), error)
            return PlainTextResponse(told, status_code=404, headers=HEADERS)
        kept = {"cache-control": "max-age=86400"}  # it ships, and changes with the program alone
        return Response(body, headers={**HEADERS, **kept, **more})


def accepted_encoding(accepted: str) -> str:
    """The best that we have of those that a browser accepts; "" for none."""
    return next((name for name in ("br", "gzip") if name in accepted), "")


def compressed(body: bytes, encoding: str) -> tuple[bytes, dict[str, str]]:
    """A body in an encoding, and the headers that say so. Gradio goes by a path's ending alone."""
    told = {"vary": "accept-encoding"}
    if not encoding:
        return body, told
    packed = brotli.compress(body, quality=4) if encoding == "br" else gzip.compress(body, 6)
    return packed, {**told, "content-encoding": encoding}


def _packed(content: str | bytes, encoding: str) -> tuple[bytes, dict[str, str]]:
    """What one of `data` gave, as it goes out: a picture is as small as it gets already."""
    if isinstance(content, bytes):
        return content, {"content-type": "image/webp"}
    body, more = compressed(content.encode(), encoding)
    return body, {**more, "content-type": "application/json"}


def _core() -> str:
    """Tells page.js where Gradio's module is that changes the language; its name holds a hash."""
    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    module = next(
        file.name for file in sorted(assets.glob("core-*.js")) if "changeLocale" in file.read_text()
    )
    return f"const CORE = new URL({json.dumps('assets/' + module)}, location.href).href;"
