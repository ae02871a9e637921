"""The model cards of a lab as HTML, for a window over the page: only of what answers there."""

from collections.abc import Sequence
from html import escape
from typing import Any

from app.colonoscopy import service
from models.colonoscopy.methods import METHODS as COLONOSCOPY
from models.core import checkpoints
from models.core.errors import UserError
from models.core.registry import Registry
from models.face.methods import METHODS as FACE
from models.scene.methods import METHODS as SCENE

METHODS: dict[str, Sequence[Registry[Any]]] = {"scene": SCENE, "face": FACE, "colonoscopy": COLONOSCOPY}


def in_use(lab: str) -> list[str]:
    """Checkpoints that can be asked, those that they need last; the others are for ablations and training."""
    methods = [registry[name] for registry in METHODS.get(lab, ()) for name in registry]
    beside = service.BESIDE if lab == "colonoscopy" else ()
    own = (one.checkpoint for one in methods)
    return list(dict.fromkeys((*own, *(name for one in methods for name in one.needs), *beside)))


def cards(lab: str) -> list[checkpoints.CheckpointCard]:
    """Cards of a lab's checkpoints that are here and in use; a broken one is left out."""
    found = []
    for name in in_use(lab):
        try:
            found.append(checkpoints.card(name))
        except UserError:
            continue
    return found


def html(lab: str) -> str:
    """All cards of a lab, "" for a name that is none. They are in English, and raw HTML is not passed on."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    return "".join(
        f'<article lang="en"><h3>{escape(card.title)}</h3>'
        f'<p class="tl-quiet"><code>{escape(card.name)}</code> · {escape(card.sha256)} · '
        f"{escape(card.licence)}</p>{markdown.render(card.summary)}</article>"
        for card in cards(lab)
    )
