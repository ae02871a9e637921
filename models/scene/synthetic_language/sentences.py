"""Sentences that a machine can be sure of, for training: each names one object of a scene and no other.

After Sr3D (Achlioptas et al., ReferIt3D, ECCV 2020, section 3.2 and appendix):
closest / farthest, on / under, between, and allocentric sides of objects with a
known front; beyond it what people say in Nr3D and ScanRefer and a box can prove:
sides seen from the middle of the room, sizes, heights, corners, colours, order
in a row, and two anchors at once.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.scene.data.geometry import box_centres, box_gaps
from models.scene.data.scan import Instance
from models.scene.synthetic_language.colour_names import names_of_colours
from models.scene.synthetic_language.templates import FAMILIES, Family, Room
from models.scene.synthetic_language.vocabulary import STRUCTURE


@dataclass(frozen=True)
class Said:
    """A sentence, the id of the object it means, and the ids of the objects it is judged by."""

    sentence: str
    target: int
    anchors: tuple[int, ...]
    kind: str


def make_sentences(
    objects: Sequence[Instance],
    rng: random.Random,
    fronts: dict[int, NDArray[np.float32]] | None = None,
    each: int = 12,
    most: int = 6,
    families: Mapping[str, Family] = FAMILIES,
) -> list[Said]:
    """Up to `each` sentences of every kind about one scene.

    objects: annotated instances, boxes in the axis-aligned frame, metres.
    fronts: object id -> (2,) unit vector in plan, for the allocentric sides.
    most: rivals of one label that a sentence may have; Sr3D's are 6. families: the generator of each kind.
    """
    kept = [o for o in objects if o.label not in STRUCTURE]
    if len(kept) < 3:
        return []
    boxes = np.stack([o.box for o in kept]).astype(np.float32)
    everything = np.stack([o.box for o in objects])
    low, high = everything[:, :3].min(0), everything[:, 3:].max(0)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(kept):
        groups[item.label].append(index)
    places = {item.id: index for index, item in enumerate(kept)}
    sides = {places[i]: f for i, f in (fronts or {}).items() if i in places}
    centres = box_centres(boxes)
    colours = (np.stack([o.colour for o in objects])[:, :3] / 255).astype(np.float32)
    named = names_of_colours(colours, everything.astype(np.float32))
    called = {o.id: names for o, names in zip(objects, named, strict=True)}
    room = Room(
        kept,
        boxes,
        centres,
        box_gaps(boxes, boxes),
        [called[o.id] for o in kept],
        sides,
        groups,
        (low + high) / 2,
        high - low,
        rng,
        most,
    )
    said: list[Said] = []
    for kind, family in families.items():
        found = list(family(room))
        rng.shuffle(found)
        for sentence, target, anchors in found[:each]:
            ids = tuple(kept[a].id for a in anchors)
            said.append(Said(sentence, kept[target].id, ids, kind))
    return said
