"""The scene lab's tab: layout, opening a scan, asking. What it asks is in `service`, what it shows in
`views` and `object_views`; what happens to an object is in `object_panel`, to the whole room in `room_panel`.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from html import escape
from typing import Any

import gradio as gr
from gradio.context import Context

from app.components import scene_view
from app.components.upload_widgets import FilesButton
from app.i18n import by_language, language, say, words
from app.messages import about, hears_language, html, quiet, why
from app.scene import example_cache, object_views, service, views
from app.scene.api import SceneApi
from app.scene.choices import Choices
from app.scene.comparison import Comparing
from app.scene.object_panel import Looking, Updates
from app.scene.room_panel import Room
from app.scripts import script
from app.session import Visit, Visits
from models.core import checkpoints
from models.core.upload_validation import MAX_FILE, megabytes
from models.scene import pipeline
from models.scene.data.scan import Scan
from models.scene.grounding.registry import DEFAULT

# The address always says what is on the page, so that it can be shared; one method, the first, goes unsaid.
ADDRESS = """(scan, q, methods) => {
  trilab.opening(false);
  const several = methods.length > 1 || (methods.length && methods[0] !== FIRST);
  trilab.address({scan, q: scan && q, methods: several ? methods.join() : null});
}""".replace("FIRST", repr(DEFAULT))
OPENING = "(...given) => { trilab.opening(true); return given; }"


def fragments(name: str) -> dict[str, str]:
    """Names of the shipped scans and notes, put together from the words of a language."""
    note = say(name, "scene.upload_note", limit=f"{megabytes(MAX_FILE)} MB")
    return {
        **{f"scans.{scan}": scan_title(name, scan) for scan in pipeline.examples()},
        "html.scene_lead": f'<p class="tl-lead">{escape(say(name, "scene.lead"))}</p>',
        "html.scene_upload_note": quiet(note),
        "html.scene_waiting": views.waiting(name),
        "html.scene_cards": about(name, "scene"),
    }


def scan_title(name: str, scan: str) -> str:
    """How a shipped scan is called: "room_office_07" is "Office", or "Office 2" as the second of its kind."""
    kind = re.sub(r"_\d+$", "", scan)
    if f"rooms.{kind.removeprefix('room_')}" not in words(name):
        return scan
    title = say(name, f"rooms.{kind.removeprefix('room_')}")
    alike = [other for other in pipeline.examples() if re.sub(r"_\d+$", "", other) == kind]
    return f"{title} {alike.index(scan) + 1}" if len(alike) > 1 else title


def build(visits: Visits, i18n: gr.I18n) -> None:
    """Lay out the tab in the current gr.Blocks and wire it."""
    SceneTab(visits, i18n)
    SceneApi(visits)


class SceneTab:
    """The widgets of the tab and what happens when one is used."""

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
            *(self.panel, self.object, self.room, self.comparing.methods),
        ]
        self.of_room = Room(self)
        self._wire()
        self.looking = Looking(self)
        self.looking.wire()
        self.of_room.wire()

    def _lay_side(self, i18n: gr.I18n) -> None:
        html(i18n("html.scene_lead"))
        choices = [(i18n(f"scans.{scan}"), scan) for scan in example_cache.names()]
        self.picker = gr.Radio(choices, label=i18n("scene.scans"), elem_id="tl-scans")
        with gr.Row(elem_classes="tl-uploads"):
            self.upload = FilesButton(
                str(i18n("scene.upload")), file_count="multiple", elem_id="tl-upload", size="md"
            )
        html(i18n("html.scene_upload_note"))

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
        self.chips = html(elem_id="tl-examples", js_on_load=script("chips"))
        self.comparing = Comparing(self, i18n)
        self.notice = html(elem_id="tl-notice")
        self.view = scene_view.SceneView(words=by_language(viewer_words), elem_id="tl-view")
        self.status = html(elem_id="tl-status")

    def _lay_reasons(self, i18n: gr.I18n) -> None:
        self.panel = html(
            i18n("html.scene_waiting"), elem_id="tl-panel", js_on_load=script("rows") + script("comparison")
        )
        self.object = html(elem_id="tl-object", js_on_load=script("object"))
        self.hearing = hears_language()
        self.room = html(elem_id="tl-room", js_on_load=script("room"))
        self.choices = Choices(self, i18n)
        html(i18n("html.scene_cards"), elem_id="tl-scene-card")

    def _wire(self) -> None:
        page = Context.root_block
        assert page is not None
        shown = self.shown
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        busy = {**quiet, "show_progress": "minimal", "show_progress_on": [self.panel], "trigger_mode": "once"}
        stated = [self.picker, self.sentence, self.comparing.methods]
        address = {"fn": None, "inputs": stated, "js": ADDRESS, **quiet}
        page.load(self.arrive, None, shown, **quiet).then(**address)
        said = [self.chips, self.status, self.panel, self.object, self.room, self.notice, self.view]
        self.hearing.spoken(self.speak, None, said, trigger_mode="always_last", **quiet)
        opening: dict[str, Any] = {"js": OPENING, "trigger_mode": "always_last"}
        self.picker.input(self.pick_scan, self.picker, shown, **quiet, **opening).then(**address)
        taken = self.upload.upload(self.take_upload, self.upload, shown, js=OPENING, **busy).then(**address)
        taken.then(self.of_room.find_where_none, None, shown, **quiet)
        gr.on([self.find.click, self.sentence.submit], self.ask, self.sentence, shown, **busy).then(**address)
        self.comparing.wire(shown, address, **busy)
        self.choices.wire(**quiet)
        self.chips.choose(self.ask_chip, None, shown, **busy).then(**address)

    def arrive(self, request: gr.Request) -> Updates:
        """The page opens: `?scan=` (else the first scan), then `?q=` is asked."""
        asked = dict(request.query_params)
        names = example_cache.names()
        scan = asked.get("scan") or (names[0] if names else "")
        updates = self.told(request, lambda visit: self._opened(request, visit, scan))
        if broken := checkpoints.faults("scene"):
            updates[self.notice] = why(request, broken[0])
        if self.visits.of(request).scan is None:
            return updates | {self.view: scene_view.show(None)}
        if asked.get("methods"):
            updates |= self.told(request, lambda visit: self.comparing.arrives(visit, asked["methods"]))
        if not asked.get("q"):
            return updates
        answered = self.told(request, lambda visit: self.answer(request, visit, asked["q"]))
        view = {**updates[self.view], **answered.pop(self.view, {})}  # the scan, and what lies over it
        return updates | answered | {self.sentence: asked["q"], self.view: view}

    def speak(self, request: gr.Request) -> Iterator[Updates]:
        """The page speaks another language: what stands on the tab is said in it."""

        def work(visit: Visit) -> Iterator[Updates]:
            if visit.scan is None:
                return
            name = language(request)
            yield {
                self.chips: _chips(name, visit.shipped),
                self.status: object_views.facts(name, visit, visit.scan),
                self.panel: self.answered(request, visit, visit.looked),
                self.object: object_views.nothing_looked_at(name, visit),
                self.room: object_views.room(name, visit),
            }
            if visit.looked is not None:
                yield from self.looking.look(request, visit, visit.looked)

        yield {self.notice: ""}
        yield from self.telling(request, work)

    def pick_scan(self, scan: str, request: gr.Request) -> Updates:
        """A shipped scan was picked; where it can't be opened, the one before stays picked."""
        before = {self.picker: gr.Radio(value=self.visits.of(request).shipped or None)}
        return before | self.told(request, lambda visit: self._opened(request, visit, scan))

    def take_upload(self, files: list[str] | None, request: gr.Request) -> Updates:
        """A visitor's own files arrived."""

        def work(visit: Visit) -> Updates:
            return self.drawn(request, visit, service.open_upload(visit, files))

        return self.told(request, work)

    def ask(self, sentence: str, request: gr.Request) -> Updates:
        """Enter or Find."""
        return self.told(request, lambda visit: self.answer(request, visit, sentence))

    def ask_chip(self, request: gr.Request, event: gr.EventData) -> Updates:
        """An example sentence was clicked."""
        text = event._data.get("text", "")
        return {self.sentence: text} | self.ask(text, request)

    def told(self, request: gr.Request, work: Callable[[Visit], Updates]) -> Updates:
        """What `work` shows, or the sentence that tells why it could not."""
        try:
            return {self.notice: ""} | work(self.visits.of(request))
        except Exception as error:  # a bug must end in a sentence as well
            return self._notice(request, error)

    def telling(self, request: gr.Request, work: Callable[[Visit], Iterator[Updates]]) -> Iterator[Updates]:
        """What `work` shows step by step, and the sentence that tells why it went no further."""
        try:
            for updates in work(self.visits.of(request)):
                yield {self.notice: "", **updates}
        except Exception as error:
            yield self._notice(request, error)

    def _notice(self, request: gr.Request, error: Exception) -> Updates:
        return {self.notice: why(request, error)}

    def _opened(self, request: gr.Request, visit: Visit, scan: str) -> Updates:
        updates = self.drawn(request, visit, service.open_shipped(visit, scan))
        service.warm_up(scan)
        return updates

    def drawn(self, request: gr.Request, visit: Visit, scan: Scan) -> Updates:
        """A scan that was just opened, nothing asked of it yet."""
        name = language(request)
        return {
            self.picker: gr.Radio(value=visit.shipped or None),
            self.sentence: "",
            self.chips: _chips(name, visit.shipped),
            self.view: scene_view.show(_payload(visit, scan)),
            self.status: object_views.facts(name, visit, scan),
            self.panel: self.waiting(request),
            self.object: "",
            self.room: object_views.room(name, visit),
        }

    def waiting(self, request: gr.Request) -> str:
        """The panel before anything was asked."""
        return views.waiting(language(request))

    def answer(self, request: gr.Request, visit: Visit, sentence: object) -> Updates:
        """The answer of the method that was chosen, or of several."""
        if visit.methods != (DEFAULT,):
            return self.comparing.answered(request, visit, sentence)
        answer = service.ask(visit, sentence)
        visit.looked = None
        chosen = answer.candidates[0].object_id if answer.candidates else None
        return {
            self.view: scene_view.lay_over(scene_view.overlay_payload(answer)),
            self.panel: self.answered(request, visit, chosen),
            self.object: object_views.nothing_looked_at(language(request), visit),
        }

    def answered(self, request: gr.Request, visit: Visit, chosen: int | None) -> str:
        """The panel with the visit's answer, `chosen` lit in it."""
        answer = visit.answer
        if answer is None:  # the scan was changed while an object of it was looked at
            return self.waiting(request)
        name = language(request)
        return views.panel(name, answer, visit.stored, self.how(name, answer.checkpoint), chosen)

    @staticmethod
    def how(name: str, checkpoint: str) -> str:
        """A checkpoint as it is named under what it said. name: of the language."""
        hashes = {card.name: card.sha256 for card in pipeline.checkpoints()}
        return say(name, "scene.checkpoint", name=checkpoint, hash=hashes.get(checkpoint, "-"))


def viewer_words(name: str) -> dict[str, str]:
    """What the viewer itself says, in a language."""
    return {key: say(name, f"viewer.{key}") for key in scene_view.WORDS}


def _payload(visit: Visit, scan: Scan) -> str:
    """The scan packed for the viewer; a shipped one is packed once for everybody."""
    if visit.shipped:
        return _shipped_payload(visit.shipped)
    return service.reading.run(lambda: scene_view.scan_payload(scan), visit.gone)


@lru_cache(maxsize=12)
def _shipped_payload(scan: str) -> str:
    return scene_view.scan_payload(service.shipped(scan))


def _chips(name: str, scan: str) -> str:
    """The example sentences of a shipped scan as buttons."""
    sentences = example_cache.sentences(scan)
    if not sentences:
        return ""
    buttons = "".join(f'<button type="button">{escape(text)}</button>' for text in sentences)
    return f'<p class="tl-chips"><span>{escape(say(name, "scene.examples"))}</span>{buttons}</p>'
