"""The scene lab's tab: opening a scan, asking. Its widgets are in `layout`, what it asks in `service`, what
it shows in `views` and `object_views`; what happens to an object is in `object_panel`, to the whole room in
`room_panel`.
"""

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import gradio as gr
from gradio.context import Context

from app.components import plotly_script, scene_view
from app.i18n import language, say
from app.messages import Updates, about, quiet, why
from app.scene import comparison, example_cache, object_views, questions, service, views
from app.scene.api import SceneApi
from app.scene.choices import Choices
from app.scene.layout import (
    SceneWidgets,
    chips,
    scan_title,
    shipped_mesh,
    shipped_payload,
    still,
    thumbnail,
    thumbnail_address,
)
from app.scene.object_panel import Looking
from app.scene.questions import Question
from app.scene.room_panel import Room
from app.scene.session import SceneSession
from app.scripts import script
from app.session import Visits
from models.core import checkpoints
from models.core.upload_validation import MAX_FILE, megabytes
from models.scene import pipeline, thumbnails
from models.scene.grounding.registry import GROUNDERS


def fragments(name: str) -> dict[str, str]:
    """Names of the shipped scans and notes, put together from the words of a language."""
    note = say(name, "scene.upload_note", limit=f"{megabytes(MAX_FILE)} MB")
    return {
        **{f"scans.{scan}": scan_title(name, scan) for scan in pipeline.examples()},
        "html.scene_lead": f'<p class="tl-lead">{escape(say(name, "scene.lead"))}</p>',
        "html.scene_upload_note": quiet(note),
        "html.scene_waiting": views.waiting(name),
        "html.scene_chips": chips(name, next(iter(example_cache.names()), "")),
        "html.scene_cards": about(name, "scene"),
    }


def data() -> dict[str, Callable[[str], str | bytes]]:
    """What is fetched of this lab by an address of its own: the scans that ship, pictures of them, Plotly."""
    return {
        "/scan": shipped_payload,
        "/mesh": shipped_mesh,
        "/thumbnail": thumbnail,
        "/still": still,
        f"/{plotly_script.PATH}": plotly_script.script,
    }


def style() -> dict[str, str]:
    """Rules that put the pictures beside the scans' names: fetched where the choice is shown, not before."""
    rule = '#tl-scans label:nth-of-type({place})::before {{ content: ""; background-image: url("{href}"); }}'
    drawn = [(place, scan) for place, scan in enumerate(example_cache.names(), 1) if thumbnails.file(scan)]
    return {"thumbnails": "\n".join(rule.format(place=n, href=thumbnail_address(scan)) for n, scan in drawn)}


def ahead() -> dict[str, list[dict[str, str]]]:
    """What a browser that opens this lab fetches beside Gradio's own scripts: a still, Plotly, the scan."""
    names = example_cache.names()
    opened = {"parameter": "scan", "else": names[0] if names else ""}
    return {
        "scene": [
            {"as": "image", "href": "still?name=", **opened},
            {"as": "script", "href": plotly_script.address()},
            {"as": "fetch", "href": "scan?name=", **opened},
        ]
    }


def build(visits: Visits, i18n: gr.I18n) -> None:
    """Lay out the tab in the current gr.Blocks and wire it."""
    SceneTab(visits, i18n)
    SceneApi(visits)


