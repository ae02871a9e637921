"""The page: header, one tab for each lab, footer; and how it is served."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import networking
from gradio.blocks import Block
from gradio.context import Context
from starlette.middleware import Middleware

from app import (
    __version__,
    allocator,
    api_page,
    connections,
    html_middleware,
    http_guard,
    job_queue,
    model_cards,
    page_cache,
    process_folder,
    theme,
    unfetched,
    uploads,
    validation,
)
from app import i18n as words
from app.job_queue import in_plain_words
from app.messages import hears_language, notice
from app.session import MOST, Visits
from models.core import device, executors
from models.core.errors import UserError
from models.core.upload_validation import MAX_FILE

TICK = 10.0  # seconds
TRIM = 60.0  # seconds, at most, between two times that freed memory is given back
FAREWELL = 3.0  # seconds that jobs have to end when the program is stopped
# Who stands in a job queue's line holds a thread. With Gradio's 40 the next visitors waited at the door for
# minutes, even with what takes no time, and their uploads went unread.
THREADS = 2 * MOST
_served: list[Visits] = []

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Lab:
    """A tab of the page. module: has `build(visits, i18n)`, which lays out and wires the tab."""

    name: str
    module: str


LABS = (
    Lab("scene", "app.scene.tab"),
    Lab("face", "app.face.tab"),
    Lab("colonoscopy", "app.colonoscopy.tab"),
)


class Page(gr.Blocks):
    """Gradio's page, which tells in a sentence why the values of a call can't be read; Gradio says null."""

    def block_thread(self) -> None:
        """Wait until interrupted. Gradio would wait for its connections first, while files lie there."""
        with suppress(KeyboardInterrupt):
            while self.is_running:
                time.sleep(0.1)

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """What a call's function gets. Raises gr.Error."""
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error:
            raise
        except Exception:
            raise validation.refusal("payload") from None


def build(visits: Visits | None = None) -> tuple[gr.Blocks, gr.I18n]:
    """The whole page and its words; nothing is served yet."""
    visits = visits or Visits()
    modules = {lab: _load(lab) for lab in LABS}
    i18n = words.i18n({name: _fragments(name, modules) for name in words.LANGUAGES})
    with Page(title="Trilab", fill_width=True) as page:
        gr.HTML(i18n("html.header"), elem_id="tl-header", apply_default_css=False)
        with gr.Tabs(elem_id="tl-labs", selected=LABS[0].name):
            for lab, module in modules.items():
                with gr.Tab(i18n(f"{lab.name}.tab"), id=lab.name, elem_id=f"tl-{lab.name}") as tab:
                    _build_lab(lab, module, visits, i18n)
                opened = f"() => trilab.lab('{lab.name}')"
                tab.select(None, None, None, js=opened, show_progress="hidden", api_visibility="private")
        hearing = hears_language()
        foot = gr.HTML(i18n("html.footer"), elem_id="tl-footer", apply_default_css=False)
        page.load(_footer, None, foot, show_progress="hidden", api_visibility="private")
        hearing.spoken(_footer, None, foot, show_progress="hidden", api_visibility="private")
        page.unload(_nothing)  # else a page without a State opens no heartbeat, and its visit outlives it
    page.queue(max_size=64, default_concurrency_limit=None)
    page._queue.pending_messages_per_session = unfetched.Answers(
        THREADS
    )  # of whom nobody fetches, else 2,000
    return page, i18n


def _nothing() -> None:
    """A visit ends with its heartbeat (`http_guard`), not by an event."""


def serve(host: str, port: int, share: bool, browser: bool, names: Sequence[str] = ()) -> None:
    """Serve the page until interrupted or terminated, then leave nothing behind.

    names: under which the page may be opened, besides addresses. Raises UserError: port_range, port_taken.
    """
    port = _free_port(host, port)
    allocator.bound()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # systemd and Docker stop as Ctrl+C does
    try:
        page = start(host, port, share, browser, names)
        print(f"Trilab is at {page.local_url}", flush=True)
        page.block_thread()
    except KeyboardInterrupt:  # before all was ready
        pass
    finally:
        _leave()


