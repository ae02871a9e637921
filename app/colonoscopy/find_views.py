"""What the finding panel shows: a frame with every network's outline, and a row for each network."""

import itertools
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from app.components.result_strip import picture_url
from app.i18n import say
from app.messages import quiet
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.types import Finding

SHOWN = 640  # pixels of the longer side of a frame on the page
AGREED = 0.8  # Dice of two segmenters from which on they say the same


def fragments(name: str) -> dict[str, str]:
    """Pieces of HTML put together from the words of a language."""
    heading = f'<h2 class="tl-heading">{escape(say(name, "find.title"))}</h2>'
    return {"html.find_lead": heading + quiet(say(name, "find.lead"))}


def found(name: str, findings: Sequence[Finding]) -> str:
    """All findings so far, as HTML."""
    figures = "".join(_figure(name, one) for one in findings)
    return f'<div class="tl-found">{figures}</div>' if figures else ""


def _figure(name: str, finding: Finding) -> str:
    from models.colonoscopy.data.findings import COLOURS, outlined

    rows = [
        _row(colour, SEGMENTERS[model].title, _mask_words(name, finding, model))
        for colour, model in zip(itertools.cycle(COLOURS), finding.masks, strict=False)
    ]
    rows += [
        _row(colour, DETECTORS[model].title, _box_words(name, finding, model))
        for colour, model in zip(itertools.cycle(COLOURS[::-1]), finding.boxes, strict=False)
    ]
    picture = outlined(finding)
    height, width = picture.shape[:2]
    if (scale := SHOWN / max(height, width)) < 1:
        size = (max(1, round(scale * width)), max(1, round(scale * height)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    alt = escape(say(name, "find.alt", name=finding.name), quote=True)
    return (
        f'<figure><img src="{picture_url(picture)}" alt="{alt}"><figcaption><b>{escape(finding.name)}</b>'
        f"{_agreement(name, finding)}<ul>{''.join(rows)}</ul></figcaption></figure>"
    )


def _row(colour: tuple[int, int, int], title: str, words: str) -> str:
    chip = f'<i style="background:rgb{colour}"></i>'
    return f"<li>{chip}<b>{escape(title)}</b> {escape(words)}</li>"


def _mask_words(name: str, finding: Finding, model: str) -> str:
    mask = finding.masks[model]
    if not mask.any():
        words = say(name, "find.nothing")
    else:
        words = say(name, "find.area", percent=f"{100 * mask.mean():.1f}")
    if model in finding.dice:
        words += " · " + say(name, "find.dice", dice=f"{finding.dice[model]:.2f}")
    return words


def _box_words(name: str, finding: Finding, model: str) -> str:
    boxes = finding.boxes[model]
    if not boxes:
        return say(name, "find.nothing")
    sure = ", ".join(f"{100 * box.confidence:.0f} %" for box in boxes)
    return say(name, "find.boxes", count=len(boxes), sure=sure)


def _agreement(name: str, finding: Finding) -> str:
    if finding.agreement is None:
        return ""
    key = "agree" if finding.agreement >= AGREED else "disagree"
    words = say(name, f"find.{key}", dice=f"{finding.agreement:.2f}")
    return f'<p class="tl-{key}">{escape(words)}</p>'
