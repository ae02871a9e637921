"""The panel "find polyps in your frames": segmenters and detectors side by side, and where they disagree."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.colonoscopy import find_service, find_views
from app.colonoscopy.session import ColonoscopySession
from app.components.upload_widgets import FilesButton
from app.i18n import language, say
from app.messages import Updates, html, quiet, settled, why
from app.session import Visits
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.types import Finding


class FindPanel:
    """Its widgets and what happens when one is used. Frames that were brought live in the page's state."""

    def __init__(self, visits: Visits, i18n: gr.I18n) -> None:
        self.visits = visits
        segmenters, detectors = SEGMENTERS.installed(), DETECTORS.installed()
        with gr.Column(elem_id="tl-polyps"):
            html(i18n("html.find_lead"))
            with gr.Row(elem_classes="tl-polyps-choices"):
                self.segmenters = gr.CheckboxGroup(
                    [(SEGMENTERS[name].title, name) for name in segmenters],
                    value=list(segmenters),
                    label=i18n("find.segmenters"),
                    elem_id="tl-polyps-segmenters",
                )
                self.detectors = gr.CheckboxGroup(
                    [(DETECTORS[name].title, name) for name in detectors],
                    value=list(detectors[:1]),
                    label=i18n("find.detectors"),
                    elem_id="tl-polyps-detectors",
                )
            with gr.Row(elem_classes="tl-go"):
                self.upload = FilesButton(
                    str(i18n("find.upload")), file_count="multiple", elem_id="tl-polyps-upload"
                )
                self.again = gr.Button(i18n("find.again"), elem_id="tl-polyps-again", interactive=False)
                self.drawn = gr.Button(i18n("find.drawn"), elem_id="tl-polyps-drawn")
            self.status = html(elem_id="tl-polyps-status")
            self.results = html(elem_id="tl-polyps-results")
            self.zip = gr.DownloadButton(
                str(i18n("find.zip")), visible=False, elem_id="tl-polyps-zip", size="sm"
            )
            self.frames = gr.State([])
        self._wire()

    def _wire(self) -> None:
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        chosen = [self.segmenters, self.detectors]
        shown = [self.results, self.status, self.zip, self.again, self.frames]
        self.upload.upload(self.bring, [self.upload, *chosen], shown, **hidden)
        self.again.click(self.look_again, [self.frames, *chosen], shown, **hidden)
        self.drawn.click(self.look_at_drawn, chosen, shown, **hidden)

    def bring(
        self, files: list[str] | None, segmenters: object, detectors: object, request: gr.Request
    ) -> Iterator[Updates]:
        """Frames arrived: they are looked at at once, and kept to be looked at again."""

        def work(session: ColonoscopySession) -> Iterator[Updates]:
            frames = find_service.open_frames(files)
            yield {self.frames: frames}
            networks = find_service.chosen(segmenters, detectors)
            found = find_service.find(session, frames, *networks)
            yield from self._shown(request, session, found, len(frames))
            yield {self.again: gr.update(interactive=True)}

        yield from settled(self._told(request, work))

    def look_again(
        self, frames: find_service.Frames, segmenters: object, detectors: object, request: gr.Request
    ) -> Iterator[Updates]:
        """Other networks were chosen for the frames that are there."""

        def work(session: ColonoscopySession) -> Iterator[Updates]:
            networks = find_service.chosen(segmenters, detectors)
            found = find_service.find(session, frames, *networks)
            yield from self._shown(request, session, found, len(frames))

        yield from settled(self._told(request, work))

    def look_at_drawn(self, segmenters: object, detectors: object, request: gr.Request) -> Iterator[Updates]:
        """The synthetic frames above are judged by all chosen networks."""

        def work(session: ColonoscopySession) -> Iterator[Updates]:
            networks = find_service.chosen(segmenters, detectors)
            found = find_service.find_in_drawn(session, *networks)
            yield from self._shown(request, session, found, len(session.frames))

        yield from settled(self._told(request, work))

    def _shown(
        self, request: gr.Request, session: ColonoscopySession, found: Iterator[Finding], count: int
    ) -> Iterator[Updates]:
        name, done = language(request), []
        yield {self.results: "", self.status: quiet(say(name, "find.looking", number=1, count=count))}
        for finding in found:
            done.append(finding)
            text = say(name, "find.looking", number=min(len(done) + 1, count), count=count)
            yield {self.results: find_views.found(name, done), self.status: quiet(text)}
        path = str(find_service.pack(session, done))
        yield {self.zip: gr.update(value=path, visible=True), self.status: quiet(say(name, "find.caution"))}

    def _told(
        self, request: gr.Request, work: Callable[[ColonoscopySession], Iterator[Updates]]
    ) -> Iterator[Updates]:
        """What `work` shows, and the sentence that tells why it could not."""
        yield {self.zip: gr.update(visible=False), self.status: ""}
        try:
            yield from work(self.visits.of(request).lab(ColonoscopySession))
        except Exception as error:  # a bug must end in a sentence as well
            yield {self.status: why(request, error)}
