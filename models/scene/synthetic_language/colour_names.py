"""What people call the colour of an object: how likely each of nine names is of its mean colour.

A scan's colours depend on its light and its camera, so an object's is taken relative to what is bright in its
room. A name's centre, in CIE Lab, lies half way between the mean of what people called so in scans of train
scenes, where all is murky, and the colour itself; colour_names.json has centres and shares.
"""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from models.scene.data.geometry import Array
from models.scene.synthetic_language.vocabulary import COLOURS

PATH = Path(__file__).with_name("colour_names.json")
BRIGHT = 0.15  # the share of all surfaces that is taken for white
WHITE = 200.0  # what it would be, 0-255, in the scans of the fit
DARKEST = 20.0  # a room without light isn't made bright
SPREAD = np.array([17.0, 6.0, 10.0], np.float32)  # of L, a and b around a name's centre
NEAR = 2  # names that may be said of a colour


def names_of_colours(colours: Array, boxes: Array) -> list[list[str]]:
    """The names of each object's colour, the likeliest first, all nine of them. As `balanced` has it."""
    names, centres, bias = _known()
    away = (balanced(colours, boxes)[:, None] - centres) / SPREAD
    order = np.argsort(np.square(away).sum(2) / 2 - bias, axis=1, kind="stable")
    return [[names[place] for place in row] for row in order]


def balanced(colours: Array, boxes: Array) -> Array:
    """(N, 3) CIE Lab of the mean colours of all objects of a room, in its light.

    colours: (N, 3), 0 to 1. boxes: (N, 6), metres; an object's two longest sides tell its share of the room.
    """
    sides = np.sort(boxes[:, 3:] - boxes[:, :3], axis=1)
    order = np.argsort(colours.mean(1), kind="stable")
    surface = np.cumsum((sides[:, 1] * sides[:, 2] + 1e-6)[order])
    bright = order[np.searchsorted(surface / surface[-1], 1 - BRIGHT) :]
    white = 255 * colours[bright].mean(0)
    return _lab(255 * colours / np.maximum(white, DARKEST) * WHITE)


def _lab(colours: Array) -> Array:
    shown = (colours.clip(0, 255) / 255).astype(np.float32)
    return np.asarray(cv2.cvtColor(shown[None], cv2.COLOR_RGB2LAB)[0], np.float32)


def fitted(colours: Array, said: Sequence[str]) -> dict[str, list[float]]:
    """{name: its share, and its centre}. colours: (M, 3) as `balanced` gives them, and what people said."""
    called = np.array(said)
    meant = dict(zip(COLOURS, _lab(np.array(list(COLOURS.values()), np.float32)), strict=True))
    found = {}
    for name in COLOURS:
        own = colours[called == name]
        centre = ((own.mean(0) + meant[name]) / 2).astype(float).round(2)
        found[name] = [round(len(own) / len(said), 4), *centre.tolist()]
    return found


@cache
def _known() -> tuple[list[str], Array, Array]:
    """Names, (9, 3) centres, (9,) half the logarithms of their shares."""
    stored = json.loads(PATH.read_text(encoding="utf-8"))
    rows = np.array(list(stored.values()), np.float32)
    return list(stored), rows[:, 1:], (np.log(rows[:, 0]) / 2).astype(np.float32)
