"""Answers that were not fetched yet, by session: few, and nobody loses one by having been here for long."""

from typing import Any

from gradio.utils import LRUCache


class Answers(LRUCache[str, Any]):
    """Gradio's, which forgets who was not looked at for longest when it is full.

    Gradio's own forgets who came first, even while that page waits for an answer: after as many visitors as
    it holds, the job of an open page was lost. A page that listens is looked at every ten seconds.
    """

    def __getitem__(self, session: str) -> Any:
        """The session's messages."""
        found = super().__getitem__(session)
        self.move_to_end(session)
        return found
