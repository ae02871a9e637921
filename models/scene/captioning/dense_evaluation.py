"""Dense captioning, measured: objects are found in a raw scan, then described (Scan2Cap, CVPR 2021).

m@kIoU: a caption's score counts where its box overlaps the annotated object by more than k, else 0, and the
mean is over all annotated objects. The proposal that overlaps an object most speaks for it; what others say
of it counts neither for nor against. A proposal is shown no annotation: points, labels and neighbours are
the detector's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.core.checkpoints import FOLDER, load_checkpoint
from models.core.results import markdown, write
from models.scene.captioning.evaluation import (
    COLUMNS,
    NAMES,
    People,
    Speaker,
    Told,
    descriptions,
    scores_of,
    speakers,
)
from models.scene.data.datasets import instances, sentences
from models.scene.data.geometry import box_iou
from models.scene.grounding.evaluation import LANGUAGE, Asked
from models.scene.grounding.grounding_on_predictions import GREY, rows_of
from models.scene.grounding.scene_objects import point_encoder, scene_objects
from models.scene.objects.cache import FEWEST_POINTS
from models.scene.objects.object_set import Objects, from_instances
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.segmentation.clusters import Members
from models.scene.segmentation.detection import Detections, detect
from models.scene.segmentation.detection_evaluation import boxes_around, measured
from models.scene.segmentation.evaluation import labels_of, val_scenes
from models.scene.segmentation.predictor import Segmenter, find
from models.scene.segmentation.scenes import Scene
from models.scene.segmentation.votenet import CLASSES, VoteNet
from models.scene.segmentation.votenet_predictor import points_in

BOUNDS = (0.25, 0.5)
PRECISION = "mAP@0.5"
SETS = {"scanrefer": "ScanRefer", "nr3d": "Nr3D"}
# CIDEr, BLEU-4, METEOR, ROUGE-L at 0.25, the same at 0.5, mAP@0.5: VoteNet's boxes without extra 2D input
TALK: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "scanrefer": {
        "Scan2Cap": (50.71, 33.01, 25.47, 53.60, 33.53, 21.58, 21.04, 43.03, 32.46),
        "TransCap": (55.36, 32.46, 25.64, 53.19, 40.08, 22.86, 21.72, 44.04, 33.34),
        "X-Trans2Cap": (58.81, 34.17, 25.81, 54.10, 41.52, 23.83, 21.90, 44.97, 34.68),
    },
    "nr3d": {
        "Scan2Cap": (41.76, 24.12, 24.98, 55.79, 23.70, 14.88, 20.95, 47.50, 32.17),
        "TransCap": (44.32, 25.63, 25.25, 55.69, 27.24, 17.76, 21.60, 49.16, 34.09),
        "X-Trans2Cap": (47.26, 27.38, 25.45, 56.28, 30.96, 18.70, 22.15, 49.92, 34.13),
    },
}
RUN = "`python -m models.scene evaluate dense-captioning --data DIR`"
ABOUT = (
    "Scan2Cap's m@kIoU: an object's caption is that of the box that overlaps it most, and counts 0 where "
    "that is by k or less; BLEU-4 and METEOR, which belong to a corpus, are those of the captions that "
    "count, times their share. found@k: per cent of the described objects that a box overlaps by more than "
    "k. 27 of the 47 real val clouds are described; mAP is over all of them and ScanNet's 18 classes, as in "
    "the table of detection, while PointGroup's boxes of other classes speak too."
)
RELEASED = (
    "As released: counted as the released code counts, which the talk's figures come from. An object that "
    'nobody found is described by "sos eos" there, whose two words are right in every reference. To CIDEr '
    "they mean nothing: it is the same by both rules."
)
DIFFERS = (
    "What differs from the talk: 27 of the 141 val scenes, of ScanRefer's `val_a` and Nr3D's `test_a`; real "
    "clouds, thinned object by object and without colour, so that words for colours aren't said; labels that "
    "are the detectors' (VoteNet's 18 classes; PointGroup's, and the names that shapes suggest), shown to "
    "captioners that learnt raw ones; small detectors, with which no captioner was trained."
)


@dataclass(frozen=True)
class Proposals:
    """What a detector finds. objects: of the scenes in which it finds any. precision: mAP@0.5, per cent."""

    objects: Mapping[str, Objects]
    precision: float


def evaluate(data: Path) -> dict[str, Any]:
    """Prints and writes two tables a set of descriptions, every captioner over every detector."""
    scenes = val_scenes(data, CLASSES)
    detectors = found_by(scenes)
    tables: dict[str, list[dict[str, Any]]] = {}
    for task, title in SETS.items():
        asked = _asked(data, task, {scene.name for scene in scenes})
        counted, released = _rows(asked, detectors)
        talk = list(_talk(task))
        tables[title] = counted + [_chosen(row, _columns(("CIDEr",), PRECISION)) for row in talk]
        tables[f"{title}, as released"] = released + [_chosen(row, _columns(COLUMNS[1:])) for row in talk]
    text = section(tables)
    print(text)
    write("dense-captioning", text)
    return {f"dense captioning, {title}": rows for title, rows in tables.items()}


def section(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The tables by their titles, and what they mean."""
    shown = [part for title, rows in tables.items() for part in (f"{title}:", markdown(rows))]
    return "\n\n".join(("## Dense captioning: found, then described", ABOUT, *shown, RELEASED, DIFFERS, RUN))


