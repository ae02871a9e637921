"""The page: header, one tab for each lab, footer; and how it is served."""

import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import networking
from gradio.context import Context
from gradio.utils import LRUCache
from starlette.middleware import Middleware

from app import (
    __version__,
    allocator,
    connections,
    document,
    guards,
    http_guard,
    jobs,
    look,
    process_folder,
    uploads,
    words,
)
from app.jobs import in_plain_words
from app.telling import notice
from app.visits import MOST, Visits
from models.core import checkpoints, device
from models.core.errors import UserError
from models.core.guards import MAX_FILE

TICK = 10.0  # seconds
TRIM = 6  # ticks between looks at freed memory
FAREWELL = 3.0  # seconds that jobs have to end when the program is stopped
_served: list[Visits] = []

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Lab:
    """A tab of the page. module: has `build(visits, i18n)`, which lays out and wires the tab."""

    name: str
    module: str


LABS = (
    Lab("scene", "app.scene_tab"),
    Lab("face", "app.face_tab"),
    Lab("colonoscopy", "app.colonoscopy_tab"),
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
            raise guards.refusal("payload") from None


def build(visits: Visits | None = None) -> tuple[gr.Blocks, gr.I18n]:
    """The whole page and its words; nothing is served yet."""
    visits = visits or Visits()
    modules = {lab: _load(lab) for lab in LABS}
    i18n = words.i18n({name: _fragments(name, modules) for name in words.LANGUAGES})
    with Page(title="Trilab", fill_width=True) as page:
        gr.HTML(i18n("html.header"), elem_id="tl-header", apply_default_css=False)
        with gr.Tabs(elem_id="tl-labs", selected=LABS[0].name) as tabs:
            for lab, module in modules.items():
                with gr.Tab(i18n(f"{lab.name}.tab"), id=lab.name, elem_id=f"tl-{lab.name}"):
                    _build_lab(lab, module, visits, i18n)
        foot = gr.HTML(i18n("html.footer"), elem_id="tl-footer", apply_default_css=False)
        page.load(_choose_lab, None, tabs, queue=False, show_progress="hidden", api_visibility="private")
        page.load(_footer, None, foot, show_progress="hidden", api_visibility="private")
    page.queue(max_size=64, default_concurrency_limit=None)
    page._queue.pending_messages_per_session = LRUCache(MOST)  # answers that nobody fetches, else 2,000
    return page, i18n


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
    jobs.wait_until_idle(FAREWELL)
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
    guards.forbid_fetching()
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
        theme=look.theme(),
        max_file_size=MAX_FILE,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        state_session_capacity=MOST,
        app_kwargs={
            "middleware": [
                Middleware(
                    http_guard.HttpGuard,
                    hosts=[*names, *([".gradio.live"] if share else [])],
                    arrived=visits.arrived,
                    left=visits.left,
                ),
                Middleware(document.Document, style=look.CSS.read_text(encoding="utf-8")),
            ]
        },
    )
    threading.Thread(target=_tick, args=(page, visits), daemon=True).start()
    return page


def _tick(page: gr.Blocks, visits: Visits) -> None:
    """Forget who has left, and what was left, every TICK seconds while the page is served."""
    ticks = 0
    while page.is_running:
        visits.forget()
        uploads.sweep()
        if ticks % TRIM == 0 and jobs.idle():
            allocator.trim()
        ticks += 1
        time.sleep(TICK)


def _private_uploads() -> None:
    """Let uploads land in the folder of this process, each alone."""
    os.environ["GRADIO_TEMP_DIR"] = str(process_folder.served())
    uploads.install()


def _load(lab: Lab) -> Any:
    """The lab's module, or the UserError that tells why it can't be imported."""
    try:
        return importlib.import_module(lab.module)
    except Exception as error:  # a lab that fails must not take the page with it
        return in_plain_words(error)


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
    def control(change: str, label: str, kind: str = "") -> str:
        return f'<button type="button" class="{kind}" data-set="{change}">{escape(label)}</button>'

    say = words.words(language)
    others = "".join(
        control(f"lang={name}", label, "tl-on" if name == language else "")
        for name, label in words.LANGUAGES.items()
    )
    themes = control("__theme=light", say["page.theme_light"], "tl-to-light") + control(
        "__theme=dark", say["page.theme_dark"], "tl-to-dark"
    )
    return (
        f'<header><div class="tl-brand"><b>{escape(say["page.title"])}</b>'
        f"<span>{escape(say['page.subtitle'])}</span></div>"
        f'<nav aria-label="{escape(say["page.language"])}"><span class="tl-group">{others}</span>'
        f'<span class="tl-group">{themes}</span>'
        f"{control('talk=1', say['page.talk'], 'tl-talk')}</nav></header>"
        f'<div class="tl-leave">{control("talk=", say["page.talk_leave"])}</div>'
    )


def _foot(language: str, processor: str | None) -> str:
    say = words.words(language)
    names = ", ".join(f"{card.name} · {card.sha256}" for lab in LABS for card in _cards(lab.name))
    facts = [
        say["page.device"].format(device=processor.upper()) if processor else say["page.device_unknown"],
        say["page.answered_by"].format(names=names) if names else say["page.no_checkpoint"],
        say["page.version"].format(version=__version__),
        say["page.licence"],
    ]
    return (
        f"<footer><p>{escape(say['page.local'])}</p><p>"
        + "".join(f"<span>{escape(fact)}</span>" for fact in facts)
        + f'<button type="button" data-set="view=api">{escape(say["page.api"])}</button></p></footer>'
    )


def _cards(lab: str) -> list[checkpoints.CheckpointCard]:
    try:
        return checkpoints.all_cards(lab)
    except UserError:
        return []


def _choose_lab(request: gr.Request) -> Any:
    """`?lab=` opens a tab by its name."""
    wanted = dict(request.query_params).get("lab")
    return gr.Tabs(selected=wanted) if wanted in {lab.name for lab in LABS} else gr.skip()


def _footer(request: gr.Request) -> str:
    return _foot(words.language(request), processor())


@cache
def processor() -> str:
    """Where networks will run, "cuda", "mps" or "cpu".

    Asked in a process of its own while torch isn't loaded here: importing it would cost
    this one seconds and 300 MB before anybody asked anything.
    """
    if "torch" in sys.modules or device.chosen() != "auto":
        return device.best()
    question = "from models.core import device; print(device.best())"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return answer.stdout.strip() or "cpu"
