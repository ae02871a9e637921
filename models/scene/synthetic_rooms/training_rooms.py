"""Synthetic rooms for training: their objects, points and views, made once and kept in runs/rooms.npz.

Seeds start far above those of the scans that ship, so no shipped room is trained on.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.core.training import RUNS
from models.scene.captioning.object_views import rendered_views
from models.scene.data.datasets import Cloud
from models.scene.data.scan import Instance
from models.scene.synthetic_rooms import KINDS, make_plan, room_objects

EACH_KIND = 20
FIRST_SEED = 1000
STORED = RUNS / "rooms.npz"

Rooms = Mapping[str, list[tuple[Instance, Cloud]]]


def rooms() -> Rooms:
    """{name: (instance, its points) of every object}; needs Debian's furniture package the first time."""
    _make_once()
    found: dict[str, list[tuple[Instance, Cloud]]] = {}
    with np.load(STORED) as arrays:
        columns = (arrays[name] for name in ("room", "id", "label", "box", "colour", "points"))
        for room, identity, label, box, colour, points in zip(*columns, strict=True):
            instance = Instance(int(identity), str(label), box, colour)
            cloud = Cloud(int(identity), str(label), points.astype(np.float32) / 1000)
            found.setdefault(str(room), []).append((instance, cloud))
    return found


def room_views() -> dict[str, NDArray[np.float32]]:
    """{name: (N, VIEW_WIDTH) rendered view of every object, in the order of `rooms`}."""
    _make_once()
    with np.load(STORED) as arrays:
        names, views = arrays["room"], arrays["view"]
    return {str(name): views[names == name] for name in np.unique(names)}


def _make_once() -> None:
    if STORED.exists():
        return
    seeds = range(FIRST_SEED, FIRST_SEED + EACH_KIND)
    rows = [
        (f"{kind}_{seed}", made.instance, (made.points * 1000).round().astype(np.int16))
        for kind in KINDS
        for seed in seeds
        for made in room_objects(kind, seed)
    ]
    STORED.parent.mkdir(exist_ok=True)
    partial = STORED.with_suffix(".part.npz")
    np.savez(
        partial,
        room=[room for room, *_ in rows],
        id=[item.id for _, item, _ in rows],
        label=[item.label for _, item, _ in rows],
        box=np.stack([item.box for _, item, _ in rows]),
        colour=np.stack([item.colour for _, item, _ in rows]),
        points=np.stack([points for *_, points in rows]),
        view=np.concatenate([rendered_views(make_plan(kind, seed)) for kind in KINDS for seed in seeds]),
    )
    partial.replace(STORED)
