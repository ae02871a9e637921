"""What the labs' tabs and their panels have in common: they know who asks, and tell why something failed."""

from collections.abc import Callable, Iterator
from typing import Generic

import gradio as gr

from app.messages import Updates, why
from app.session import Kind, Visits


class LabTab(Generic[Kind]):
    """A tab or a panel of it. lab: the class of what the lab remembers. notice: where reasons are told."""

    lab: type[Kind]
    visits: Visits
    notice: gr.HTML

    def session(self, request: gr.Request) -> Kind:
        """What the lab remembers of who asks."""
        return self.visits.of(request).lab(self.lab)

    def told(self, request: gr.Request, work: Callable[[Kind], Updates]) -> Updates:
        """What `work` shows, or the sentence that tells why it could not."""
        try:
            return {self.notice: ""} | work(self.session(request))
        except Exception as error:  # a bug must end in a sentence as well
            return {self.notice: why(request, error)}


class MakingTab(LabTab[Kind]):
    """One that makes something, which can be stopped. status: where is told how far it is."""

    status: gr.HTML
    stop: gr.Button

    def told_while(self, request: gr.Request, work: Callable[[Kind], Iterator[Updates]]) -> Iterator[Updates]:
        """The same for work that shows more than one thing; then Stop is set right."""
        told: Updates = {}
        session = self.session(request)
        try:
            yield from work(session)
        except Exception as error:  # a bug must end in a sentence as well
            told = {self.notice: why(request, error), self.status: "", **self._result(request, session)}
        yield told | {self.stop: gr.update(interactive=False)}

    def _result(self, request: gr.Request, session: Kind) -> Updates:
        """What stands there again where something failed: all that is not told otherwise stays."""
        return {}
