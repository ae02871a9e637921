"""Every string a person reads, in English and Chinese: en.json and zh-CN.json.

The sentences of errors and notes are the command line's too, and lie in models/core/sentences.

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
LANGUAGES = {"en": "English", "zh-CN": "中文"}
DEFAULT = "en"


@cache
def words(language: str) -> dict[str, str]:
    """All sentences of a language by dotted key, "scene.find" -> "Find"."""
    own = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return dict(_flat({**own, **sentences(language)}))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Any:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def placeholders(sentence: str) -> set[str]:
    """Names of the facts a sentence wants: "{size} of {limit}" -> {"size", "limit"}."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def say(language: str, key: str, /, **facts: object) -> str:
    """The sentence `key` in a language, its placeholders filled."""
    return words(language)[key].format(**facts)


def explain(language: str, error: UserError) -> str:
    """What a visitor reads when `error` was raised.

    A key or a fact that the words lack is a bug, but must not hide the error itself.
    """
    try:
        return say(language, f"errors.{error.key}", **error.facts)
    except (KeyError, IndexError):
        return f"{say(language, 'errors.internal', reference=error.key)}"


def matching(wanted: str | None) -> str:
    """Our language for a browser's: any Chinese is zh-CN, all others are English."""
    return "zh-CN" if (wanted or "").strip().lower().startswith("zh") else DEFAULT


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
