"""The sentences of errors and notes, in English and Chinese: what the page and the command line both tell."""

import json
from functools import cache
from pathlib import Path

from models.core.errors import UserError
from models.core.notes import Note

FOLDER = Path(__file__).parent


@cache
def sentences(language: str) -> dict[str, dict[str, str]]:
    """{"errors": {key: sentence}, "notes": {key: sentence}} of "en" or "zh-CN", the facts in braces.

    {} of any other language.
    """
    file = FOLDER / f"{language}.json"
    found: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def sentence(error: UserError) -> str:
    """What the command line says of an error."""
    return sentences("en")["errors"][error.key].format(**error.facts)


def told(note: Note) -> str:
    """What the command line says of a file that was read."""
    return sentences("en")["notes"][note.key].format(**note.facts)
