"""A contact sheet over time: the films that each model makes from the same seeds, to be judged by eye."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.colonoscopy import pipeline
from models.colonoscopy.data import exports
from models.colonoscopy.data.images import Frame, Mask, squared
from models.colonoscopy.filming import JudgedFrame
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.base import FPS, FilmOrder
from models.colonoscopy.video.registry import FILMS

MOVES = ("forward", "left", "around", "still")
SECONDS, SHOWN, SEED = 4.0, 6, 5000  # of a film; frames of it, evenly spread; the first film's
SIDE, GAP, HEAD = 192, 6, 28  # pixels of a frame, between frames, above the columns and left of the rows
LEFT = 190
OUTLINE = (255, 255, 255)


def write_film_sheet(masks: Sequence[Mask], out: Path) -> None:
    """A PNG with a row of frames over time for each mask and model; the asked outline is drawn where known.

    ArSDM's frames, drawn one by one for the outlines of the film under a mask, stand beside. Raises UserError
    as `pipeline.film` does.
    """
    rows: list[tuple[str, list[Frame]]] = []
    times: list[float] = []
    for number, mask in enumerate(masks):
        order = FilmOrder(mask, move=MOVES[number % len(MOVES)], seconds=SECONDS, seed=SEED + number)
        for model in FILMS.installed():
            film = {step.index: step for step in _frames(order, model)}
            at = np.linspace(0, len(film) - 1, SHOWN).round().astype(int).tolist()
            times = [one / FPS for one in at]
            name = f"{FILMS[model].title}\n{order.move}" if film[0].mask is not None else FILMS[model].title
            rows.append((name, [_outlined(film[one].frame, film[one].mask) for one in at]))
            if film[0].mask is not None:
                rows.append(("ArSDM\nframe by frame", _by_frame(film, at, order.seed)))
    _write(rows, times, out)


def _frames(order: FilmOrder, model: str) -> list[JudgedFrame]:
    return [step for step in pipeline.film(order, model) if isinstance(step, JudgedFrame)]


def _by_frame(film: Mapping[int, JudgedFrame], at: Sequence[int], seed: int) -> list[Frame]:
    generator, drawn = GENERATORS.loaded("arsdm"), []
    for one in at:
        mask = film[one].mask
        assert mask is not None
        *_, frames = generator(mask, count=1, seed=seed)
        assert isinstance(frames, list)
        drawn.append(_outlined(frames[0], mask))
    return drawn


def _outlined(frame: Frame, mask: Mask | None) -> Frame:
    picture = squared(frame, SIDE)
    if mask is not None:
        small = cv2.resize(mask.astype(np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        lines, _ = cv2.findContours(small, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        picture = np.asarray(cv2.drawContours(picture.copy(), lines, -1, OUTLINE, 1), np.uint8)
    return exports.burnt(picture)


def _write(rows: Sequence[tuple[str, Sequence[Frame]]], times: Sequence[float], out: Path) -> None:
    step = SIDE + GAP
    sheet = Image.new("RGB", (LEFT + step * SHOWN, HEAD + step * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for column, seconds in enumerate(times):
        pen.text((LEFT + column * step, 4), f"{seconds:.1f} s", font=font, fill="black")
    for row, (name, pictures) in enumerate(rows):
        pen.multiline_text((6, HEAD + row * step + SIDE // 2 - 20), name, font=font, fill="black")
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (LEFT + column * step, HEAD + row * step))
    sheet.save(out)
