"""A contact sheet: what each model draws for the same masks from the same noise, to be judged by eye."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import Frame, Mask, fitted
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.synthesis.whole_frames import SIZE

SEED = 2000
GAP, HEAD = 8, 30  # pixels between pictures, and above the columns


def write_sheet(masks: Sequence[Mask], out: Path, real: Sequence[Frame] | None = None) -> None:
    """A PNG with a row for each mask: the mask, a frame of each model, marked, and the mask's real frame.

    From ArSDM's frame the polyp is taken away too, and from what is left another is drawn there.

    real: frames of the masks, of any size; then the picture shows patients and is for one's own eyes only.
    Raises UserError as `pipeline.draw` does.
    """
    columns = {"mask": [_grey(fitted(mask, SIZE, SIZE)) for mask in masks]}
    for model in reversed(GENERATORS.installed()):  # the baselines first
        columns[GENERATORS[model].title] = [_drawn(mask, SEED + row, model) for row, mask in enumerate(masks)]
    clean = columns[GENERATORS[pipeline.INPAINTER].title]
    for title, remove in {"taken away": True, "another drawn": False}.items():
        clean = [
            _altered(frame, mask, SEED + row, remove)
            for row, (frame, mask) in enumerate(zip(clean, masks, strict=True))
        ]
        columns[title] = clean
    columns = {
        title: pictures if title == "mask" else [exports.burnt(one) for one in pictures]
        for title, pictures in columns.items()
    }
    if real is not None:
        columns["real"] = [np.asarray(Image.fromarray(frame).resize((SIZE, SIZE))) for frame in real]
    side = SIZE + GAP
    sheet = Image.new("RGB", (GAP + side * len(columns), HEAD + side * len(masks)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, (title, pictures) in enumerate(columns.items()):
        left = GAP + column * side
        pen.text((left, 4), title, font=font, fill="black")
        for row, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (left, HEAD + row * side))
    sheet.save(out)


def _drawn(mask: Mask, seed: int, model: str) -> Frame:
    steps = pipeline.draw(pipeline.Order(mask, count=1, seed=seed, model=model))
    return next(step.frame for step in steps if isinstance(step, pipeline.Sample))


def _altered(frame: Frame, mask: Mask, seed: int, remove: bool) -> Frame:
    steps = pipeline.inpaint(pipeline.Alteration(frame, fitted(mask, SIZE, SIZE), seed=seed, remove=remove))
    return next(step.frame for step in steps if isinstance(step, pipeline.Sample))


def _grey(mask: Mask) -> Frame:
    return np.repeat(255 * mask.astype(np.uint8)[..., None], 3, axis=2)
