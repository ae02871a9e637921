"""A contact sheet over time: the films that each model makes from the same seeds, to be judged by eye."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.colonoscopy.data import exports
from models.colonoscopy.data.images import Frame, Mask, fitted, squared
from models.colonoscopy.video.base import CLIP, FPS, FilmOrder
from models.colonoscopy.video.frame_by_frame import drawn_alone, judged
from models.colonoscopy.video.reconstruction import autoencoders
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
            film = judged(order, model)
            at = np.linspace(0, len(film) - 1, SHOWN).round().astype(int).tolist()
            times = [one / FPS for one in at]
            name = f"{FILMS[model].title}\n{order.move}" if film[0].mask is not None else FILMS[model].title
            rows.append((name, [_marked(film[one].frame, film[one].mask) for one in at]))
            if model == FILMS.default:
                alone = [_marked(drawn_alone(film[one].mask, order.seed), film[one].mask) for one in at]
                rows.append(("ArSDM\nframe by frame", alone))
    _write(rows, times, out)


def write_reconstructions(masks: Sequence[Mask], out: Path) -> None:
    """A PNG with a row for a clip of the film under each mask, and below it one for each autoencoder's.

    No real frame is shown: the clips are drawn. Raises UserError as `pipeline.film` does.
    """
    rows: list[tuple[str, list[Frame]]] = []
    kinds = autoencoders()
    at = np.linspace(0, CLIP - 1, SHOWN).round().astype(int).tolist()
    for number, mask in enumerate(masks):
        order = FilmOrder(mask, move=MOVES[number % len(MOVES)], seconds=CLIP / FPS, seed=SEED + number)
        drawn = [step.frame for step in judged(order, FILMS.default)][:CLIP]
        rows.append((f"input: film\nunder a mask,\n{order.move}", [_marked(drawn[one]) for one in at]))
        for title, (size, again) in kinds.items():
            kept = again([squared(frame, size) for frame in drawn])
            rows.append((f"{title}\nreconstruction", [_marked(kept[one]) for one in at]))
    _write(rows, [one / FPS for one in at], out)


def _marked(frame: Frame, mask: Mask | None = None) -> Frame:
    """As it is shown: SIDE pixels, the asked outline, the mark."""
    picture = squared(frame, SIDE)
    if mask is not None:
        small = fitted(mask, SIDE, SIDE).astype(np.uint8)
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
