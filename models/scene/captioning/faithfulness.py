"""Whether a caption is true: the colour, class, neighbour and side that it names, against the scan."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from models.scene.captioning.metrics import caption_words
from models.scene.data.geometry import box_centres, box_gaps
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.colour_names import NEAR as NEAR_NAMES
from models.scene.synthetic_language.vocabulary import COLOURS, STRUCTURE, SYNONYMS

SAME_COLOUR = {"grey": "gray", "beige": "tan", "golden": "yellow", "wooden": "brown"}
NEAR_COUNT, NEAR = 6, 1.0  # a neighbour is among the six nearest boxes, or within a metre
SORTS = ("colour", "class", "neighbour", "side")
NO_NEIGHBOUR = STRUCTURE | {"room", "ground"}

_SIDE = re.compile(r"\b(?:to|on) the (left|right)(?: side)? of (?:the |a |an )?([^.,]*)")

# What is said to be far is no neighbour; who is nearest of its label need not be near.
_FAR = re.compile(r"\b(?:(?:far|away) from|(?:near|clos|farth|furth)est (?:to|from)) (?:the |a |an )?$")

Verdict = dict[str, bool | None]


def judge(words: list[str], objects: Objects, place: int, known: Iterable[str]) -> Verdict:
    """{sort: True, False, or None where the caption claims nothing of the sort} for each of SORTS.

    colour: the first of the nine colours (`vocabulary.COLOURS`) that the first sentence names must be one of
    the two that people would likeliest call the object's.
    class: the label, its last word or a synonym must be said.
    neighbour: the first known label said after the object must be that of one of the six nearest boxes or of
    one within a metre, unless the object is said to be far from it, or nearest of its label.
    side: "to the left (right) of the NAME" must hold of the nearest so called, for a person in the middle of
    the room who looks at it (so do 84 % of what people say on val_a).
    known: labels that count as the name of a neighbour.
    """
    said = " ".join(words)
    names = tuple(names_of(objects.labels[place]))
    own = _any_of(names).search(said)
    rest = said[own.end() :] if own else said
    found = _any_of(_neighbours(tuple(known), names)).search(rest)
    return {
        "colour": _colour(words, objects, place),
        "class": own is not None,
        "neighbour": _is_near(found.group(1), objects, place)
        if found and not _FAR.search(rest[: found.start()])
        else None,
        "side": _side(words, objects, place, tuple(known)),
    }


def truth(words: list[str], objects: Objects, place: int, known: Iterable[str]) -> int:
    """How many of a caption's claims are true, less how many are not."""
    claims = [right for right in judge(words, objects, place, known).values() if right is not None]
    return sum(1 if right else -1 for right in claims)


def falsehoods(text: str, objects: Objects, place: int) -> int:
    """How many claims of a caption the scan contradicts. Its own labels count as names of neighbours."""
    verdict = judge(caption_words(text), objects, place, set(objects.labels))
    return sum(right is False for right in verdict.values())


def names_of(label: str) -> list[str]:
    """The ways to say a label: itself, its last word, synonyms; as caption words."""
    forms = [label, label.split()[-1] if label else "", *SYNONYMS.get(label, ())]
    return [" ".join(caption_words(form)) for form in forms if form]


def nearest_named(objects: Objects, place: int) -> int | None:
    """The place of the nearest object that is no wall and is not called as the target is; None when alone."""
    gaps = box_gaps(objects.boxes[place : place + 1], objects.boxes)[0]
    label = objects.labels[place]
    usable = [i for i, name in enumerate(objects.labels) if name and name != label and name not in STRUCTURE]
    return min(usable, key=lambda i: float(gaps[i]), default=None)


@lru_cache(maxsize=2048)
def _neighbours(known: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """What a neighbour may be called beside an object that is called `own`."""
    every = {name for label in known if label not in NO_NEIGHBOUR for name in names_of(label)}
    return tuple(sorted(every - set(own) - COLOURS.keys()))


@lru_cache(maxsize=2048)
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    """Finds the first of the names, the longest where two begin together, as a whole word, maybe a plural."""
    options = "|".join(re.escape(name) for name in sorted(set(names), key=len, reverse=True))
    return re.compile(rf"(?<![\w-])({options})(?:e?s)?(?![\w-])" if options else "(?!)")


def colour_said(words: Sequence[str]) -> str | None:
    """The first of the nine colours that the first sentence names; None where it names none."""
    first = words[: words.index(".")] if "." in words else words
    return next((w for w in (SAME_COLOUR.get(w, w) for w in first) if w in COLOURS), None)


def _colour(words: Sequence[str], objects: Objects, place: int) -> bool | None:
    named = colour_said(words)
    return None if named is None else named in objects.colour_names[place][:NEAR_NAMES]


def _is_near(name: str, objects: Objects, place: int) -> bool:
    gaps = box_gaps(objects.boxes[place : place + 1], objects.boxes)[0]
    gaps[place] = np.inf
    usable = [i for i in np.argsort(gaps) if i != place and objects.labels[i] not in STRUCTURE]
    near = [i for rank, i in enumerate(usable) if rank < NEAR_COUNT or gaps[i] <= NEAR]
    return any(name in names_of(objects.labels[i]) for i in near)


def side_said(words: Sequence[str], known: tuple[str, ...]) -> tuple[str, str] | None:
    """("left" or "right", the neighbour's name) where a caption says that its object is on that side of it.

    known: as in `judge`.
    """
    claim = _SIDE.search(" ".join(words))
    named = _any_of(_neighbours(known, ())).search(claim[2]) if claim else None
    return (claim[1], named[1]) if claim and named else None


def sided(words: list[str], objects: Objects, place: int) -> list[str]:
    """A caption with the other side where the boxes contradict the one that it names."""
    claim = side_said(words, objects.labels)
    true = _side_of(claim[1], objects, place) if claim else None
    if claim is None or true is None or true == claim[0]:
        return words
    return _SIDE.sub(lambda found: found[0].replace(found[1], true, 1), " ".join(words), count=1).split()


def _side(words: Sequence[str], objects: Objects, place: int, known: tuple[str, ...]) -> bool | None:
    claim = side_said(words, known)
    return None if claim is None else _side_of(claim[1], objects, place) == claim[0]


def _side_of(name: str, objects: Objects, place: int) -> str | None:
    """On which side of the nearest so called an object is, "left" or "right"; None where nothing else is."""
    called = [i for i, label in enumerate(objects.labels) if i != place and name in names_of(label)]
    if not called:
        return None
    plan = box_centres(objects.boxes)[:, :2]
    other = min(called, key=lambda i: float(np.linalg.norm(plan[i] - plan[place])))
    ahead = plan[other] - (objects.room[:2] + objects.room[3:5]) / 2
    across = plan[place] - plan[other]
    return "left" if ahead[0] * across[1] - ahead[1] * across[0] > 0 else "right"