def _leave() -> None:
    """Tell the jobs, wait for them a moment, and delete what was kept; ends within 10 s."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for visits in _served:
        visits.end_all()
    job_queue.wait_until_idle(FAREWELL)
    process_folder.remove()


def _free_port(host: str, port: int) -> int:
    """The port, or for 0 one that is free. Raises UserError: port_range, port_taken."""
    if not 0 <= port <= 65535:
        raise UserError("port_range", port=port)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UserError("port_taken", host=host, port=port) from error
        return int(probe.getsockname()[1])


def start(
    host: str, port: int | None, share: bool = False, browser: bool = False, names: Sequence[str] = ()
) -> gr.Blocks:
    """Serve the page from a thread; `.close()` ends it. port: None for any that is free."""
    visits = Visits()
    _served.append(visits)
    _private_uploads()
    validation.forbid_fetching()
    # Gradio gives up where its own page takes 3 s, as it may on a busy machine; by then it has answered once.
    networking.url_ok = lambda url: True
    connections.install()
    page, i18n = build(visits)
    page.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        share=share,
        inbrowser=browser,
        prevent_thread_lock=True,
        quiet=not share,
        i18n=i18n,
        theme=theme.theme(),
        max_file_size=MAX_FILE,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        state_session_capacity=MOST,
        max_threads=THREADS,
        app_kwargs={
            "middleware": [
                Middleware(
                    http_guard.HttpGuard,
                    hosts=[*names, *([".gradio.live"] if share else [])],
                    arrived=visits.arrived,
                    left=visits.left,
                ),
                Middleware(page_cache.PageCache),
                Middleware(
                    html_middleware.Document,
                    style=theme.css() + "".join(_of_labs("style").values()),
                    api=lambda language, address: api_page.html(language, page.get_api_info(), address),
                    data=_of_labs("data"),
                    ahead=_of_labs("ahead"),
                    kinds={one.get_block_name() for one in page.blocks.values() if _is_shown(one)},
                ),
            ]
        },
    )
    threading.Thread(target=_tick, args=(page, visits), daemon=True).start()
    return page


def _is_shown(block: Block) -> bool:
    """Whether Gradio fetches what draws a component with the page: not where it is hidden at first."""
    return getattr(block, "visible", True) is not False


def _tick(page: gr.Blocks, visits: Visits) -> None:
    """Forget who has left, what was left and what was freed, every TICK seconds while the page is served."""
    trimmed = time.monotonic()
    while page.is_running:
        visits.forget()
        uploads.sweep(uploads.UNREAD if visits.nobody() else uploads.WAITING)
        # It holds up whoever computes, but where somebody always does, memory would never be given back.
        if job_queue.idle() or time.monotonic() - trimmed > TRIM:
            allocator.trim()
            trimmed = time.monotonic()
        time.sleep(TICK)


def _private_uploads() -> None:
    """Let uploads land in the folder of this process, each alone."""
    os.environ["GRADIO_TEMP_DIR"] = str(process_folder.served())
    uploads.install()


def rehearsals() -> list[tuple[Any, ...]]:
    """The jobs, each a function and its arguments, that load a lab's networks where they run elsewhere."""
    found = []
    for lab in LABS:
        with suppress(Exception):  # a lab that can't start says so in its tab
            found.append(importlib.import_module(f"app.{lab.name}.service").rehearsal())
    return found


def _load(lab: Lab) -> Any:
    """The lab's module, or the UserError that tells why it can't be imported."""
    try:
        return importlib.import_module(lab.module)
    except Exception as error:  # a lab that fails must not take the page with it
        return in_plain_words(error)


def _of_labs(name: str) -> dict[str, Any]:
    """What the labs have under a name, put together: "style", or what `html_middleware.Document` takes."""
    found = (getattr(_load(lab), name, None) for lab in LABS)
    return {key: value for one in found if one for key, value in one().items()}


