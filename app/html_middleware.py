"""The HTML document around Gradio's page: lab, language, colours and talk mode before anything is drawn.

Gradio follows `navigator.language` and has no way to choose by URL, and what `launch(head=)`
adds comes after its words were chosen; `launch(css=)` rewrites every selector to lie inside its
own container. So this middleware puts one script (scripts/page.js) and the stylesheet at the top of
the document, and headers that keep a browser from guessing types or telling where it came from.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import brotli
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import i18n, model_cards, page_assets
from app.http_guard import HEADERS
from app.scripts import script
from models.core.errors import UserError

SHEET = re.compile(rb'<link rel="stylesheet"[^>]*>')  # that Gradio's document asks for; the rules are in ours


class Document:
    """ASGI middleware: the page itself ("/") is rewritten; "/api", "/cards" and `data` are ours.

    api: gives the HTML of the page for scripts, of a language and the address of the other page.
    data: by path what gives the JSON or the script (a path that ends in .js), or the bytes of a WebP, for a
    `?name=`, or raises UserError for a name that is none.
    ahead: by lab what a browser fetches at once when that lab is opened: "as", "href", and where a parameter
    of the page's address ends the href, "parameter" and what stands there "else".
    kinds: of Gradio's components that the page has.
    """

    def __init__(
        self,
        app: ASGIApp,
        style: str,
        api: Callable[[str, str], str],
        data: Mapping[str, Callable[[str], str | bytes]],
        ahead: Mapping[str, Any],
        kinds: Iterable[str],
    ) -> None:
        self.app = app
        self.api = api
        self.data = data
        # A name that is none raises, and is not kept: no more is than ships, in each encoding.
        self.packed = cache(lambda path, name, encoding: _packed(path, data[path](name), encoding))
        known = {
            "CORE": page_assets.core(),
            "SCRIPTS": page_assets.scripts(kinds),
            "AHEAD": ahead,
            "LANGUAGES": list(i18n.LANGUAGES),
        }
        consts = "".join(f"const {name} = {json.dumps(value)};" for name, value in known.items())
        rules, files = page_assets.styles(kinds)
        # A stylesheet that is there, and off, is not fetched, and Gradio looks whether it is there.
        off = "".join(f'<link rel="stylesheet" href="./assets/{file}" disabled>' for file in files)
        top = f"<script>{consts}{script('page')}</script>{off}<style>{rules}</style><style>{style}</style>"
        self.head = f"<head>{top}".encode()

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
                body = SHEET.sub(b"", held["body"]).replace(b"<head>", self.head, 1)
                packed, more = compressed(body, encoding)
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


def compressed(body: bytes, encoding: str, quality: int = 6) -> tuple[bytes, dict[str, str]]:
    """A body in an encoding, and the headers that say so. Gradio goes by a path's ending alone.

    quality: of brotli, 0 to 11.
    """
    told = {"vary": "accept-encoding"}
    if not encoding:
        return body, told
    packed = brotli.compress(body, quality=quality) if encoding == "br" else gzip.compress(body, 6)
    return packed, {**told, "content-encoding": encoding}


def _packed(path: str, content: str | bytes, encoding: str) -> tuple[bytes, dict[str, str]]:
    """What one of `data` gave, as it goes out: a picture is as small as it gets already."""
    if isinstance(content, bytes):
        return content, {"content-type": "image/webp"}
    body, more = compressed(content.encode(), encoding, quality=9)  # once for everybody
    kind = "text/javascript" if path.endswith(".js") else "application/json"
    return body, {**more, "content-type": kind}
