"""Average precision and F1 of boxes."""

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.colonoscopy.types import Box

OVERLAP = 0.5  # IoU from which on a box has found a polyp, for F1
Detections = list[tuple[NDArray[np.float32], list[Box]]]  # true boxes (N, 4) and found ones, of each frame


def average_precision(found: Detections) -> tuple[float, float]:
    """COCO's AP and AP50, 0 to 1; 0 where there is no true box or no found one."""
    images: list[dict[str, Any]] = []
    true: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    for number, (wanted, boxes) in enumerate(found, 1):
        images.append({"id": number})
        for left, top, right, bottom in wanted.tolist():
            w, h = right - left, bottom - top
            one = {"id": len(true) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            true.append({**one, "bbox": [left, top, w, h], "area": w * h})
        for box in boxes:
            place = [box.left, box.top, box.right - box.left, box.bottom - box.top]
            ours.append({"image_id": number, "category_id": 1, "bbox": place, "score": box.confidence})
    if not true or not ours:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its tables; a command's output is its answer
        truth = COCO()
        truth.dataset = {"images": images, "annotations": true, "categories": [{"id": 1}]}
        truth.createIndex()
        judged = COCOeval(truth, truth.loadRes(ours), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return max(0.0, float(judged.stats[0])), max(0.0, float(judged.stats[1]))


def f1(found: Detections, threshold: float) -> float:
    """2 TP / (found + true) over all frames; a true box is found once, by the surest box that fits it."""
    hits = total = 0
    for wanted, boxes in found:
        shown = [box for box in boxes if box.confidence >= threshold]
        total += len(wanted) + len(shown)
        hits += _hits(wanted, shown)
    return 2 * hits / total if total else 1.0


def best_threshold(found: Detections) -> float:
    """The confidence at which F1 is best, of those that occur; 0.5 where nothing was found at all."""
    levels = sorted({box.confidence for _, boxes in found for box in boxes})
    some = levels[:: max(1, len(levels) // 200)]
    return max(some, key=lambda level: f1(found, level), default=0.5)


def _hits(wanted: NDArray[np.float32], shown: list[Box]) -> int:
    free = list(wanted)
    for box in sorted(shown, key=lambda box: -box.confidence):
        overlaps = [_iou(one, box) for one in free]
        if overlaps and max(overlaps) >= OVERLAP:
            free.pop(int(np.argmax(overlaps)))
    return len(wanted) - len(free)


def _iou(true: NDArray[np.float32], box: Box) -> float:
    left, top, right, bottom = map(float, true)
    width = min(right, box.right) - max(left, box.left)
    height = min(bottom, box.bottom) - max(top, box.top)
    both = max(0.0, width) * max(0.0, height)
    areas = (right - left) * (bottom - top) + (box.right - box.left) * (box.bottom - box.top)
    return both / (areas - both)
