"""Sentences of the kinds that are hard to ground, for measuring: each names one object, as boxes prove.

No training sentence comes from here. Left, right, front and behind are those of
a person in the middle of the room.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.scene.data.geometry import corner_gaps
from models.scene.data.scan import Instance
from models.scene.synthetic_language.sentences import Said, make_sentences
from models.scene.synthetic_language.templates import FAMILIES, Family, Found, Room, ask, several, winner
from models.scene.synthetic_language.vocabulary import SYNONYMS, is_plural, plural

T = TypeVar("T")
NTH = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
APART = 0.3  # metres between neighbours in an order
SIDEWAYS = 0.35  # metres that one is further to a side than the next one
AT, FAR = 0.4, 1.0  # a thing is at another one up to here, and surely not from here on


def hard_sentences(objects: Sequence[Instance], rng: random.Random, each: int = 8) -> list[Said]:
    """Up to `each` sentences of every kind of HARD about a room, of at most eight rivals."""
    return make_sentences(objects, rng, each=each, most=len(NTH), families=HARD)


def _groups(room: Room) -> Iterator[tuple[str, list[int]]]:
    """The labels of which there are several, and that are nothing else's name here."""
    for label, group in several(room):
        if not _mistakable(room, label):
            yield label, group


def _anchors(room: Room, label: str) -> list[int]:
    """Objects alone under every name that they may be called by."""
    return [at for at in room.unique(label) if not _mistakable(room, room.objects[at].label)]


def _mistakable(room: Room, label: str) -> bool:
    """Whether something of another label may be called the same: "chair" where there are office chairs."""
    own = _last_words(label)
    return any(own & _last_words(other) for other in room.groups if other != label)


def _last_words(label: str) -> set[str]:
    return {name.split()[-1] for name in (label, *SYNONYMS.get(label, ()))}


