"""What a visitor brings to the face tab: a picture, a video, a recording. Each is taken when it arrives."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from app.face import service
from app.face.layout import FaceWidgets
from app.face.session import FaceSession
from app.i18n import language, say
from app.messages import Updates, notes, quiet, why
from app.scripts import script


class Bringing:
    """What happens when a file arrives at the tab, or is taken away again."""

    def __init__(self, tab: FaceWidgets) -> None:
        self.tab = tab
        self.held = {tab.portrait: "portrait", tab.footage: "footage", tab.speech: "speech"}

    def wire(self) -> None:
        """Connect the widgets that take files."""
        tab = self.tab
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        # No click on Animate comes between a file's arrival and its being taken.
        hold: dict[str, Any] = {
            "fn": None,
            "inputs": None,
            "outputs": tab.animate,
            "js": script("hold"),
            **quiet,
        }
        tab.who.input(self.choose_who, tab.who, [tab.portrait, tab.footage, tab.example], **quiet)
        tab.says.input(self.choose_says, tab.says, [tab.typed, tab.speech], **quiet)
        for widget, take in (
            (tab.portrait, self.take_portrait),
            (tab.footage, self.take_footage),
            (tab.speech, self.take_speech),
        ):
            changed = [widget, self._beside(widget), tab.animate, tab.voice]
            widget.input(**hold).then(take, [widget, tab.language], changed, **quiet)
            widget.clear(self.forget(widget), None, self._beside(widget), **quiet)
        changed = [tab.portrait, tab.refused, tab.animate, tab.voice]
        tab.example.click(**hold).then(self.take_example, tab.language, changed, **quiet)
        tab.voice.input(self.choose_voice, None, None, **quiet)

    def choose_who(self, who: str | None) -> Updates:
        """A picture or a video."""
        moving = who == "video"
        return {
            self.tab.portrait: gr.update(visible=not moving),
            self.tab.example: gr.update(visible=not moving),
            self.tab.footage: gr.update(visible=moving),
        }

    def choose_says(self, says: str | None) -> Updates:
        """Typed or spoken."""
        spoken = says == "audio"
        return {self.tab.typed: gr.update(visible=not spoken), self.tab.speech: gr.update(visible=spoken)}

    def choose_voice(self, request: gr.Request) -> None:
        """A voice was chosen: it stays, whatever face comes."""
        self.tab.session(request).choosy = True

    def take_portrait(self, file: str | None, tongue: str | None, request: gr.Request) -> Iterator[Updates]:
        """A picture arrived."""
        doing = quiet(say(language(request), "progress.face_reads") + " …")
        yield {self.tab.refused: doing if file else ""}
        yield self._with_voice(
            request, tongue, self._taken(request, self.tab.portrait, service.take_portrait, file)
        )

    def take_example(self, tongue: str | None, request: gr.Request) -> Iterator[Updates]:
        """The example portrait is wanted."""
        yield {self.tab.refused: quiet(say(language(request), "progress.face_reads") + " …")}
        taken = self._taken(
            request, self.tab.portrait, lambda session, _: service.take_example(session), "example"
        )
        yield self._with_voice(request, tongue, taken)

    def take_footage(self, file: str | None, tongue: str | None, request: gr.Request) -> Updates:
        """A video arrived."""
        return self._with_voice(
            request, tongue, self._taken(request, self.tab.footage, service.take_footage, file)
        )

    def take_speech(self, file: str | None, _: str | None, request: gr.Request) -> Updates:
        """A recording arrived."""
        return self._taken(request, self.tab.speech, service.take_speech, file)

    def forget(self, widget: Any) -> Callable[[gr.Request], Updates]:
        """What takes away again what a widget holds."""

        def work(request: gr.Request) -> Updates:
            service.forget(self.tab.session(request), self.held[widget])
            return {self._beside(widget): ""}

        return work

    def _taken(
        self, request: gr.Request, widget: Any, take: Callable[[FaceSession, str], Path], file: str | None
    ) -> Updates:
        """The widget with what was kept of a file; where it was refused, empty, and a sentence tells why."""
        session, beside = self.tab.session(request), self._beside(widget)
        told: Updates = {beside: ""}
        service.forget(session, self.held[widget])
        if file:
            try:
                kept = take(session, file)
                setattr(session, self.held[widget], kept)
                told[widget] = str(service.show(session, kept))
                told[beside] = notes(request, session.notes)
                service.warm_up()
            except Exception as error:  # a bug must end in a sentence as well
                told = {widget: None, beside: why(request, error)}
        return told | {self.tab.animate: gr.update(interactive=not session.at_work.locked())}

    def _with_voice(self, request: gr.Request, tongue: str | None, told: Updates) -> Updates:
        """What came of a face, and the voice that fits it, unless the visitor chose one."""
        session = self.tab.session(request)
        taken = told.get(self.tab.portrait) or told.get(self.tab.footage)
        if session.choosy or not session.kind or not taken:
            return told
        beside = told[self.tab.refused] + quiet(say(language(request), "face.voice_fits"))
        return told | {self.tab.voice: service.fitting(session, tongue), self.tab.refused: beside}

    def _beside(self, widget: Any) -> gr.HTML:
        """Where it is told why a widget's file was refused."""
        return self.tab.notice if widget is self.tab.speech else self.tab.refused
