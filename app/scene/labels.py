"""Labels of objects as a visitor reads them: in Chinese on a Chinese page, where they have a Chinese name."""

import re
from html import escape

from app.i18n import say
from models.core.notes import Note
from models.scene.chinese.caption import name_of

# Left where a Chinese name stands for an English one.
SPACE = re.compile("(?<=[\u4e00-\u9fff]) (?=[\u4e00-\u9fff])")
# Facts of notes that name things of the scan.
THINGS = {"label", "things", "thing", "one", "two", "anchor", "anchors", "noun", "first"}


def shown(language: str, label: str) -> str:
    """A label, or the plural of one, in the page's language; as it is where that has no word for it."""
    return (name_of(label) if language.startswith("zh") else None) or label


def numbered(language: str, label: str, id: int) -> str:
    """What an object is called, and its number, as HTML that stays on one line."""
    return f"{escape(shown(language, label))}&nbsp;{id}"


def note_said(language: str, one: Note, key: str = "") -> str:
    """A note about a scan or an answer, as a sentence. key: of other words than the note's own."""
    facts = {name: shown(language, value) if name in THINGS else value for name, value in one.facts.items()}
    said = say(language, key or f"notes.{one.key}", **facts)
    return SPACE.sub("", said)