# ---- what is found ----


def found_by(scenes: Sequence[Scene]) -> dict[str, Proposals]:
    """The proposals of each detector that is here, by its name."""
    encoder = point_encoder()
    found = {"PointGroup": _by_pointgroup(scenes, encoder)}
    if (FOLDER / "votenet").is_dir():
        found["VoteNet"] = _by_votenet(scenes, encoder)
    return found


def _by_pointgroup(scenes: Sequence[Scene], encoder: ShapeEncoder) -> Proposals:
    segmenter, objects, boxes = Segmenter(), {}, {}
    for scene in scenes:
        found = find(segmenter.network, scene.xyz, scene.colours)
        boxes[scene.name] = boxes_around(segmenter.network, scene, found)
        rows = rows_of(scene, found, labels_of(segmenter, scene, found))
        objects[scene.name] = proposed(scene, rows, found.members, encoder)
    return _proposals(scenes, objects, boxes)


def _by_votenet(scenes: Sequence[Scene], encoder: ShapeEncoder) -> Proposals:
    network: VoteNet = load_checkpoint(VoteNet, "votenet")
    boxes = {scene.name: detect(network, scene.xyz) for scene in scenes}
    objects = {scene.name: detected(scene, boxes[scene.name], encoder) for scene in scenes}
    return _proposals(scenes, objects, boxes)


def _proposals(
    scenes: Sequence[Scene], objects: Mapping[str, Objects | None], boxes: Mapping[str, Detections]
) -> Proposals:
    precision = float(measured(lambda scene: boxes[scene.name], scenes)[PRECISION])
    return Proposals({name: one for name, one in objects.items() if one is not None}, precision)


def detected(scene: Scene, found: Detections, encoder: ShapeEncoder) -> Objects | None:
    """Detections as captioners see them, with the shape of the points in their boxes; None without any."""
    up = np.array([0, 0, scene.floor] * 2, np.float32)
    rows = [
        {"id": rank, "label": kind, "extension": (box + up).tolist(), "score": float(sure), "avg_rgba": GREY}
        for rank, (box, kind, sure) in enumerate(zip(found.boxes, found.classes, found.scores, strict=True))
    ]
    return proposed(scene, rows, points_in(found.boxes, scene.xyz), encoder)


def proposed(
    scene: Scene, rows: Sequence[dict[str, Any]], members: Sequence[Members], encoder: ShapeEncoder
) -> Objects | None:
    """Proposals as captioners see them; None without any. rows: in the form of Mask3D's file of boxes."""
    if not rows:
        return None
    clouds = [scene.xyz[part if len(part) >= FEWEST_POINTS else part[:0]] for part in members]
    return from_instances(instances(rows), encoder.encode(clouds, 0.0))