def _across(room: Room, group: Sequence[int], ahead: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Metres to the right of a person in the middle who looks ahead; None where that is nowhere."""
    length = float(np.linalg.norm(ahead))
    if length < 0.8:
        return None
    offset = room.centres[group, :2] - room.middle[:2]
    return np.asarray((offset[:, 0] * ahead[1] - offset[:, 1] * ahead[0]) / length, np.float32)


def _row(room: Room, group: Sequence[int]) -> NDArray[np.float32] | None:
    """The same where that person faces the group itself; None where they are no row."""
    right = _across(room, group, room.centres[group, :2].mean(0) - room.middle[:2])
    return right if right is not None and np.diff(np.sort(right)).min() >= APART else None


def _ordinals(room: Room) -> Found:
    for label, group in _groups(room):
        if len(group) < 3:
            continue
        right = _row(room, group)
        for side, places in (
            {} if right is None else {"left": np.argsort(right), "right": np.argsort(-right)}
        ).items():
            for rank, at in enumerate(places):
                name = room.name(group[at])
                yield (
                    room.rng.choice(
                        (
                            f"the {NTH[rank]} {name} from the {side}",
                            f"the {name} that is {NTH[rank]} from the {side}",
                            f"facing the {plural(name)}, it is the {NTH[rank]} one from the {side}",
                        )
                    ),
                    group[at],
                    (),
                )
        for anchor in _anchors(room, label):
            gaps = room.gaps[group, anchor]
            if np.diff(np.sort(gaps)).min() >= APART:
                at = int(np.argsort(gaps)[1])
                name = room.name(group[at])
                yield f"the {name} that is second closest to the {room.name(anchor)}", group[at], (anchor,)


def _superlatives(room: Room) -> Found:
    for label, group in _groups(room):
        for anchor in _anchors(room, label):
            for sign, words in ((1, ("closest to", "nearest to")), (-1, ("farthest from", "furthest from"))):
                best = winner(sign * room.gaps[group, anchor])
                if best is not None:
                    relation = f"{room.rng.choice(words)} the {room.name(anchor)}"
                    yield ask(room, room.name(group[best]), relation), group[best], (anchor,)
        height = room.boxes[group, 5] - room.boxes[group, 2]
        for sign, word in ((-1, "tallest"), (1, "shortest")):
            best = winner(sign * height, 0.15)
            if best is not None:
                yield f"the {word} {room.name(group[best])}", group[best], ()


def _negations(room: Room) -> Found:
    """All but one are at a thing, or all but one are away from it."""
    for label, group in _groups(room):
        for anchor in _anchors(room, label):
            gaps = room.gaps[group, anchor]
            away = gaps > FAR
            if away.sum() == 1 and (gaps[~away] < AT).all():
                target = group[int(np.argmax(away))]
                name, other = room.name(target), room.name(anchor)
                be = "are" if is_plural(name) else "is"
                forms = (
                    f"the {name} that {be} not next to the {other}",
                    f"the {name} without a {other} beside it",
                    f"the {name} that {be} not near the {other}",
                )
                yield room.rng.choice(forms), target, (anchor,)
        corner = _to_corner(room, group)
        away = corner > FAR
        if away.sum() == 1 and (corner[~away] < AT).all():
            target = group[int(np.argmax(away))]
            yield f"the {room.name(target)} that is not in a corner of the room", target, ()


def _sides(room: Room) -> Found:
    for _, group in _groups(room):
        right = _row(room, group)
        if right is None or len(group) > 3:
            continue
        for side, at in (("left", int(right.argmin())), ("right", int(right.argmax()))):
            name = room.name(group[at])
            forms = (f"the {name} on the {side}", f"the {side} {name}", f"the {name} on the {side} side")
            yield room.rng.choice(forms), group[at], ()


def _depths(room: Room) -> Found:
    """In front of a thing, or behind it, for a person in the middle who looks at it."""
    for label, group in _groups(room):
        for anchor in _anchors(room, label):
            view = room.centres[anchor, :2] - room.middle[:2]
            length = float(np.linalg.norm(view))
            if length < 0.8:
                continue
            offset = room.centres[group, :2] - room.centres[anchor, :2]
            ahead = offset @ view / length
            aside = np.abs(offset[:, 0] * view[1] - offset[:, 1] * view[0]) / length
            near = room.gaps[group, anchor] < FAR
            for word, sign in (("behind", 1), ("in front of", -1)):
                mask = near & (sign * ahead > 0.3) & (aside < 0.5 * np.abs(ahead))
                if mask.sum() == 1:
                    target = group[int(np.argmax(mask))]
                    yield ask(room, room.name(target), f"{word} the {room.name(anchor)}"), target, (anchor,)


def _betweens(room: Room) -> Found:
    for label, group in _groups(room):
        for one, two in _pairs(_anchors(room, label)):
            way = room.centres[two, :2] - room.centres[one, :2]
            length = float(np.linalg.norm(way))
            if not 0.8 < length < 4:
                continue
            offset = room.centres[group, :2] - room.centres[one, :2]
            along = offset @ way / length**2
            aside = np.abs(offset[:, 0] * way[1] - offset[:, 1] * way[0]) / length
            inside = (along > 0.2) & (along < 0.8) & (aside < 0.4)
            near = (along > -0.1) & (along < 1.1) & (aside < 0.9)
            if inside.sum() == near.sum() == 1:
                target = group[int(np.argmax(inside))]
                relation = f"between the {room.name(one)} and the {room.name(two)}"
                yield ask(room, room.name(target), relation), target, (one, two)


def _corners(room: Room) -> Found:
    for _, group in _groups(room):
        corner = _to_corner(room, group)
        best = winner(corner, 0.5)
        if best is not None and corner[best] < AT:
            where = room.rng.choice(("in the corner", "in the corner of the room", "in a corner of the room"))
            yield ask(room, room.name(group[best]), where), group[best], ()


def _facings(room: Room) -> Found:
    for label, group in _groups(room):
        for anchor in _anchors(room, label):
            right = _across(room, group, room.centres[anchor, :2] - room.middle[:2])
            for side, along in ({} if right is None else {"left": right, "right": -right}).items():
                best = winner(along, SIDEWAYS)
                if best is not None:
                    name, other = room.name(group[best]), room.name(anchor)
                    forms = (
                        f"in the middle of the room and facing the {other}, the {name} on the far {side}",
                        f"if you are facing the {other}, it is the {side}most {name}",
                    )
                    yield room.rng.choice(forms), group[best], (anchor,)


def _others(room: Room) -> Found:
    """On, under, above: what is of no hard kind, to compare with."""
    for sentence, target, anchors in FAMILIES["vertical"](room):
        if not any(_mistakable(room, room.objects[at].label) for at in (target, *anchors)):
            yield sentence, target, anchors


def _to_corner(room: Room, group: Sequence[int]) -> NDArray[np.float32]:
    """(M,) metres between each box and the nearest corner of the room, in plan."""
    around = np.concatenate([room.middle - room.extent / 2, room.middle + room.extent / 2])
    return corner_gaps(room.boxes[group], around)


def _pairs(some: Sequence[T]) -> Iterator[tuple[T, T]]:
    return ((one, two) for at, one in enumerate(some) for two in some[at + 1 :])


HARD: Mapping[str, Family] = {
    "ordinal": _ordinals,
    "superlative": _superlatives,
    "negation": _negations,
    "left_right": _sides,
    "front_behind": _depths,
    "between": _betweens,
    "corner": _corners,
    "facing": _facings,
    "other": _others,
}
