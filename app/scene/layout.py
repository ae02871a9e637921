"""The scene tab's widgets, laid out, and what they show of a session: what the tab and its panels share."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from app.components import scene_view
from app.components.history_strip import Past
from app.components.upload_widgets import FilesButton, any_file
from app.earlier import Earlier
from app.i18n import language, part, say, words
from app.lab_tab import LabTab
from app.messages import Updates, hears_language, html, why
from app.scene import example_cache, object_views, questions, service, views
from app.scene.questions import Question
from app.scene.session import SceneSession
from app.scripts import script
from app.session import Visits
from models.core.errors import UserError
from models.core.registry import Registry
from models.scene import pipeline, thumbnails
from models.scene.captioning.registry import CAPTIONERS
from models.scene.data.scan import Scan
from models.scene.grounding.registry import GROUNDERS
from models.scene.segmentation.registry import SEGMENTERS


class SceneWidgets(LabTab[SceneSession]):
    """The widgets; `SceneTab` and the panels say what happens when one is used."""

    lab = SceneSession

    def __init__(self, visits: Visits, i18n: gr.I18n) -> None:
        self.visits = visits
        with gr.Row(elem_classes="tl-scene", equal_height=False):
            with gr.Column(elem_classes="tl-side", scale=0, min_width=220):
                self._lay_side(i18n)
            with gr.Column(elem_classes="tl-stage", scale=5, min_width=320):
                self._lay_stage(i18n)
            with gr.Column(elem_classes="tl-reasons", scale=3, min_width=320):
                self._lay_reasons(i18n)
        self.shown = [
            *(self.picker, self.sentence, self.chips, self.notice, self.view, self.status),
            *(self.panel, self.object, self.room, self.methods, self.captioners, self.earlier.strip),
        ]

    def _lay_side(self, i18n: gr.I18n) -> None:
        html(i18n("html.scene_lead"))
        choices = [(i18n(f"scans.{scan}"), scan) for scan in example_cache.names()]
        self.picker = gr.Radio(choices, label=i18n("scene.scans"), elem_id="tl-scans")
        with gr.Row(elem_classes="tl-uploads"):
            self.upload = FilesButton(
                str(i18n("scene.upload")), file_count="multiple", elem_id="tl-upload", size="md"
            )
        html(i18n("html.scene_upload_note"), js_on_load=any_file())

    def _lay_stage(self, i18n: gr.I18n) -> None:
        with gr.Row(elem_classes="tl-ask"):
            self.sentence = gr.Textbox(
                label=i18n("scene.sentence"),
                placeholder=i18n("scene.placeholder"),
                elem_id="tl-sentence",
                scale=1,
                max_lines=1,
            )
            self.find = gr.Button(
                i18n("scene.find"), variant="primary", elem_id="tl-find", scale=0, min_width=110
            )
        first = i18n(
            "html.scene_chips"
        )  # of the scan that opens unless another is asked for: they keep its room
        self.chips = html(first, elem_id="tl-examples", js_on_load=script("chips"))
        self.methods = gr.CheckboxGroup(
            _choices(GROUNDERS), value=[GROUNDERS.default], label=i18n("scene.methods"), elem_id="tl-methods"
        )
        self.notice = html(elem_id="tl-notice")
        self.view = scene_view.SceneView(words=part("viewer", scene_view.WORDS), elem_id="tl-view")
        self.status = html(elem_id="tl-status")
        self.earlier = Earlier(self.visits, Question, _past, "questions")

    def _lay_reasons(self, i18n: gr.I18n) -> None:
        self.panel = html(
            i18n("html.scene_waiting"), elem_id="tl-panel", js_on_load=script("rows") + script("comparison")
        )
        self.object = html(elem_id="tl-object", js_on_load=script("object"))
        self.hearing = hears_language()
        self.room = html(elem_id="tl-room", js_on_load=script("room"))
        captioners, segmenters = _choices(CAPTIONERS), _choices(SEGMENTERS)
        self.captioners = gr.CheckboxGroup(
            captioners,
            value=[CAPTIONERS.default],
            label=i18n("scene.captioners"),
            elem_id="tl-captioners",
            visible=len(captioners) > 1,
        )
        self.segmenter = gr.Radio(
            segmenters,
            value=SEGMENTERS.default,
            label=i18n("scene.segmenter"),
            elem_id="tl-segmenter",
            visible=len(segmenters) > 1,
        )
        html(i18n("html.scene_cards"), elem_id="tl-scene-card")

    def addressed(self) -> dict[str, Any]:
        """The event that writes what stands on the tab into the address."""
        first = {"FIRST_METHOD": GROUNDERS.default, "FIRST_CAPTIONER": CAPTIONERS.default}
        code = script("scene_address")
        for word, name in first.items():
            code = code.replace(word, repr(name))
        stated = [self.picker, self.sentence, self.methods, self.captioners]
        return {
            "fn": None,
            "inputs": stated,
            "js": code,
            "api_visibility": "private",
            "show_progress": "hidden",
        }

    def described_by(self, session: SceneSession, names: str) -> Updates:
        """These captioners, "a,b", describe objects from now on. Raises UserError("model_unknown")."""
        service.choose_captioners(session, names)
        return {self.captioners: list(session.captioners)}

    def telling(
        self, request: gr.Request, work: Callable[[SceneSession], Iterator[Updates]]
    ) -> Iterator[Updates]:
        """What `work` shows step by step, and the sentence that tells why it went no further."""
        try:
            for updates in work(self.session(request)):
                yield {self.notice: "", **updates}
        except Exception as error:
            yield {self.notice: why(request, error)}

    def drawn(self, request: gr.Request, session: SceneSession, scan: Scan) -> Updates:
        """A scan that was just opened, nothing asked of it yet."""
        name = language(request)
        return {
            self.picker: gr.Radio(value=session.shipped or None),
            self.sentence: "",
            self.chips: chips(name, session.shipped),
            self.view: scene_view.show(_payload(session, scan)),
            self.status: object_views.facts(name, session, scan),
            self.panel: self.waiting(request),
            self.object: "",
            self.room: object_views.room(name, session),
        }

    def waiting(self, request: gr.Request) -> str:
        """The panel before anything was asked."""
        return views.waiting(language(request))

    def answered(self, request: gr.Request, session: SceneSession, chosen: int | None) -> str:
        """The panel with the visitor's answer, `chosen` lit in it."""
        answer = session.answer
        if answer is None:  # the scan was changed while an object of it was looked at
            return self.waiting(request)
        name = language(request)
        return views.panel(name, answer, session.stored, self.how(name, answer.checkpoint), chosen)

    @staticmethod
    def how(name: str, checkpoint: str) -> str:
        """A checkpoint as it is named under what it said. name: of the language."""
        hashes = {card.name: card.sha256 for card in pipeline.checkpoints()}
        return say(name, "scene.checkpoint", name=checkpoint, hash=hashes.get(checkpoint, "-"))


