"""What one-stage grounding learns from: views of made rooms and of coloured real scans, and sentences.

A scan's views are drawn once; the frozen features and the 2D boxes are kept in runs/rendered_views.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.core.training import RUNS
from models.scene.data.datasets import Sentence, annotated, fronts, human
from models.scene.data.scan import Instance
from models.scene.grounding.rendered_views.boxes2d import visible_boxes, whole_boxes
from models.scene.grounding.rendered_views.coloured_scans import coloured_names, coloured_scan, generated
from models.scene.grounding.rendered_views.features import features
from models.scene.grounding.rendered_views.made_rooms import planned_room
from models.scene.grounding.rendered_views.one_stage import ViewFeatures
from models.scene.grounding.rendered_views.surfaces import annotated_views
from models.scene.grounding.rendered_views.views import AnnotatedView
from models.scene.synthetic_rooms.kinds import KINDS
from models.scene.synthetic_rooms.training_rooms import EACH_KIND, FIRST_SEED

KEPT = RUNS / "rendered_views"
EACH = 10  # generated sentences of each kind about a scan

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ViewedScan:
    """A scan as the training sees it. ids: (N,). boxes: (N, V, 4) pixels, NaN where an instance isn't to be
    answered from a view.
    """

    features: ViewFeatures
    ids: NDArray[np.int64]
    boxes: Array


def viewed_rooms() -> tuple[dict[str, ViewedScan], list[Sentence]]:
    """The made rooms of `training_rooms` and what the generator says of them."""
    found, said = {}, []
    for kind in KINDS:
        for seed in range(FIRST_SEED, FIRST_SEED + EACH_KIND):
            name = f"{kind}_{seed}"
            stored = KEPT / f"{name}.npz"
            if not stored.exists():
                views, objects = planned_room(kind, seed)
                _keep(stored, views, objects)
            viewed, objects = _kept(stored)
            found[name] = viewed
            said += generated(name, objects, {}, EACH)
    return found, said


def viewed_real(data: Path) -> tuple[dict[str, ViewedScan], list[Sentence]]:
    """The coloured scans that are learned from, and what people and the generator say of them."""
    found, said = {}, []
    for name in coloured_names(data, held_out=False):
        stored = KEPT / f"{name}.npz"
        scan = coloured_scan(data, name)
        if not stored.exists():
            _keep(stored, annotated_views(scan), scan.instances)
        found[name], _ = _kept(stored)
        said += generated(name, scan.instances, fronts(annotated(data)[name]), EACH)
    return found, said + [sentence for sentence in human(data) if sentence.scene in found]


def answerable(said: Iterable[Sentence], scans: Mapping[str, ViewedScan]) -> dict[str, list[Sentence]]:
    """{scan: sentences whose target is shown in some view}."""
    found: dict[str, list[Sentence]] = defaultdict(list)
    for sentence in said:
        scan = scans[sentence.scene]
        place = np.flatnonzero(scan.ids == sentence.target)
        if len(place) and np.isfinite(scan.boxes[place[0], :, 0]).any():
            found[sentence.scene].append(sentence)
    return dict(found)


def _keep(stored: Path, views: Sequence[AnnotatedView], objects: Sequence[Instance]) -> None:
    boxes, _ = visible_boxes(views, [item.id for item in objects])
    seen = features([one.view for one in views])
    stored.parent.mkdir(parents=True, exist_ok=True)
    partial = stored.with_suffix(".part.npz")
    np.savez(
        partial,
        **{name: level[0].numpy() for name, level in vars(seen).items()},
        view_boxes=whole_boxes(boxes),
        id=[item.id for item in objects],
        label=[item.label for item in objects],
        box=np.stack([item.box for item in objects]),
        colour=np.stack([item.colour for item in objects]),
    )
    partial.replace(stored)


def _kept(stored: Path) -> tuple[ViewedScan, list[Instance]]:
    with np.load(stored) as arrays:
        seen = ViewFeatures(*(torch.from_numpy(arrays[name]) for name in ("stride8", "stride16", "stride32")))
        ids, labels, boxes, colours = (arrays[name] for name in ("id", "label", "box", "colour"))
        viewed = ViewedScan(seen, ids.astype(np.int64), arrays["view_boxes"])
    columns = zip(ids.tolist(), labels.tolist(), boxes, colours, strict=True)
    return viewed, [Instance(identity, label, box, colour) for identity, label, box, colour in columns]
