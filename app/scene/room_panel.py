"""The room as a whole: the objects of a raw scan are found, and all of them are described."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.components import scene_view
from app.i18n import language
from app.messages import Updates
from app.scene import object_views, service
from app.scene.layout import SceneWidgets
from app.scene.object_panel import overlay
from app.scene.session import SceneSession
from models.core.errors import UserError


class Room:
    """What happens in the card of the room: long jobs that are shown as they go and can be stopped."""

    def __init__(self, tab: SceneWidgets) -> None:
        self.tab = tab

    def wire(self) -> None:
        """Wire the card's three buttons."""
        tab = self.tab
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        tab.room.describe(self.describe, None, [tab.room, tab.notice], **quiet)
        tab.room.find(self.find, None, tab.shown, **quiet)
        tab.room.stop(self.stop, None, None, **quiet)

    def stop(self, request: gr.Request) -> None:
        """The visitor has seen enough: what is done stays."""
        self.tab.session(request).stop.set()

    def describe(self, request: gr.Request) -> Iterator[Updates]:
        """A caption of every object, each as soon as it is there."""
        name, tab = language(request), self.tab

        def work(session: SceneSession) -> Iterator[Updates]:
            scan = session.scan
            yield {tab.room: object_views.room(name, session, at_work=True)}
            try:
                for _ in service.describing(session):
                    yield {tab.room: object_views.room(name, session, at_work=True)}
            except UserError:
                yield {tab.room: object_views.room(name, session)}
                raise
            if session.scan is scan:
                yield {tab.room: object_views.room(name, session)}

        yield from tab.telling(request, work)

    def find_where_none(self, request: gr.Request) -> Iterator[Updates]:
        """After an upload: a scan without labels gets its objects by itself."""
        if self.tab.session(request).raw:
            yield from self.find(request)
        else:
            yield {self.tab.room: gr.skip()}

    def find(self, request: gr.Request) -> Iterator[Updates]:
        """The objects of a raw scan, with what is being done told by stage."""
        name, tab = language(request), self.tab

        def work(session: SceneSession) -> Iterator[Updates]:
            scan = session.scan
            try:
                for step in service.finding(session):
                    yield {tab.room: object_views.looking_for_objects(name, step)}
            except UserError:
                yield {tab.room: object_views.room(name, session)}
                raise
            if session.scan is scan:  # stopped
                yield {tab.room: object_views.room(name, session)}
            elif session.found and session.scan is not None:
                yield self._found(request, session)

        yield from tab.telling(request, work)

    def _found(self, request: gr.Request, session: SceneSession) -> Updates:
        assert session.scan is not None
        scan = session.scan
        service.get_ready(lambda: scan)
        updates = self.tab.drawn(request, session, scan)
        over: dict[str, Any] = scene_view.lay_over(overlay(session))
        return {**updates, self.tab.view: {**updates[self.tab.view], **over}}
