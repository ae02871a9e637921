"""What the colonoscopy tab says: cards of its frames, sentences, what two models made of one noise."""

import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from app import validation
from app.components import mask_pad
from app.components.result_strip import Card, Table, outline_path, picture_url
from app.i18n import say
from app.messages import quiet
from models.colonoscopy import TOO_NEAR
from models.colonoscopy.data.images import Frame, Mask, fitted, letterboxed, padded, squared
from models.colonoscopy.pipeline import Sample
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.progress import Ahead, Progress

SIZE = 256  # pixels of a card's sides


def card(name: str, sample: Sample) -> Card:
    """A frame for the strip: outlines as drawn and as found, Dice, seed, model, look, how near training."""
    key = "card_near" if sample.percentile < TOO_NEAR else "card_memory"
    percent = f"{sample.percentile:.1f}" if sample.percentile < 10 else f"{sample.percentile:.0f}"
    title = "card_left" if sample.kind == "removed" else "card_dice"
    made = say(name, "colonoscopy.card_seed", seed=sample.seed, model=model(name, sample.model))
    lines = [made if sample.look == "any" else f"{made} · {say(name, f'colonoscopy.look_{sample.look}')}"]
    if sample.kind == "drawn":
        lines.append(say(name, f"colonoscopy.{key}", percent=percent))
    return Card(
        image=picture_url(squared(letterboxed(sample.frame), SIZE)),
        size=SIZE,
        drawn=outline_path(fitted(padded(sample.mask), SIZE, SIZE)),
        found=outline_path(fitted(padded(sample.found), SIZE, SIZE)),
        name=model(name, sample.model),
        title=say(name, f"colonoscopy.{title}", dice=f"{sample.dice:.2f}"),
        lines=tuple(lines),
        file=f"synthetic_{sample.model}_{sample.seed}",
        copied=str(sample.seed),
        link=link(sample),
        before="" if sample.before is None else picture_url(squared(letterboxed(sample.before), SIZE)),
    )


def table(name: str, models: Sequence[str], seeds: Iterable[int]) -> Table:
    """How frames by several models stand: a column for each model, a row for each seed."""
    rows = tuple(say(name, "colonoscopy.row", seed=seed) for seed in seeds)
    return Table(tuple(model(name, one) for one in models), rows)


def link(sample: Sample) -> dict[str, str]:
    """What leads to the frame again, as parameters of the address; nothing for a change in one's own."""
    if sample.kind != "drawn":
        return {}
    mask = fitted(padded(sample.mask), SIZE, SIZE)
    known = {"model": sample.model, "seed": str(sample.seed), "look": sample.look, "count": "1"}
    return {"lab": "colonoscopy", mask_pad.LINK: mask_pad.code(mask), **known}


def laid(mask: Mask, frame: Frame | None) -> dict[str, Any]:
    """The update that lays what was ordered on the pad: the mask, unless it is empty, over a frame."""
    from models.colonoscopy.data.exports import mask_png

    return mask_pad.lay(
        mask=validation.png_url(mask_png(mask)) if mask.any() else None,
        backdrop=None if frame is None else picture_url(squared(letterboxed(frame), SIZE)),
    )


def model(name: str, key: str) -> str:
    """What a model is called, without what explains it: "ArSDM"."""
    if key not in GENERATORS.shipped:
        return GENERATORS[key].title
    return say(name, f"colonoscopy.model_{key}").replace("：", ":").replace("（", ":").partition(":")[0]


def finished(name: str, samples: list[Sample], wanted: int) -> str:
    """How it went, as HTML: all that was wanted, or what was there when it was stopped."""
    if len(samples) == wanted:
        facts = {
            "count": wanted,
            "seconds": f"{sum(sample.seconds for sample in samples):.1f}",
            "dice": f"{sum(sample.dice for sample in samples) / wanted:.2f}",
        }
        return quiet(say(name, "colonoscopy.finished", **facts))
    if samples:
        return quiet(say(name, "colonoscopy.stopped", count=len(samples)))
    return quiet(say(name, "colonoscopy.stopped_empty"))


class Clock:
    """What is told while frames are drawn: which one, and how long the rest takes."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count
        self.begun: float | None = None

    def told(self, step: Progress) -> str:
        """The sentence for a step in the visitor's language `name`."""
        if isinstance(step.preview, Ahead):
            return say(self.name, "progress.in_line", count=step.preview.count)
        now = time.monotonic()
        self.begun = self.begun or now
        number = min(int(step.fraction * self.count) + 1, self.count)
        text = say(self.name, "colonoscopy.drawing", number=number, count=self.count)
        if now - self.begun < 1 or step.fraction <= 0:
            return text
        left = (now - self.begun) * (1 - step.fraction) / step.fraction
        return say(self.name, "face.left", step=text, seconds=max(1, round(left)))


def caution(name: str, alters: bool = False) -> str:
    """What must be read before any frame is believed, as HTML. alters: frames of one's own are, too."""
    key = "caution_altered" if alters else "caution"
    first, rest = escape(say(name, "colonoscopy.caution_first")), escape(say(name, f"colonoscopy.{key}"))
    return f'<p class="tl-caution" role="note"><b>{first}</b> <span>{rest}</span></p>'
