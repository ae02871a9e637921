"""How well detectors find polyps in real frames: COCO's average precision, and F1 at a threshold."""

import contextlib
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from models.colonoscopy.data.images import read_pairs
from models.colonoscopy.data.test_sets import Sets, official
from models.colonoscopy.detection.base import PolypDetector
from models.colonoscopy.detection.boxes import from_mask
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.types import Box
from models.core.results import markdown, write

OVERLAP = 0.5  # IoU from which on a box has found a polyp, for F1
OVERALL = "overall"

TITLE = """## Colonoscopy: polyps found as boxes

Per cent. A true box is a connected component of a mask. AP is COCO's (the mean over IoU .50 to .95), AP50 is
that at IoU .50; F1 counts over all frames of a set, at IoU .50 and the confidence that was best on held-out
training frames. The talk gives an "AP" and no definition; its overall AP is below that of every set, so it is
none of these. `mask_boxes` has no network: boxes around what `polyps` finds, all of them."""

Detections = list[tuple[NDArray[np.float32], list[Box]]]  # true boxes (N, 4) and found ones, of each frame


def evaluate(sets: Sets, models: Sequence[str] = (), limit: int | None = None) -> dict[str, Any]:
    """Measure detectors on each set and over all frames.

    models: names of the registry, all that are installed where there are none. limit: only the first pairs
    of each set. Raises UserError as `read_pairs` and `Registry.loaded` do.
    """
    rows = []
    for name in models or DETECTORS.installed():
        detector = DETECTORS.loaded(name)
        whole: Detections = []
        seconds = 0.0
        for test, folder in sets.items():
            found, spent = detections(detector, folder, limit)
            rows.append({"model": name, "set": test, **scores(found, detector.threshold)})
            rows[-1]["s a frame"] = f"{spent / len(found):.2f}"
            whole, seconds = whole + found, seconds + spent
        if len(sets) > 1:
            rows.append({"model": name, "set": OVERALL, **scores(whole, detector.threshold)})
            rows[-1]["s a frame"] = f"{seconds / len(whole):.2f}"
    if official(sets, limit) and not models:
        command = "`python -m models.colonoscopy evaluate detection --data DIR`"
        write("colonoscopy-detection", f"{TITLE}\n\n{markdown(rows)}\n\n{command}")
    return {"detection": rows}


def detections(detector: PolypDetector, folder: Path, limit: int | None) -> tuple[Detections, float]:
    """True and found boxes of the pairs of a folder, and the seconds that finding took."""
    found: Detections = []
    seconds = 0.0
    for pair in read_pairs(folder, limit):
        start = time.perf_counter()
        boxes = detector(pair.frame)
        seconds += time.perf_counter() - start
        found.append((from_mask(pair.mask), boxes))
    return found, seconds


def scores(found: Detections, threshold: float) -> dict[str, Any]:
    """AP and AP50 by pycocotools and F1 at a threshold, in per cent, and the number of frames."""
    precision, precision50 = average_precision(found)
    return {
        "AP": 100 * precision,
        "AP50": 100 * precision50,
        "F1": 100 * f1(found, threshold),
        "n": len(found),
    }


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
