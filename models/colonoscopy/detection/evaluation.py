"""How well detectors find polyps in real frames: COCO's average precision, and F1 at a threshold."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.colonoscopy.data.images import read_pairs
from models.colonoscopy.data.test_sets import Sets, official
from models.colonoscopy.detection.base import PolypDetector
from models.colonoscopy.detection.boxes import from_mask
from models.colonoscopy.detection.metrics import Detections, average_precision, f1
from models.colonoscopy.detection.registry import DETECTORS
from models.core.results import markdown, write

OVERALL = "overall"

TITLE = """## Colonoscopy: polyps found as boxes

Per cent. A true box is a connected component of a mask. AP is COCO's (the mean over IoU .50 to .95), AP50 is
that at IoU .50; F1 counts over all frames of a set, at IoU .50 and the confidence that was best on held-out
training frames. The talk gives an "AP" and no definition; its overall AP is below that of every set, so it is
none of these (CenterNet on real frames alone: 86.9, 84.7, 75.6, 62.2 and 62.7 on its sets, 56.6 overall).
`mask_boxes` has no network: boxes around what `polyps` finds, all of them."""


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
