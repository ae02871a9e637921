"""The model cards of a lab as HTML, for a window over the page: only of what answers there."""

from html import escape

from app.colonoscopy import service
from app.face import service as face_service
from models.colonoscopy import MODELS
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import CASCADE
from models.core import checkpoints
from models.core.errors import UserError
from models.scene.grounding.registry import METHODS

# Checkpoints that answer on the page, by lab; the others are for ablations and for training.
IN_USE = {
    "scene": (*(one.checkpoint for one in METHODS.values()), "xtrans2cap", "pointgroup", "shapes"),
    "face": face_service.NEEDED,
    "colonoscopy": tuple(
        dict.fromkeys(
            (
                *(*MODELS, *CASCADE, *service.BESIDE),
                *(SEGMENTERS[name].checkpoint for name in SEGMENTERS),
                *(DETECTORS[name].checkpoint for name in DETECTORS),
            )
        )
    ),
}


def cards(lab: str) -> list[checkpoints.CheckpointCard]:
    """Cards of a lab's checkpoints that are here and in use; a broken one is left out."""
    found = []
    for name in IN_USE.get(lab, ()):
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
