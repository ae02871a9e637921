"""What our components have in common: their files beside this one, and the words they say."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr

HERE = Path(__file__).parent


class Component(gr.HTML):
    """A component of NAME.html, NAME.css and NAME.js.

    SCRIPTS come before NAME.js and make one script with it and component.js: the parts share a scope, and
    NAME.js starts the component. WORDS: what it says in English, and where nothing else is given; `words` are
    translations of the same keys by language, and the browser chooses, so that a page changes its language in
    place. They stand in the script: an update of a component whose tab was not opened yet loses every prop
    that it doesn't name.
    """

    NAME: ClassVar[str]
    SCRIPTS: ClassVar[Sequence[str]] = ()
    WORDS: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        value: str | None = "",
        *,
        words: Mapping[str, Mapping[str, str]] | None = None,
        elem_id: str | None = None,
        elem_classes: list[str] | str | None = None,
        render: bool = True,
        **props: Any,
    ) -> None:
        own = {
            "html_template": text(f"{self.NAME}.html"),
            "css_template": text(f"{self.NAME}.css"),
            "js_on_load": self._script(words or {}),
            "apply_default_css": False,
            **dict.fromkeys(self.changing(), ""),
            **props,
        }
        super().__init__(value, elem_id=elem_id, elem_classes=elem_classes, render=render, **own)

    def changing(self) -> Sequence[str]:
        """Names of what an update can change besides the value; empty at first."""
        return ()

    def fixed(self) -> dict[str, Any]:
        """What the script reads as GIVEN: plain values that no update changes."""
        return {}

    def _script(self, words: Mapping[str, Mapping[str, str]]) -> str:
        said = {"en": dict(self.WORDS)} | {name: {**self.WORDS, **own} for name, own in words.items()}
        begin = f"const WORDS = {json.dumps(said, ensure_ascii=False)}, GIVEN = {json.dumps(self.fixed())};"
        scripts = ("component.js", *self.SCRIPTS, f"{self.NAME}.js")
        return "\n".join((begin, *(text(script) for script in scripts)))

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.HTML."""
        return "html"


@cache
def text(name: str) -> str:
    """A file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")
