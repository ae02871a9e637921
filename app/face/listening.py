"""A voice is listened to before a film is made: the typed text's first sentence, or one of ours."""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from secrets import token_hex
from typing import Any

import gradio as gr

from app.components.video_stage import address
from app.face import service
from app.face.layout import FaceWidgets
from app.face.session import FaceSession
from app.i18n import language, say
from app.messages import Updates, quiet, settled, why
from models.face.sources import sound_io
from models.face.speech import sentences, voices

MOST_HEARD = 120  # characters: some eight seconds


class Listening:
    """What happens when Listen is pressed."""

    def __init__(self, tab: FaceWidgets) -> None:
        self.tab = tab

    def wire(self) -> None:
        """Connect the button."""
        tab = self.tab
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        fields, shown = [tab.text, tab.language, tab.voice], [tab.heard, tab.listen]
        tab.listen.click(self.listen, fields, shown, trigger_mode="once", **quiet)

    def listen(
        self, text: str | None, tongue: str | None, voice: str | None, request: gr.Request
    ) -> Iterator[Updates]:
        """Listen: the voice says it as soon as it is its turn."""

        def work() -> Iterator[Updates]:
            name = language(request)
            told = quiet(say(name, "face.listening"))
            yield {self.tab.heard: told, self.tab.listen: gr.update(interactive=False)}
            try:
                told = player(name, spoken(self.tab.session(request), text, tongue, voice))
            except Exception as error:  # a bug must end in a sentence as well
                told = why(request, error)
            yield {self.tab.heard: told, self.tab.listen: gr.update(interactive=True)}

        yield from settled(work())


def player(name: str, file: Path) -> str:
    """What plays a sound at once, and again, as HTML in the page's language `name`."""
    label = escape(say(name, "face.heard"))
    return f'<audio controls autoplay aria-label="{label}" src="{escape(address(file))}"></audio>'


def spoken(session: FaceSession, text: object, tongue: object, voice: object) -> Path:
    """A wav that the page may serve, of the start of a text in a voice; the one before is deleted.

    Raises UserError: as `service.spoken` and `voices.speak` do, and what the gate raises.
    """
    said = beginning(text) if isinstance(text, str) else ""
    if not said and isinstance(tongue, str) and tongue in voices.LANGUAGES:
        said = sentences.greeting(tongue)
    ordered = service.spoken(said, tongue, voice)
    samples = service.making.run(voices.speak, *ordered, gone=session.visit.gone)
    if session.heard:
        session.heard.unlink(missing_ok=True)
    session.heard = session.visit.shown / f"voice_{token_hex(6)}.wav"
    return sound_io.write_sound(session.heard, samples)


def beginning(text: str) -> str:
    """The first sentence of a text, at most MOST_HEARD characters in whole words, "" of an empty one."""
    first = re.split(r"(?<=[.!?…])\s|(?<=[。！？])", text.strip()[: 2 * MOST_HEARD], maxsplit=1)[0]
    if len(first) <= MOST_HEARD:
        return first
    whole = first[:MOST_HEARD].rpartition(" ")[0]
    return whole or first[:MOST_HEARD]
