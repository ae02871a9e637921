"""A strip of what a visitor made earlier, wired: it shows the works of a kind and tells which is wanted."""

from collections.abc import Callable
from typing import Any, Generic

import gradio as gr

from app.components import history_strip
from app.components.history_strip import HistoryStrip, Past
from app.history import Kind
from app.i18n import LANGUAGES, language, say
from app.messages import Updates
from app.session import Visit, Visits
from models.core.errors import UserError


class Earlier(Generic[Kind]):
    """The strip and what it shows.

    kind: the class of the works. past: how one is shown, of language, number and work. name: of the strip.
    """

    def __init__(
        self, visits: Visits, kind: type[Kind], past: Callable[[str, int, Kind], Past], name: str
    ) -> None:
        self.visits, self.kind, self.past = visits, kind, past
        words = {one: {"title": say(one, f"history.{name}")} for one in LANGUAGES}
        self.strip = HistoryStrip(words=words, elem_id=f"tl-history-{name}")
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.strip.returned(self.returned, None, self.strip, trigger_mode="always_last", **quiet)

    def returned(self, request: gr.Request, event: gr.EventData) -> Updates:
        """The page was loaded again, or speaks another language."""
        try:
            return self.shown(request, self.visits.reloaded(request, history_strip.read_key(event)))
        except UserError:  # which is told by all else on the page
            return {self.strip: gr.skip()}

    def shown(self, request: gr.Request, visit: Visit, current: int | None = None) -> Updates:
        """The strip as it is now. current: the number of the work that the page shows from now on."""
        name = language(request)
        pasts = [self.past(name, number, work) for number, work in visit.history.of(self.kind)]
        return {self.strip: history_strip.show(visit.history.key, pasts, current)}

    def add(self, request: gr.Request, visit: Visit, work: Kind) -> Updates:
        """One more was made, and the page shows it. Raises as `History.add` does."""
        return self.shown(request, visit, visit.history.add(work))

    def chosen(self, visit: Visit, event: gr.EventData) -> tuple[int, Kind]:
        """Number and work of what was clicked. Raises UserError("work_gone")."""
        number = history_strip.read_number(event)
        work = visit.history.get(self.kind, number)
        assert number is not None
        return number, work
