"""Which method describes the objects, and which finds them: a choice only where somebody imported others."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.i18n import language
from app.messages import Updates
from app.scene import object_views, service
from app.scene.layout import SceneWidgets
from app.scene.session import SceneSession


class Choices:
    """What happens when another method is chosen."""

    def __init__(self, tab: SceneWidgets) -> None:
        self.tab = tab

    def wire(self) -> None:
        """The next description, and the next search for objects, are the chosen method's."""
        tab = self.tab
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        shown = [tab.room, tab.notice]
        tab.captioner.input(self.choose_captioner, tab.captioner, shown, **quiet)
        tab.segmenter.input(self.choose_segmenter, tab.segmenter, shown, **quiet)

    def choose_captioner(self, name: str, request: gr.Request) -> Updates:
        """Another captioner."""
        return self._chosen(request, lambda session: service.choose_captioner(session, name))

    def choose_segmenter(self, name: str, request: gr.Request) -> Updates:
        """Another segmenter."""
        return self._chosen(request, lambda session: service.choose_segmenter(session, name))

    def _chosen(self, request: gr.Request, choose: Callable[[SceneSession], None]) -> Updates:
        def work(session: SceneSession) -> Updates:
            choose(session)
            return {self.tab.room: object_views.room(language(request), session)} if session.scan else {}

        return self.tab.told(request, work)
