"""The HTML document around Gradio's page: language and talk mode before anything is drawn.

Gradio follows `navigator.language` and has no way to choose by URL, and what `launch(head=)`
adds comes after its words were chosen; `launch(css=)` rewrites every selector to lie inside its
own container. So this middleware puts one script and the stylesheet at the top of the document,
and headers that keep a browser from guessing types or telling where it came from.
"""

from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http_guard import HEADERS

# ?lang= overrules the browser; ?talk=1 sets a class; [data-set] controls change one parameter.
SCRIPT = """<script>(() => {
const asked = new URLSearchParams(location.search);
const zh = asked.get('lang') ? asked.get('lang') === 'zh-CN' : /^zh/i.test(navigator.language || '');
const lang = zh ? 'zh-CN' : 'en';
Object.defineProperty(navigator, 'language', {get: () => lang, configurable: true});
const root = document.documentElement;
root.lang = lang;
root.classList.toggle('talk', asked.get('talk') === '1');
document.addEventListener('click', event => {
  const control = event.target.closest('[data-set]');
  if (!control) return;
  const [key, value] = control.dataset.set.split('=');
  const url = new URL(location.href);
  value ? url.searchParams.set(key, value) : url.searchParams.delete(key);
  location.assign(url);
});
})();</script>"""


class Document:
    """ASGI middleware; only the page itself ("/") is rewritten."""

    def __init__(self, app: ASGIApp, style: str) -> None:
        self.app = app
        self.head = f"<head>{SCRIPT}<style>{style}</style>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with our headers and script."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
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