def _build_lab(lab: Lab, module: Any, visits: Visits, i18n: gr.I18n) -> None:
    tab = Context.block
    try:
        if isinstance(module, UserError):
            raise module
        module.build(visits, i18n)
    except Exception as error:
        if tab is not None:
            tab.children.clear()
        reason = in_plain_words(error)
        key = f"html.failed_{lab.name}"
        for name in words.LANGUAGES:
            text = words.say(name, "page.lab_failed", reason=words.explain(name, reason))
            i18n.translations[name][key] = notice(text)
        gr.HTML(i18n(key), apply_default_css=False)


def _fragments(language: str, modules: dict[Lab, Any]) -> dict[str, str]:
    """Pieces of HTML and names that are put together from the words of a language."""
    own = {"html.header": _header(language), "html.footer": _foot(language, None)}
    for module in modules.values():
        if hasattr(module, "fragments"):
            own.update(module.fragments(language))
    return own


def _header(language: str) -> str:
    say = words.words(language)

    def control(change: str, label: str) -> str:
        return f'<button type="button" data-set="{change}">{escape(label)}</button>'

    def group(name: str, controls: Iterable[str]) -> str:
        return (
            f'<span class="tl-group" role="group" aria-label="{escape(say[name])}">{"".join(controls)}</span>'
        )

    languages = (control(f"lang={name}", label) for name, label in words.LANGUAGES.items())
    themes = (control(f"__theme={name}", say[f"page.theme_{name}"]) for name in ("light", "dark"))
    return (
        f'<a class="tl-skip" href="#tl-labs">{escape(say["page.skip"])}</a>'
        f'<header><div class="tl-brand"><h1>{escape(say["page.title"])}</h1>'
        f"<span>{escape(say['page.subtitle'])}</span></div>"
        f"<nav>{group('page.language', languages)}{group('page.theme', themes)}"
        f'<span class="tl-talk">{control("talk=1", say["page.talk"])}</span></nav></header>'
        f'<div class="tl-leave">{control("talk=", say["page.talk_leave"])}</div>{_keys(say)}'
    )


def _keys(say: Mapping[str, str]) -> str:
    """The sheet of the presenter's keys; page.js hears them."""
    keys = {"n": "next", "a": "go", "c": "compare", "h": "history", "f": "full"}
    keys |= {"1 2 3": "labs", "?": "sheet", "q": "leave"}
    rows = "".join(f"<dt>{key}</dt><dd>{escape(say[f'page.keys_{name}'])}</dd>" for key, name in keys.items())
    return (
        '<dialog class="tl-window tl-keys" aria-labelledby="tl-keys-title">'
        f'<form method="dialog"><button>{escape(say["page.close"])}</button></form>'
        f'<h2 id="tl-keys-title">{escape(say["page.keys"])}</h2><dl>{rows}</dl></dialog>'
    )


def _foot(language: str, processor: str | None) -> str:
    say = words.words(language)
    facts = [
        say["page.device"].format(device=processor.upper()) if processor else say["page.device_unknown"],
        *([] if any(model_cards.cards(lab.name) for lab in LABS) else [say["page.no_checkpoint"]]),
        say["page.version"].format(version=__version__),
        say["page.licence"],
    ]
    return (
        f"<footer><p>{escape(say['page.local'])}</p><p>"
        + "".join(f"<span>{escape(fact)}</span>" for fact in facts)
        + f'<a href="api?lang={language}" target="_blank">{escape(say["page.api"])}</a></p></footer>'
    )


def _footer(request: gr.Request) -> str:
    return _foot(words.language(request), processor())


@cache
def processor() -> str:
    """Where networks will run, "cuda", "mps" or "cpu".

    Asked in a process of its own while torch isn't loaded here: importing it would cost
    this one seconds and 300 MB before anybody asked anything.
    """
    elsewhere = executors.chosen()
    if elsewhere is not None:
        return elsewhere.device()
    if "torch" in sys.modules or device.chosen() != "auto":
        return device.best()
    question = "from models.core import device; print(device.best())"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return answer.stdout.strip() or "cpu"
