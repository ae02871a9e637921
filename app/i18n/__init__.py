"""Every string a person reads, a file for each language, named by its tag: en.json, zh-CN.json.

A further language is one more file here: it is offered by the name that it gives itself ("name"), to browsers
that ask for it too, and what it doesn't say is said in English. The sentences of errors and notes are the
command line's too; those of English and Chinese lie in models/core/sentences, a further language has its own
under "errors" and "notes".

Labels of widgets are translated in the browser (`i18n`), which knows the visitor's
language first; what Python says at run time is translated here, in the language that
the request carries.
"""

import json
import string
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from models.core.errors import UserError
from models.core.sentences import sentences

FOLDER = Path(__file__).parent
DEFAULT = "en"


def _own(language: str) -> dict[str, Any]:
    """A language's file."""
    found: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def offered() -> dict[str, str]:
    """The languages that have a file, English first, with the names that they give themselves."""
    tags = sorted((path.stem for path in FOLDER.glob("*.json")), key=lambda tag: (tag != DEFAULT, tag))
    return {tag: _own(tag)["name"] for tag in tags}


LANGUAGES = offered()


@cache
def words(language: str) -> dict[str, str]:
    """All sentences of a language by dotted key, "scene.find" -> "Find"; English where it has none."""
    return {**own_words(DEFAULT), **own_words(language)}


def own_words(language: str) -> dict[str, str]:
    """The sentences that a language has itself."""
    return dict(_flat({**sentences(language), **_own(language)}))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Any:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def placeholders(sentence: str) -> set[str]:
    """Names of the facts a sentence wants: "{size} of {limit}" -> {"size", "limit"}."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


class _Counting(string.Formatter):
    """Fills "{count:frame|frames}" with the word for one or for another number."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """See `string.Formatter`."""
        if "|" not in format_spec:
            return str(super().format_field(value, format_spec))
        one, several = format_spec.split("|")
        return one if value == 1 else several


def say(language: str, key: str, /, **facts: object) -> str:
    """The sentence `key` in a language, its placeholders filled; see `_Counting`."""
    return _Counting().format(words(language)[key], **facts)


def explain(language: str, error: UserError) -> str:
    """What a visitor reads when `error` was raised.

    A key or a fact that the words lack is a bug, but must not hide the error itself.
    """
    try:
        return say(language, f"errors.{error.key}", **error.facts)
    except (KeyError, IndexError):
        return f"{say(language, 'errors.internal', reference=error.key)}"


def matching(wanted: str | None) -> str:
    """Our language for what a browser asks for first: any Chinese is zh-CN, an unknown one English."""
    spoken = (wanted or "").strip().lower().partition(",")[0].partition("-")[0].partition(";")[0]
    return next((tag for tag in LANGUAGES if tag.lower().partition("-")[0] == spoken), DEFAULT)


def language(request: Any) -> str:
    """The language of a gr.Request: `?lang=` of the page, else Accept-Language, else English."""
    if request is None:
        return DEFAULT
    asked = dict(request.query_params or {}).get("lang")
    if asked in LANGUAGES:
        return str(asked)
    return matching(dict(request.headers or {}).get("accept-language"))


def part(name: str, keys: Iterable[str]) -> dict[str, dict[str, str]]:
    """Sentences of a part of the words in each language, for a component that fills the facts in itself.

    name: "stage" for the keys below "stage.".
    """
    return {language: {key: words(language)[f"{name}.{key}"] for key in keys} for language in LANGUAGES}


def i18n(fragments: Mapping[str, Mapping[str, str]]) -> Any:
    """gr.I18n of all sentences, and of `fragments`: {language: {key: text or HTML}}."""
    import gradio as gr

    return gr.I18n(**{name: {**words(name), **fragments[name]} for name in LANGUAGES})