class SceneTab(SceneWidgets):
    """What happens when a widget of the tab is used."""

    def __init__(self, visits: Visits, i18n: gr.I18n) -> None:
        super().__init__(visits, i18n)
        self.of_room, self.looking = Room(self), Looking(self)
        self._wire()
        self.looking.wire()
        self.of_room.wire()
        Choices(self, self.looking).wire()

    def _wire(self) -> None:
        page = Context.root_block
        assert page is not None
        shown = self.shown
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        busy = {**quiet, "show_progress": "minimal", "show_progress_on": [self.panel], "trigger_mode": "once"}
        address = self.addressed()
        page.load(self.arrive, None, shown, **quiet).then(**address)
        said = [self.chips, self.status, self.panel, self.object, self.room, self.notice, self.view]
        self.hearing.spoken(self.speak, None, said, trigger_mode="always_last", **quiet)
        opening: dict[str, Any] = {"js": script("scene_opening"), "trigger_mode": "always_last"}
        self.picker.input(self.pick_scan, self.picker, shown, **quiet, **opening).then(**address)
        taken = self.upload.upload(self.take_upload, self.upload, shown, js=opening["js"], **busy).then(
            **address
        )
        taken.then(self.of_room.find_where_none, None, shown, **quiet)
        gr.on([self.find.click, self.sentence.submit], self.ask, self.sentence, shown, **busy).then(**address)
        chosen = self.methods.input(self.choose_methods, [self.methods, self.sentence], shown, **busy)
        chosen.then(**address)
        self.chips.choose(self.ask_chip, None, shown, **busy).then(**address)
        self.earlier.strip.choose(self.ask_again, None, shown, **busy).then(**address)

    def arrive(self, request: gr.Request) -> Updates:
        """The page opens: `?scan=` (else the first scan), then `?q=` is asked."""
        asked = dict(request.query_params)
        names = example_cache.names()
        scan = asked.get("scan") or (names[0] if names else "")
        updates = self.told(request, lambda session: self._opened(request, session, scan))
        if broken := checkpoints.faults("scene"):
            updates[self.notice] = why(request, broken[0])
        if self.session(request).scan is None:
            return updates | {self.view: scene_view.show(None), self.chips: ""}
        if asked.get("captioners"):
            updates |= self.told(request, lambda session: self.described_by(session, asked["captioners"]))
        if asked.get("methods"):
            updates |= self.told(request, lambda session: self._chosen(session, asked["methods"]))
        return self._asked_of(request, updates, asked["q"]) if asked.get("q") else updates

    def _asked_of(self, request: gr.Request, updates: Updates, sentence: str) -> Updates:
        """A sentence is asked of a scan whose opening these updates show."""
        answered = self.told(request, lambda session: self.answer(request, session, sentence))
        # The scan, and what lies over it.
        view = {**updates.get(self.view, {}), **answered.pop(self.view, {})}
        shown = {self.view: view} if view else {}
        return updates | answered | shown | {self.sentence: sentence}

    def speak(self, request: gr.Request) -> Iterator[Updates]:
        """The page speaks another language: what stands on the tab is said in it."""

        def work(session: SceneSession) -> Iterator[Updates]:
            if session.scan is None:
                return
            name = language(request)
            yield {
                self.chips: chips(name, session.shipped),
                self.status: object_views.facts(name, session, session.scan),
                self.panel: self.answered(request, session, session.looked),
                self.object: object_views.nothing_looked_at(name, session),
                self.room: object_views.room(name, session),
            }
            if session.looked is not None:
                yield from self.looking.look(request, session, session.looked)

        yield {self.notice: ""}
        yield from self.telling(request, work)

    def pick_scan(self, scan: str, request: gr.Request) -> Updates:
        """A shipped scan was picked; where it can't be opened, the one before stays picked."""
        before = {self.picker: gr.Radio(value=self.session(request).shipped or None)}
        return before | self.told(request, lambda session: self._opened(request, session, scan))

    def choose_methods(self, methods: list[str], sentence: str, request: gr.Request) -> Updates:
        """Other methods were chosen, none is the first one: the sentence that stands there is asked again."""

        def work(session: SceneSession) -> Updates:
            chosen = self._chosen(session, ",".join(methods))
            again = self.answer(request, session, sentence) if sentence.strip() and session.scan else {}
            return chosen | again

        return self.told(request, work)

    def _chosen(self, session: SceneSession, names: str | None) -> Updates:
        """The visitor asks these methods from now on. Raises UserError("model_unknown")."""
        session.methods = GROUNDERS.chosen(names) if names else (GROUNDERS.default,)
        return {self.methods: [name for name in session.methods if name in GROUNDERS.installed()]}

    def take_upload(self, files: list[str] | None, request: gr.Request) -> Updates:
        """A visitor's own files arrived."""

        def work(session: SceneSession) -> Updates:
            return self.drawn(request, session, service.open_upload(session, files))

        return self.told(request, work)

    def ask(self, sentence: str, request: gr.Request) -> Updates:
        """Enter or Find."""
        return self.told(request, lambda session: self.answer(request, session, sentence))

    def ask_chip(self, request: gr.Request, event: gr.EventData) -> Updates:
        """An example sentence was clicked."""
        text = event._data.get("text", "")
        return {self.sentence: text} | self.ask(text, request)

    def ask_again(self, request: gr.Request, event: gr.EventData) -> Updates:
        """An earlier question was clicked: its scan is opened where another one is, and it is asked."""
        question: list[Question] = []

        def work(session: SceneSession) -> Updates:
            _, one = self.earlier.chosen(session.visit, event)
            question.append(one)
            opened = {} if one.is_of(session) else self._opened(request, session, one.shipped)
            return opened | self._chosen(session, ",".join(one.methods))

        updates = self.told(request, work)
        if not question or not question[0].is_of(self.session(request)):
            return updates
        return self._asked_of(request, updates, question[0].sentence)

    def _opened(self, request: gr.Request, session: SceneSession, scan: str) -> Updates:
        updates = self.drawn(request, session, service.open_shipped(session, scan))
        service.warm_up(scan)
        return updates

    def answer(self, request: gr.Request, session: SceneSession, sentence: object) -> Updates:
        """The answer of the method that was chosen, or of several; the question can be asked again."""
        if session.methods != (GROUNDERS.default,):
            shown = comparison.answered(self, request, session, sentence)
        else:
            shown = self._answer(request, session, sentence)
        return shown | self.earlier.add(request, session.visit, questions.asked(session, sentence))

    def _answer(self, request: gr.Request, session: SceneSession, sentence: object) -> Updates:
        answer = service.ask(session, sentence)
        session.looked = None
        chosen = answer.candidates[0].object_id if answer.candidates and not answer.fits else None
        return {
            self.view: scene_view.lay_over(scene_view.overlay_payload(answer)),
            self.panel: self.answered(request, session, chosen),
            self.object: object_views.nothing_looked_at(language(request), session),
        }
