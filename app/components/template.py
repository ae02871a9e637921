"""What our components of gr.HTML have in common: their files beside this one, and the words they say."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def drawn_by(name: str, scripts: Sequence[str] = ()) -> dict[str, Any]:
    """The arguments of gr.HTML for NAME.html, NAME.css and NAME.js, after other scripts.

    They make one script: the parts share a scope, and NAME.js, the last one, starts the component.
    """
    return {
        "html_template": text(f"{name}.html"),
        "css_template": text(f"{name}.css"),
        "js_on_load": "\n".join(text(script) for script in (*scripts, f"{name}.js")),
        "apply_default_css": False,
    }


def spoken(english: Mapping[str, str], words: Mapping[str, str] | str | None) -> str:
    """A component's prop `words`: what it says, English where a key is not given.

    Gradio makes the component anew for an update, from props as they went out: what is a string stays.
    """
    return words if isinstance(words, str) else json.dumps({**english, **(words or {})})


@cache
def text(name: str) -> str:
    """A file of this folder."""
    return (HERE / name).read_text(encoding="utf-8")