# ---- what counts ----


def speaking(seen: Objects, real: Objects, wanted: Iterable[int]) -> dict[int, tuple[int, float]]:
    """{id of a wanted object: (place of the proposal that speaks for it, their IoU)}, the first of equals."""
    overlap = box_iou(seen.boxes, real.boxes)
    best = overlap.argmax(0)
    places = {int(id_): place for place, id_ in enumerate(real.ids)}
    return {id_: (int(best[places[id_]]), float(overlap[:, places[id_]].max())) for id_ in wanted}


def detected_scores(said: Told, people: People) -> dict[str, float | None]:
    """m@kIoU x 100. said: the captions that count; every other object of people's scores 0.

    CIDEr weighs words by the descriptions of all objects, and gives an empty caption 0 by itself.
    """
    if not said:
        return dict.fromkeys(COLUMNS, 0.0)
    cider = scores_of(said, people, meteor=False)["CIDEr"]
    heard = scores_of(said, {key: people[key] for key in said})
    share = len(said) / len(people)
    parts = {name: heard[name] for name in COLUMNS[1:]}
    scaled = {name: None if score is None else round(share * score, 2) for name, score in parts.items()}
    return {"CIDEr": cider, **scaled}


def told_of(proposals: Proposals, asked: Asked, people: People, say: Speaker) -> dict[float, Told]:
    """{bound: the captions that count there}."""
    found: dict[tuple[str, int], tuple[int, float]] = {}
    for scene, seen in proposals.objects.items():
        wanted = [id_ for name, id_ in people if name == scene]
        if wanted:
            best = speaking(seen, asked.truth[scene], wanted)
            found |= {(scene, id_): one for id_, one in best.items() if one[1] > BOUNDS[0]}
    said = say([(proposals.objects[scene], place) for (scene, _), (place, _) in found.items()])
    words = dict(zip(found, said, strict=True))
    return {bound: {key: words[key] for key in found if found[key][1] > bound} for bound in BOUNDS}


# ---- rows ----


def _asked(data: Path, task: str, names: set[str]) -> Asked:
    """What people said of some scenes."""
    rows = [row for row in sentences(data / f"language/{LANGUAGE[task]}.json.gz") if row["scene_id"] in names]
    return Asked(task, rows, {}, scene_objects(data, {row["scene_id"] for row in rows}, None))


def _rows(asked: Asked, detectors: Mapping[str, Proposals]) -> tuple[list[Any], list[Any]]:
    """Rows by the formula, and by the rule of the released code."""
    people, counted, released = descriptions(asked), [], []
    for name, say in speakers(asked.task, coloured=False).items():
        for boxes, proposals in detectors.items():
            row = {"model": NAMES[name], "boxes": boxes}
            said = told_of(proposals, asked, people, say)
            found = {f"found@{bound}": round(100 * len(said[bound]) / len(people), 2) for bound in BOUNDS}
            scores = {bound: detected_scores(said[bound], people) for bound in BOUNDS}
            more = {PRECISION: proposals.precision, **found, "n": len(people)}
            counted.append({**row, **_flat(scores), **more})
            whole = _flat({bound: scores_of(said[bound], people) for bound in BOUNDS})
            released.append(_chosen({**row, **whole, **more}, (*_columns(COLUMNS[1:]), "n")))
            print(counted[-1], flush=True)
    return counted, released


def _flat(scores: Mapping[float, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name}@{bound}": scores[bound][name] for bound in BOUNDS for name in COLUMNS}


def _columns(names: Sequence[str], *more: str) -> tuple[str, ...]:
    return (*(f"{name}@{bound}" for bound in BOUNDS for name in names), *more)


def _talk(task: str) -> Iterable[dict[str, Any]]:
    for name, figures in TALK[task].items():
        said = zip(_columns(COLUMNS, PRECISION), figures, strict=True)
        yield {"model": f"{name}, the talk", "boxes": "VoteNet, the papers' own", **dict(said)}


def _chosen(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """A row with some of its columns."""
    return {key: row[key] for key in ("model", "boxes", *columns)}
