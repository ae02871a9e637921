"""The HTML document around Gradio's page: lab, language, colours and talk mode before anything is drawn.

Gradio follows `navigator.language` and has no way to choose by URL, and what `launch(head=)`
adds comes after its words were chosen; `launch(css=)` rewrites every selector to lie inside its
own container. So this middleware puts one script (scripts/page.js) and the stylesheet at the top of
the document, and headers that keep a browser from guessing types or telling where it came from.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import i18n, model_cards
from app.http_guard import HEADERS
from app.scripts import script


class Document:
    """ASGI middleware: the page itself ("/") is rewritten; "/api" and "/cards?lab=" are pages of our own.

    api: gives the HTML of the page for scripts, of a language and the address of the other page.
    """

    def __init__(self, app: ASGIApp, style: str, api: Callable[[str, str], str]) -> None:
        self.app = app
        self.api = api
        self.head = f"<head><script>{_core()}{script('page')}</script><style>{style}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with our headers and script."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own = {"/api": self._api, "/cards": self._cards}.get(scope["path"])
        if own is not None and scope["method"] == "GET":
            await HTMLResponse(own(Request(scope)), headers=HEADERS)(scope, receive, send)
            return
        page = scope["path"] == "/" and scope["method"] == "GET"
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
                body = held["body"].replace(b"<head>", self.head, 1)
                MutableHeaders(scope=held["start"])["content-length"] = str(len(body))
                await send(held["start"])
                message = {"type": "http.response.body", "body": body}
            await send(message)

        await self.app(scope, receive, sender)

    def _api(self, request: Request) -> str:
        return self.api(i18n.language(request), str(request.url.replace(query="")).removesuffix("api"))

    def _cards(self, request: Request) -> str:
        return model_cards.html(request.query_params.get("lab", "")[:20])


def _core() -> str:
    """Tells page.js where Gradio's module is that changes the language; its name holds a hash."""
    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    module = next(
        file.name for file in sorted(assets.glob("core-*.js")) if "changeLocale" in file.read_text()
    )
    return f"const CORE = new URL({json.dumps('assets/' + module)}, location.href).href;"
