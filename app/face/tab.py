"""The face lab's tab: the making of a video. Its widgets are in `layout`, what it asks in `service`, what it
says in `views`; how a picture, a video and a recording come in is in `uploads`.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from app.components import video_stage
from app.face import films, service
from app.face import views as answer
from app.face.api import FaceApi
from app.face.layout import FaceWidgets, speakers
from app.face.listening import Listening
from app.face.session import FaceSession
from app.face.uploads import Bringing
from app.i18n import language, say
from app.messages import Updates, about, quiet, settled
from app.scripts import script
from app.session import Visits
from models.core import ffmpeg_calls
from models.core.errors import UserError
from models.core.progress import Beginning, Progress
from models.core.upload_validation import megabytes
from models.face.sources import film_io
from models.face.speech import voices
from models.face.types import Made, Order


def fragments(name: str) -> dict[str, str]:
    """Pieces of HTML put together from the words of a language."""
    limit = f"{megabytes(ffmpeg_calls.MAX_FILE)} MB"
    note = say(name, "face.upload_note", seconds=film_io.MAX_CLIP_SECONDS, limit=limit)
    return {
        "html.face_lead": f'<p class="tl-lead">{escape(say(name, "face.lead"))}</p>',
        "html.face_upload_note": quiet(note),
        "html.face_chips": answer.chips(name),
        "html.face_cards": about(name, "face"),
    }


def build(visits: Visits, i18n: gr.I18n) -> None:
    """Lay out the tab in the current gr.Blocks and wire it. Raises UserError where it cannot work."""
    service.ready()
    FaceTab(visits, i18n)
    FaceApi(visits)


class FaceTab(FaceWidgets):
    """What happens when a widget of the tab is used."""

    def __init__(self, visits: Visits, i18n: gr.I18n) -> None:
        super().__init__(visits, i18n)
        self.bringing = Bringing(self)
        self._wire()
        self.bringing.wire()
        Listening(self).wire()

    def _wire(self) -> None:
        page = Context.root_block
        assert page is not None
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        fields = [self.who, self.says, self.text, self.language, self.voice]
        fields += [self.stage, self.panels, self.marked, self.seed, self.articulation, self.consent]
        shown = [self.screen, self.status, self.log, self.notice, self.animate, self.stop]
        shown.append(self.earlier.strip)
        address = {
            "fn": None,
            "inputs": [self.says, self.text, self.language],
            "js": script("face_address"),
            **quiet,
        }
        typed = [self.text, self.language, self.voice]
        page.load(self.arrive, None, typed, **quiet)
        said = [self.screen, self.status, self.log, self.notice]
        self.hearing.spoken(self.speak, None, said, trigger_mode="always_last", **quiet)
        voiced = [self.language, self.voice]
        self.hearing.spoken(self.speak_voices, voiced, self.voice, trigger_mode="always_last", **quiet)
        self.language.input(self.choose_language, voiced, self.voice, **quiet)
        self.chips.choose(self.choose_text, self.voice, typed, **quiet)
        self.dice.click(None, None, self.seed, js=script("dice"), **quiet)
        made = self.animate.click(self.make, fields, shown, trigger_mode="once", **quiet)
        made.then(self.free, None, self.animate, **quiet).then(**address)
        self.stop.click(self.halt, None, None, queue=False, **quiet)
        again = [*fields[:-1], *shown, *self.bringing.held, self.typed, self.example, self.refused]
        self.earlier.strip.choose(self.bring_back, None, again, trigger_mode="always_last", **quiet).then(
            **address
        )

    def arrive(self, request: gr.Request) -> Updates:
        """The page opens: `?say=` and `?tongue=` are typed. What somebody typed before this arrived stays."""
        name, asked = language(request), dict(request.query_params)
        tongue = asked.get("tongue", "zh" if name == "zh-CN" else "en")
        known = self._typed(request, asked.get("say", "")[: voices.MAX_TEXT], tongue)
        return known if "say" in asked else known | {self.text: gr.skip()}

    def speak(self, request: gr.Request) -> Updates:
        """The page speaks another language: what is told of the result is said in it."""
        session = self.session(request)
        made = session.made
        if made is None or session.at_work.locked():
            return {self.notice: ""}
        return self._told_of(request, session, made) | {self.notice: ""}

    def _told_of(self, request: gr.Request, session: FaceSession, made: Made) -> Updates:
        """The result that is there, and what there is to tell of it."""
        name = language(request)
        facts = json.loads(service.log_of(made).read_text(encoding="utf-8"))
        return self._result(request, session) | {
            self.status: answer.finished(name, made),
            self.log: answer.log(name, made, facts),
        }

    def speak_voices(self, tongue: str | None, voice: str | None, request: gr.Request) -> Updates:
        """The page speaks another language: the voices are called in it."""
        able = speakers(_known(tongue), language(request))
        return {self.voice: gr.update(choices=able, value=voice)}

    def choose_language(self, tongue: str | None, voice: str | None, request: gr.Request) -> Updates:
        """Another language of the text: its voices, and the first of them like the one that was chosen."""
        code = _known(tongue)
        kind = next((one.kind for one in voices.offered() if one.name == voice), None)
        able = [one for one in voices.offered() if one.language == code]
        alike = next((one for one in able if one.kind == kind), able[0])
        return {self.voice: gr.update(choices=speakers(code, language(request)), value=alike.name)}

    def choose_text(self, voice: str | None, request: gr.Request, event: gr.EventData) -> Updates:
        """A sentence to try was clicked."""
        data = getattr(event, "_data", None)
        chosen = data if isinstance(data, dict) else {}
        return self._typed(request, str(chosen.get("text") or ""), str(chosen.get("language") or ""), voice)

    def _typed(self, request: gr.Request, text: str, tongue: str, voice: str | None = None) -> Updates:
        known = _known(tongue)
        return {self.text: text, self.language: known, **self.choose_language(known, voice, request)}

    def make(
        self,
        who: str | None,
        says: str | None,
        text: str | None,
        tongue: str | None,
        voice: str | None,
        stage: str | None,
        panels: bool,
        marked: bool,
        seed: float | None,
        articulation: float | None,
        consent: bool,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Animate: the first second as soon as it is there, then the whole."""
        at_work = self.session(request).at_work
        if not at_work.acquire(blocking=False):  # clicked again while the click before is answered
            yield {self.status: gr.skip()}
            return

        def work(session: FaceSession) -> Iterator[Updates]:
            try:
                moving, spoken = who == "video", says == "audio"
                if spoken and session.speech is None:
                    raise UserError("speech_input")
                wanted = service.order(
                    session.footage if moving else session.portrait,
                    moving,
                    session.speech if spoken else None,
                    *(text, tongue, voice, stage, panels, marked, seed, consent, articulation),
                )
                poster = service.poster(session, wanted)
                yield self._begun(request, poster)
                yield from self._made(request, session, replace(wanted, beside=True), poster)
            finally:
                at_work.release()  # before the button can be clicked again

        yield from settled(self.told_while(request, work))

    def free(self, request: gr.Request) -> Updates:
        """Animate can be clicked again: only after its event, during which Gradio drops every other click."""
        return {self.animate: gr.update(interactive=not self.session(request).at_work.locked())}

    def halt(self, request: gr.Request) -> None:
        """Stop."""
        service.stop(self.session(request))

    def bring_back(self, request: gr.Request, event: gr.EventData) -> Updates:
        """An earlier video was clicked: it is played, and all is set as it was when it was made."""

        def work(session: FaceSession) -> Updates:
            number, chosen = self.earlier.chosen(session.visit, event)
            again = films.bring_back(session, chosen)
            return {
                **self._told_of(request, session, again.made),
                **self._settings(request, session, again.order),
                **self.earlier.shown(request, session.visit, number),
                self.refused: "",
            }

        return self.told(request, work)

    def _settings(self, request: gr.Request, session: FaceSession, order: Order) -> Updates:
        """The widgets as they were when this was ordered; the consent is given anew each time."""
        who, says = "video" if order.video else "portrait", "audio" if order.audio else "text"
        brought = {
            self.portrait: order.portrait,
            self.footage: order.video,
            self.speech: order.audio,
        }
        shown = self.bringing.choose_who(who) | self.bringing.choose_says(says)
        for widget, file in brought.items():
            if file:
                shown[widget] = gr.update(visible=True, value=str(service.show(session, file)))
        typed = self._typed(request, order.text, order.language) if order.text else {}
        if order.text:
            typed[self.voice] = {**typed[self.voice], "value": order.voice}
        plain = {
            self.who: who,
            self.says: says,
            self.stage: order.stage,
            self.panels: order.panels,
            self.marked: order.marked,
            self.seed: order.seed,
            self.articulation: order.articulation,
        }
        return shown | typed | plain

    def _begun(self, request: gr.Request, poster: Path | None) -> Updates:
        queued = say(language(request), "face.queued")
        return {
            self.notice: "",
            self.status: "",
            self.log: "",
            self.screen: video_stage.preview(None, 0.0, queued, poster),
            self.animate: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }

    def _made(
        self, request: gr.Request, session: FaceSession, wanted: Order, poster: Path | None
    ) -> Iterator[Updates]:
        name = language(request)
        first: Beginning | None = None
        for step in service.animate(session, wanted):
            if isinstance(step, Progress):
                first = step.preview if isinstance(step.preview, Beginning) else first
                told = answer.told(name, step)
                yield {self.screen: video_stage.preview(first, step.fraction, told, poster)}
            else:
                yield self._told_of(request, session, step)
                yield self.earlier.add(request, session.visit, films.film(step, wanted))
                return
        yield self._result(request, session) | {self.status: quiet(say(name, "face.stopped"))}

    def _result(self, request: gr.Request, session: FaceSession) -> Updates:
        """The result that is there, which may be the one before, or the empty stage."""
        made = session.made
        if made is None:
            return {self.screen: video_stage.clear()}
        files = answer.taken(language(request), made)
        return {self.screen: video_stage.show(answer.views(made), files, answer.beside(made))}


def _known(tongue: str | None) -> str:
    """A language of texts by its code, English where there is none."""
    return tongue if tongue in voices.LANGUAGES else "en"
