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

    SCRIPTS come before NAME.js and make one script with it: the parts share a scope, and NAME.js starts the
    component. WORDS: what it says in English; a page passes its translations of the same keys as `words`.
    """

    NAME: ClassVar[str]
    SCRIPTS: ClassVar[Sequence[str]] = ()
    WORDS: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        value: str | None = "",
        *,
        words: dict[str, str] | str | None = None,
        elem_id: str | None = None,
        elem_classes: list[str] | str | None = None,
        render: bool = True,
        **props: Any,
    ) -> None:
        scripts = (*self.SCRIPTS, f"{self.NAME}.js")
        given = {
            "html_template": text(f"{self.NAME}.html"),
            "css_template": text(f"{self.NAME}.css"),
            "js_on_load": "\n".join(text(script) for script in scripts),
            "apply_default_css": False,
            "words": self.spoken(words),
            **self.at_first(),
            **props,
        }
        super().__init__(value, elem_id=elem_id, elem_classes=elem_classes, render=render, **given)

    def at_first(self) -> dict[str, str]:
        """What the component's script reads besides value and words, as it is at first."""
        return {}

    @classmethod
    def spoken(cls, words: Mapping[str, str] | str | None) -> str:
        """The prop `words`: what the component says, English where a key is not given.

        Gradio makes the component anew for an update, from props as they went out: what is a string stays.
        """
        return words if isinstance(words, str) else json.dumps({**cls.WORDS, **(words or {})})

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.HTML."""
        return "html"


@cache
def text(name: str) -> str:
    """A file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")
