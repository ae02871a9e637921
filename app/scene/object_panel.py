"""Looking at an object of the scan: it is marked, described, and can be repaired."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app import validation
from app.components import scene_view
from app.i18n import language
from app.messages import Updates
from app.scene import comparison, object_views, service
from app.scene.layout import SceneWidgets
from app.scene.session import SceneSession
from models.core.errors import UserError
from models.scene.data import instance_edits
from models.scene.data.instance_edits import Delete, Edit, Merge, Rename
from models.scene.types import Caption


class Looking:
    """What happens when an object is chosen, anywhere on the tab, and when one is repaired."""

    def __init__(self, tab: SceneWidgets) -> None:
        self.tab = tab

    def wire(self) -> None:
        """Wire the viewer's pick, the rows of the panel and the room, and the object's own card."""
        tab = self.tab
        shown = [tab.view, tab.object, tab.panel, tab.notice]
        # By default Gradio drops a click that comes while the one before is answered.
        quiet: dict[str, Any] = {
            "api_visibility": "private",
            "show_progress": "hidden",
            "trigger_mode": "always_last",
        }
        tab.view.pick(self.choose_point, None, shown, **quiet)
        for widget in (tab.panel, tab.object, tab.room):
            widget.choose(self.choose_row, None, shown, **quiet)
        changed = [tab.view, tab.object, tab.panel, tab.room, tab.status, tab.notice]
        tab.object.repair(self.repair, None, changed, **{**quiet, "trigger_mode": "once"})

    def choose_row(self, request: gr.Request, event: gr.EventData) -> Iterator[Updates]:
        """A row or a chip was chosen: light its object in the viewer."""
        yield from self.tab.telling(
            request, lambda session: self.look(request, session, event._data.get("id"))
        )

    def choose_point(self, request: gr.Request, event: gr.EventData) -> Iterator[Updates]:
        """An object was clicked in the viewer, or none: tell what it is and light its row."""
        pick = scene_view.read_pick(event)
        chosen = pick.id if pick else None

        def work(session: SceneSession) -> Iterator[Updates]:
            if chosen is None:
                yield self._away(request, session)
                return
            for updates in self.look(request, session, chosen):
                if session.answer is not None:
                    updates[self.tab.panel] = self.tab.answered(request, session, chosen)
                yield updates

        yield from self.tab.telling(request, work)

    def _away(self, request: gr.Request, session: SceneSession) -> Updates:
        session.looked = None
        return {
            self.tab.view: scene_view.lay_over(overlay(session)),
            self.tab.object: object_views.nothing_looked_at(language(request), session),
        }

    def look(
        self, request: gr.Request, session: SceneSession, chosen: object, repairing: bool = False
    ) -> Iterator[Updates]:
        """The object at once, and its caption as soon as it is there, if it is still looked at then."""
        name, tab = language(request), self.tab
        found, scan = service.instance(session, chosen), session.scan
        session.looked = found.id
        yield {
            tab.view: scene_view.lay_over(overlay(session)),
            tab.object: object_views.looked_at(name, session, found, None, "", repairing),
        }
        try:
            said = service.caption(session, found.id)
        except UserError:
            if session.looked == found.id and session.scan is scan:
                yield {
                    tab.object: object_views.looked_at(name, session, found, None, "", repairing, mute=True)
                }
            raise
        how = tab.how(name, said.checkpoint)
        if session.looked == found.id and session.scan is scan:
            yield {
                tab.view: scene_view.lay_over(overlay(session, said)),
                tab.object: object_views.looked_at(name, session, found, said, how, repairing),
            }
        if len(session.captioners) > 1 and said.checkpoint:
            first, *others = session.captioners
            compared = {first: said} | service.captions(session, found.id, others)
            if session.looked == found.id and session.scan is scan:
                card = object_views.looked_at(name, session, found, said, how, repairing, compared=compared)
                yield {tab.object: card}

    def repair(self, request: gr.Request, event: gr.EventData) -> Iterator[Updates]:
        """A tool of the object's card was used."""
        data = event._data if isinstance(event._data, dict) else {}

        def work(session: SceneSession) -> Iterator[Updates]:
            looked = session.looked
            if data.get("do") == "undo":
                service.undo(session)
            else:
                edit = read_edit(data)
                service.repair(session, edit)
                looked = None if isinstance(edit, Delete) else edit.object_id
            assert session.scan is not None and session.original is not None
            if looked not in {one.id for one in session.scan.instances}:
                looked = None
            yield self._repaired(request, session)
            if looked is not None:
                yield from self.look(request, session, looked, repairing=True)

        yield from self.tab.telling(request, work)

    def _repaired(self, request: gr.Request, session: SceneSession) -> Updates:
        """The page after a repair, nothing looked at: answers and captions were about the scan as it was."""
        name, tab = language(request), self.tab
        assert session.scan is not None and session.original is not None
        owners = instance_edits.owners(session.original, session.edits)
        repairs = scene_view.repairs_payload(session.scan, owners) if session.edits else ""
        return {
            tab.view: scene_view.lay_over(scene_view.overlay_payload(None), repairs),
            tab.object: object_views.nothing_looked_at(name, session),
            tab.panel: tab.waiting(request),
            tab.room: object_views.room(name, session),
            tab.status: object_views.facts(name, session, session.scan),
        }


def read_edit(data: dict[str, Any]) -> Edit:
    """The repair that a browser sent.

    Raises UserError as guards.label does, and object_unknown for anything that names no object.
    """
    id, value = data.get("id"), data.get("value")
    if type(id) is not int:
        raise UserError("object_unknown", object="-")
    match data.get("do"):
        case "rename":
            return Rename(id, validation.label(value))
        case "merge" if type(value) is int:
            return Merge(id, value)
        case "delete":
            return Delete(id)
    raise UserError("object_unknown", object="-")


def overlay(session: SceneSession, caption: Caption | None = None) -> str:
    """What lies over the scan: the answer, the object looked at, what its caption was read from.

    A candidate is lit as one, any other is marked. With neither, all that a network found is outlined.
    """
    if session.compared:
        return comparison.overlay(session.compared, session.looked)
    answer, looked, scan = session.answer, session.looked, session.scan
    candidates = {one.object_id for one in answer.candidates} if answer else set()
    lit = looked if looked in candidates else None
    bare = answer is None and looked is None and session.found and scan is not None
    marks = scan.instances if bare and scan is not None else ()
    return scene_view.overlay_payload(answer, looked, chosen=lit, caption=caption, marks=marks)
