"""The kinds of sentences that a box can prove, each a generator over one room.

Every kind yields (sentence, index of the object it means, indices of its anchors).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.scene.data.geometry import overlap_in_plan
from models.scene.data.scan import Instance
from models.scene.synthetic_language.colour_names import NEAR
from models.scene.synthetic_language.vocabulary import SYNONYMS, is_plural, plural

Found = Iterator[tuple[str, int, tuple[int, ...]]]

MARGIN = 0.2  # metres by which the answer must beat the runner-up


@dataclass(frozen=True)
class Room:
    """A scene as arrays, in the order of `objects`.

    colours: the names of each object's, as `names_of_colours` has them. most: rivals of one label that a
    sentence may have.
    """

    objects: Sequence[Instance]
    boxes: NDArray[np.float32]
    centres: NDArray[np.float32]
    gaps: NDArray[np.float32]
    colours: list[list[str]]
    fronts: dict[int, NDArray[np.float32]]
    groups: dict[str, list[int]]
    middle: NDArray[np.float32]
    extent: NDArray[np.float32]
    rng: random.Random
    most: int

    def unique(self, *but: str) -> list[int]:
        """Objects alone in their class, which can serve as anchors."""
        return [g[0] for label, g in self.groups.items() if len(g) == 1 and label not in but]

    def name(self, index: int) -> str:
        """What an object is called: its label, or now and then another word for it."""
        label = self.objects[index].label
        if self.rng.random() < 0.35 and label in SYNONYMS:
            return self.rng.choice(SYNONYMS[label])
        return label


Family = Callable[[Room], Found]


def winner(values: NDArray[np.float32], margin: float = MARGIN) -> int | None:
    """Index of the smallest value if it is smaller than every other by `margin`."""
    order = np.argsort(values)
    if len(values) > 1 and values[order[1]] - values[order[0]] < margin:
        return None
    return int(order[0])


def several(room: Room, most: int | None = None) -> Iterator[tuple[str, list[int]]]:
    """The labels of which there are several, not too many, and their objects."""
    for label, group in room.groups.items():
        if 2 <= len(group) <= (most or room.most):
            yield label, group


def _be(name: str) -> str:
    return "are" if is_plural(name) else "is"


def ask(room: Room, target: str, relation: str) -> str:
    """One of the ways people put it."""
    be = _be(target)
    return room.rng.choice(
        (
            f"the {target} that {be} {relation}",
            f"choose the {target} that {be} {relation}",
            f"select the {target} {relation}",
            f"find the {target} that {be} {relation}",
            f"the {target} {relation}",
            f"the correct {target} {be} {relation}",
            f"it is the {target} {relation}",
            f"there is a {target}. it is {relation}",
            f"this is a {target}. the {target} is {relation}",
            f"the {target} you want {be} {relation}",
        )
    )


CLOSEST = ("closest to", "nearest to", "near", "next to", "close to", "closer to", "beside", "by", "nearest")
FARTHEST = ("farthest from", "far from", "furthest from", "far away from", "furthest away from", "away from")


def _horizontal(room: Room) -> Found:
    for label, group in several(room):
        for anchor in room.unique(label):
            gaps = room.gaps[group, anchor]
            for sign, words in ((1, CLOSEST), (-1, FARTHEST)):
                best = winner(sign * gaps)
                if best is None or (sign > 0 and gaps[best] > 2.5):
                    continue
                target = group[best]
                relation = f"{room.rng.choice(words)} the {room.name(anchor)}"
                yield ask(room, room.name(target), relation), target, (anchor,)


def _vertical(room: Room) -> Found:
    for label, group in [*several(room), *((k, g) for k, g in room.groups.items() if len(g) == 1)]:
        for anchor in room.unique(label):
            shares = overlap_in_plan(room.boxes[group], room.boxes[anchor])
            hits = [i for i, share in zip(group, shares, strict=True) if share > 0.3]
            if len(hits) != 1:
                continue
            target = hits[0]
            above = room.boxes[target, 2] - room.boxes[anchor, 5]
            below = room.boxes[anchor, 2] - room.boxes[target, 5]
            if abs(above) < 0.15:
                words: tuple[str, ...] = ("on top of", "on", "lying on", "sitting on", "resting on")
            elif above > 0.06:
                words = ("above", "over", "higher than")
            elif abs(below) < 0.15 and room.rng.random() < 0.5:
                words = ("supporting", "under", "below")
            elif below > -0.15:
                words = ("under", "below", "beneath", "underneath")
            else:
                continue
            relation = f"{room.rng.choice(words)} the {room.name(anchor)}"
            yield ask(room, room.name(target), relation), target, (anchor,)


def _between(room: Room) -> Found:
    for label, group in several(room):
        anchors = room.unique(label)
        for _ in range(6):
            if len(anchors) < 2:
                break
            one, two = room.rng.sample(anchors, 2)
            start, way = room.centres[one, :2], room.centres[two, :2] - room.centres[one, :2]
            length = float(np.linalg.norm(way))
            if length < 0.8:
                continue
            offset = room.centres[group, :2] - start
            along = offset @ way / length**2
            aside = np.abs(offset[:, 0] * way[1] - offset[:, 1] * way[0]) / length
            inside = [k for k in range(len(group)) if 0.15 < along[k] < 0.85 and aside[k] < 0.4]
            near = [k for k in range(len(group)) if 0 < along[k] < 1 and aside[k] < 0.9]
            if len(inside) == 1 and len(near) == 1:
                word = room.rng.choice(("between", "in the middle of", "in the center of", "in between"))
                relation = f"{word} the {room.name(one)} and the {room.name(two)}"
                target = group[inside[0]]
                yield ask(room, room.name(target), relation), target, (one, two)


def _allocentric(room: Room) -> Found:
    for anchor in room.unique():
        front = room.fronts.get(anchor)
        if front is None:
            continue
        left = np.array((-front[1], front[0]))
        for label, group in several(room):
            if label == room.objects[anchor].label:
                continue
            offset = room.centres[group, :2] - room.centres[anchor, :2]
            ahead, aside = offset @ front, offset @ left
            far = np.linalg.norm(offset, axis=1) > 4
            views = {
                "front": (ahead > 0.3) & (np.abs(aside) < 0.6 * ahead),
                "back": (ahead < -0.3) & (np.abs(aside) < -0.6 * ahead),
                "left": (aside < -0.3) & (np.abs(ahead) < -0.6 * aside),
                "right": (aside > 0.3) & (np.abs(ahead) < 0.6 * aside),
            }
            for side, mask in views.items():
                mask = mask & ~far
                if mask.sum() != 1:
                    continue
                target, name = group[int(np.argmax(mask))], room.name(anchor)
                if side in ("front", "back"):
                    word = "in front of" if side == "front" else room.rng.choice(("behind", "on the back of"))
                    yield ask(room, room.name(target), f"{word} the {name}"), target, (anchor,)
                else:
                    to = room.rng.choice(("on the", "to the"))
                    look = room.rng.choice(("facing the front of the", "looking at the front of the"))
                    relation = f"{to} {side} of the {name}"
                    yield f"{look} {name}, pick the {room.name(target)} that is {relation}", target, (anchor,)


def _facing(room: Room) -> Found:
    """Left and right as seen by a person in the middle of the room who looks at an anchor."""
    for label, group in several(room, 5):
        for anchor in room.unique(label):
            view = room.centres[anchor, :2] - room.middle[:2]
            if np.linalg.norm(view) < 0.8:
                continue
            view = view / np.linalg.norm(view)
            offset = room.centres[group, :2] - room.middle[:2]
            right = offset[:, 0] * view[1] - offset[:, 1] * view[0]
            name, rng = room.name(anchor), room.rng
            for sign, side in ((-1, "right"), (1, "left")):
                best = winner(sign * right, 0.35)
                if best is None:
                    continue
                target = group[best]
                word = room.name(target)
                yield (
                    rng.choice(
                        (
                            f"facing the {name}, the {word} on the {side}",
                            f"when facing the {name}, choose the {word} on the far {side}",
                            f"if you are facing the {name}, it is the {side}most {word}",
                            f"looking at the {name}, the {word} to the {side}",
                            f"standing in the middle of the room facing the {name}, the {word} on the {side}",
                            f"with your back to the middle, face the {name}. the {word} on your {side}",
                        )
                    ),
                    target,
                    (anchor,),
                )


def _sides(room: Room) -> Found:
    """Left and right of an anchor, as seen from the middle of the room, and in a row of peers."""
    for label, group in room.groups.items():
        if len(group) > room.most:
            continue
        for anchor in room.unique(label):
            view = room.centres[anchor, :2] - room.middle[:2]
            length = np.linalg.norm(view)
            if length < 0.8:
                continue
            view = view / length
            offset = room.centres[group, :2] - room.centres[anchor, :2]
            right = offset[:, 0] * view[1] - offset[:, 1] * view[0]
            ahead = offset @ view
            near = room.gaps[group, anchor] < 1.5
            for sign, side in ((1, "right"), (-1, "left")):
                mask = near & (sign * right > 0.25) & (np.abs(ahead) < np.abs(right))
                if mask.sum() == 1:
                    target = group[int(np.argmax(mask))]
                    relation = f"to the {side} of the {room.name(anchor)}"
                    yield ask(room, room.name(target), relation), target, (anchor,)
    for _, group in several(room, 5):
        mean = room.centres[group, :2].mean(0) - room.middle[:2]
        if np.linalg.norm(mean) < 0.6:
            continue
        view = mean / np.linalg.norm(mean)
        offset = room.centres[group, :2] - room.middle[:2]
        right = offset[:, 0] * view[1] - offset[:, 1] * view[0]
        order = np.argsort(right)
        if np.diff(right[order]).min() < 0.3:
            continue
        names = (
            ["left", "right"]
            if len(group) == 2
            else ["far left", *["middle"] * (len(group) - 2), "far right"]
        )
        if len(group) > 3:
            names[1:-1] = ["second from the left", *["middle"] * (len(group) - 4), "second from the right"]
        for rank, place in enumerate(names):
            if place == "middle" and names.count("middle") > 1:
                continue
            target = group[order[rank]]
            word, at = room.name(target), "in" if place == "middle" else "on"
            form = room.rng.choice(
                (
                    f"the {word} {at} the {place}"
                    if "second" not in place
                    else f"the {word} that is {place}",
                    f"looking at the {plural(word)}, the one that is {place}",
                    f"of the {len(group)} {plural(word)}, the {place} one"
                    if "second" not in place
                    else f"{place} {word}",
                    f"facing the {plural(word)}, it is the {place} one",
                )
            )
            yield form, target, ()


def _measures(room: Room) -> Found:
    """The largest, tallest, longest, highest of its class."""
    size = room.boxes[:, 3:] - room.boxes[:, :3]
    volume = np.cbrt(np.maximum(size.prod(1), 1e-6))
    measures = (
        (volume, 0.12, ("largest", "biggest", "larger", "bigger"), ("smallest", "smaller")),
        (size[:, 2], 0.15, ("tallest", "taller"), ("shortest", "shorter", "lower")),
        (size[:, :2].max(1), 0.25, ("longest", "longer", "widest"), ("narrowest", "shorter")),
        (room.centres[:, 2], 0.25, ("highest", "higher", "top", "uppermost"), ("lowest", "lower", "bottom")),
    )
    for _, group in several(room):
        for values, margin, high, low in measures:
            for sign, words in ((-1, high), (1, low)):
                best = winner(sign * values[group], margin)
                if best is not None:
                    target = group[best]
                    name, word = room.name(target), room.rng.choice(words)
                    many = plural(name)
                    forms = (f"the {word} {name}", f"choose the {word} {name}", f"the {word} of the {many}")
                    two = (f"the {word} of the two {many}",) if len(group) == 2 else ()
                    yield room.rng.choice(forms + two), target, ()


def _places(room: Room) -> Found:
    """In the corner, in the middle of the room, alone, among its peers."""
    low, high = room.middle - room.extent / 2, room.middle + room.extent / 2
    edge = np.minimum(room.centres[:, :2] - low[:2], high[:2] - room.centres[:, :2])
    corner = np.linalg.norm(edge, axis=1)
    middle = np.linalg.norm(room.centres[:, :2] - room.middle[:2], axis=1)
    for _, group in several(room):
        choices: list[tuple[NDArray[np.float32], float, tuple[str, ...]]] = [
            (corner[group], 0.5, ("in the corner of the room", "in the corner", "closest to the corner")),
            (
                middle[group],
                0.5,
                ("in the middle of the room", "in the center of the room", "closest to the center"),
            ),
            (edge[group].min(1), 0.35, ("against the wall", "closest to the wall", "up against a wall")),
        ]
        if len(group) > 2:
            apart = room.gaps[np.ix_(group, group)] + 99 * np.eye(len(group))
            choices.append(
                (-apart.min(1), 0.5, ("by itself", "away from the others", "farthest from the others"))
            )
            spread = np.linalg.norm(room.centres[group] - room.centres[group].mean(0), axis=1)
            choices.append((spread, 0.4, ("in the middle", "in the middle of the others")))
        for values, margin, words in choices:
            best = winner(values, margin)
            if best is not None:
                target = group[best]
                yield ask(room, room.name(target), room.rng.choice(words)), target, ()


def _colours(room: Room) -> Found:
    for _, group in room.groups.items():
        if len(group) > room.most:
            continue
        for target in group:
            colour = room.colours[target][0]
            if any(colour in room.colours[other][:NEAR] for other in group if other != target):
                continue
            name, rng = room.name(target), room.rng
            yield (
                rng.choice((f"the {colour} {name}", f"it is a {colour} {name}", f"this {name} is {colour}")),
                target,
                (),
            )
            near = [a for a in room.unique(room.objects[target].label) if room.gaps[target, a] < 0.6]
            if near:
                anchor = rng.choice(near)
                word = rng.choice(("next to", "near", "beside", "close to"))
                yield f"this is a {colour} {name}. it is {word} the {room.name(anchor)}", target, (anchor,)


def _pairs(room: Room) -> Found:
    """Near one thing and near (or far from) another."""
    for label, group in several(room):
        anchors = room.unique(label)
        for _ in range(8):
            if len(anchors) < 2:
                break
            one, two = room.rng.sample(anchors, 2)
            near = room.gaps[group, one] < 0.8
            close = room.gaps[group, two] < 0.8
            if (near & close).sum() == 1:
                target = group[int(np.argmax(near & close))]
                relation = f"next to the {room.name(one)} and near the {room.name(two)}"
                yield ask(room, room.name(target), relation), target, (one, two)
            elif near.sum() == 2:
                pair = [g for g, n in zip(group, near, strict=True) if n]
                best = winner(room.gaps[pair, two], 0.4)
                if best is not None:
                    relation = f"by the {room.name(one)}, the one closer to the {room.name(two)}"
                    yield ask(room, room.name(pair[best]), relation), pair[best], (one, two)


def _alone(room: Room) -> Found:
    """The only one of its class, with what is near it: ScanRefer describes these too."""
    for target in room.unique():
        near = [a for a in room.unique(room.objects[target].label) if room.gaps[target, a] < 1.0]
        name = room.name(target)
        if near:
            anchor = room.rng.choice(near)
            word = room.rng.choice(("next to", "near", "beside", "close to", "by"))
            yield f"there is a {name}. it is {word} the {room.name(anchor)}", target, (anchor,)
        else:
            yield room.rng.choice((f"this is a {name}", f"the {name} in the room", f"a {name}")), target, ()


FAMILIES: dict[str, Family] = {
    "horizontal": _horizontal,
    "vertical": _vertical,
    "between": _between,
    "allocentric": _allocentric,
    "facing": _facing,
    "sides": _sides,
    "measures": _measures,
    "places": _places,
    "colours": _colours,
    "pairs": _pairs,
    "alone": _alone,
}