def _choices(registry: Registry[Any]) -> list[tuple[str, str]]:
    """Titles and names of the installed methods of a task."""
    return [(registry[name].title, name) for name in registry.installed()]


def _payload(session: SceneSession, scan: Scan) -> str:
    """The scan packed for the viewer, or where it lies: a shipped one is packed once for everybody."""
    if session.shipped:
        drawn = thumbnails.file(session.shipped, thumbnails.STILLS)
        return scene_view.at(
            shipped_address(session.shipped), _address("still", session.shipped) if drawn else None
        )
    return service.reading.run(scene_view.scan_payload, scan, gone=session.visit.gone)


def scan_title(name: str, scan: str) -> str:
    """How a shipped scan is called: "room_office_07" is "Office", or "Office 2" as the second of its kind."""
    kind = re.sub(r"_\d+$", "", scan)
    if f"rooms.{kind.removeprefix('room_')}" not in words(name):
        return scan
    title = say(name, f"rooms.{kind.removeprefix('room_')}")
    alike = [other for other in pipeline.examples() if re.sub(r"_\d+$", "", other) == kind]
    return f"{title} {alike.index(scan) + 1}" if len(alike) > 1 else title


def _past(name: str, number: int, one: Question) -> Past:
    return questions.past(name, number, one, scan_title(name, one.shipped) if one.shipped else one.name)


def shipped_address(scan: str) -> str:
    """Where the page serves a shipped scan, relative to the page."""
    return _address("scan", scan)


@lru_cache(maxsize=12)
def shipped_payload(scan: str) -> str:
    """A shipped scan packed for the viewer, coarse at first."""
    return scene_view.scan_payload(service.shipped(scan), finer=_address("mesh", scan))


def shipped_mesh(scan: str) -> str:
    """The finer mesh of a shipped scan, which is fetched after it."""
    return scene_view.fine_payload(service.shipped(scan))


def thumbnail_address(scan: str) -> str:
    """Where the page serves the small picture of a shipped scan, relative to the page."""
    return _address("thumbnail", scan)


def _address(what: str, scan: str) -> str:
    return f"{what}?{urlencode({'name': scan})}"


def thumbnail(scan: str) -> bytes:
    """The small picture of a shipped scan, a WebP. Raises UserError("unknown_scan") where there is none."""
    return _drawn(scan, thumbnails.FOLDER)


def still(scan: str) -> bytes:
    """What the viewer shows of a shipped scan until it has drawn it itself. As `thumbnail`."""
    return _drawn(scan, thumbnails.STILLS)


def _drawn(scan: str, folder: Path) -> bytes:
    file = thumbnails.file(scan, folder)
    if file is None:
        raise UserError("unknown_scan")
    return file.read_bytes()


def chips(name: str, scan: str) -> str:
    """The example sentences of a shipped scan as buttons."""
    sentences = example_cache.sentences(scan, name)
    if not sentences:
        return ""
    buttons = "".join(f'<button type="button">{escape(text)}</button>' for text in sentences)
    return f'<p class="tl-chips"><span>{escape(say(name, "scene.examples"))}</span>{buttons}</p>'
