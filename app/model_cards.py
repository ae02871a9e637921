"""The model cards of a lab as HTML, for a window over the page: only of what answers there."""

from html import escape
from typing import Any

from app.colonoscopy import service
from app.face import service as face_service
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.registry import SEGMENTERS as POLYP_SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core import checkpoints
from models.core.errors import UserError
from models.core.registry import Registry
from models.scene.captioning.registry import CAPTIONERS
from models.scene.grounding.registry import GROUNDERS
from models.scene.segmentation.registry import SEGMENTERS as SCAN_SEGMENTERS


def in_use(lab: str) -> tuple[str, ...]:
    """Checkpoints that answer on the page, each once; the others are for ablations and for training."""
    if lab == "scene":
        return _of(GROUNDERS, CAPTIONERS, SCAN_SEGMENTERS, also=("shapes",))
    if lab == "colonoscopy":
        return _of(GENERATORS, POLYP_SEGMENTERS, DETECTORS, also=service.BESIDE)
    return face_service.NEEDED if lab == "face" else ()


def _of(*registries: Registry[Any], also: tuple[str, ...]) -> tuple[str, ...]:
    entries = [entry for registry in registries for entry in registry.entries.values()]
    needed = [name for entry in entries for name in (entry.checkpoint, *entry.beside)]
    return tuple(dict.fromkeys((*needed, *also)))


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
