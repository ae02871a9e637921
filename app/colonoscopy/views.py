"""What the colonoscopy tab says: cards of its frames, sentences, what two models made of one noise."""

import tempfile
from html import escape
from pathlib import Path

from app.components.result_strip import Card, outline_path, picture_url
from app.i18n import say
from app.messages import quiet
from app.session import Visit
from models.colonoscopy import TOO_NEAR
from models.colonoscopy.pipeline import Sample


def card(name: str, sample: Sample) -> Card:
    """A frame for the strip: outlines as drawn and as found, Dice, seed, model, how near training is."""
    key = "card_near" if sample.percentile < TOO_NEAR else "card_memory"
    percent = f"{sample.percentile:.1f}" if sample.percentile < 10 else f"{sample.percentile:.0f}"
    return Card(
        image=picture_url(sample.frame),
        size=len(sample.frame),
        drawn=outline_path(sample.mask),
        found=outline_path(sample.found),
        title=say(name, "colonoscopy.card_dice", dice=f"{sample.dice:.2f}"),
        lines=(
            say(name, "colonoscopy.card_seed", seed=sample.seed, model=model(name, sample.model)),
            say(name, f"colonoscopy.{key}", percent=percent),
        ),
    )


def model(name: str, key: str) -> str:
    """What a model is called, without what explains it: "ArSDM"."""
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


def pair(name: str, left: Sample, right: Sample) -> str:
    """What stands under the slider, as HTML."""
    told = [
        say(name, f"colonoscopy.compare_{side}", model=model(name, one.model), dice=f"{one.dice:.2f}")
        for side, one in (("left", left), ("right", right))
    ]
    return f'<p class="tl-pairing"><b>{escape(told[0])}</b><b>{escape(told[1])}</b></p>'


def sides(visit: Visit, left: Sample, right: Sample) -> tuple[str, str]:
    """The two frames for the slider, marked as what they are: it offers them for saving.

    They are files of the visit: the slider would write its own, which nobody deletes.
    """
    from PIL import Image

    from models.colonoscopy.data.exports import burnt

    folder = Path(tempfile.mkdtemp(dir=visit.shown))
    for name, sample in (("left", left), ("right", right)):
        Image.fromarray(burnt(sample.frame)).save(folder / f"{name}.png", compress_level=1)
    return str(folder / "left.png"), str(folder / "right.png")


def caution(name: str) -> str:
    """What must be read before any frame is believed, as HTML."""
    return f'<p class="tl-caution" role="note">{escape(say(name, "colonoscopy.caution"))}</p>'
