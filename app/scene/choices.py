"""Which methods describe the objects, and which finds them."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from app.i18n import language
from app.messages import Updates
from app.scene import object_views, service
from app.scene.layout import SceneWidgets
from app.scene.object_panel import Looking
from app.scene.session import SceneSession


class Choices:
    """What happens when other methods are chosen."""

    def __init__(self, tab: SceneWidgets, looking: Looking) -> None:
        self.tab, self.looking = tab, looking

    def wire(self) -> None:
        """The next description, and the next search for objects, are the chosen method's."""
        tab = self.tab
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        shown = [tab.room, tab.notice]
        described = [tab.view, tab.object, tab.captioners, *shown]
        tab.captioners.input(
            self.choose_captioners, tab.captioners, described, trigger_mode="always_last", **quiet
        ).then(**tab.addressed())
        tab.segmenter.input(self.choose_segmenter, tab.segmenter, shown, **quiet)

    def choose_captioners(self, names: list[str], request: gr.Request) -> Iterator[Updates]:
        """Other captioners, none is the first one: the object that is looked at is described again."""

        def work(session: SceneSession) -> Iterator[Updates]:
            chosen = self.tab.described_by(session, ",".join(names))
            yield chosen | {self.tab.room: object_views.room(language(request), session)}
            if session.looked is not None:
                yield from self.looking.look(request, session, session.looked)

        yield from self.tab.telling(request, work)

    def choose_segmenter(self, name: str, request: gr.Request) -> Updates:
        """Another segmenter."""
        return self._chosen(request, lambda session: service.choose_segmenter(session, name))

    def _chosen(self, request: gr.Request, choose: Callable[[SceneSession], None]) -> Updates:
        def work(session: SceneSession) -> Updates:
            choose(session)
            return {self.tab.room: object_views.room(language(request), session)} if session.scan else {}

        return self.tab.told(request, work)
