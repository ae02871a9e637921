"""The talk's experiment: networks trained on real frames alone, and on a drawn one beside each of them.

The detectors learn on the encoder that the segmenters of their diet and seed have trained, as those that ship
do on the shipped segmenters'.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from models.colonoscopy.data.test_sets import Sets, fingerprint
from models.colonoscopy.detection import evaluation as boxes_evaluation
from models.colonoscopy.detection import training as boxes_training
from models.colonoscopy.detection.base import NetworkDetector
from models.colonoscopy.detection.metrics import Detections, best_threshold
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.base import NetworkSegmenter
from models.colonoscopy.segmentation.evaluation import OVERALL, measured, overall
from models.colonoscopy.segmentation.joint_training import each, fitted
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.segmentation.training import Examples, examples
from models.colonoscopy.synthesis.generated_frames import FOLDER, drawn, squares
from models.core.checkpoints import card
from models.core.registry import Registry

TRAINING = ("kvasir_train", "clinicdb_train")
SEEDS = (11, 12, 13)
STEPS = 900
SAMPLING = 10  # steps of the sampler: so many frames take long
CHOSEN_ON = 15  # every so many of the real training frames say from which confidence on a box is counted
DIETS = {"real only": None, "+ LDM": "ldm", "+ SDM": "sdm", "+ ArSDM": "arsdm"}
# the talk's figures over all frames of its five test sets, in the order of DIETS: mDice, and F1 of boxes
SEGMENTERS_TALK = {
    "pranet": (74.0, 67.8, 76.4, 80.0),
    "sanet": (79.4, 68.3, 80.4, 81.5),
    "polyp_pvt": (83.3, 81.9, 83.4, 84.0),
}
DETECTORS_TALK = {
    "centernet": (76.0, 76.9, 79.1, 81.3),
    "sparse_rcnn": (73.2, 66.3, 76.7, 79.0),
    "deformable_detr": (71.8, 73.3, 75.8, 77.9),
}

Rows = list[dict[str, Any]]
Scores = dict[str, dict[str, float]]  # of each network, by column
Measure = Callable[[str, Path, str | None, int, Sets, int | None], Scores]  # of a run; the rest as `_scores`


def segmenters(data: Path, sets: Sets, limit: int | None = None) -> Rows:
    """A row for each segmenter and diet: mean and spread of mDice over SEEDS. limit: of test pairs."""
    return _table(_segmenters, SEGMENTERS, SEGMENTERS_TALK, data, sets, limit)


def detectors(data: Path, sets: Sets, limit: int | None = None) -> Rows:
    """The same of AP50 and F1 of the detectors' boxes."""
    return _table(_detectors, DETECTORS, DETECTORS_TALK, data, sets, limit)


def _table(
    measure: Measure,
    registry: Registry[Any],
    talk: Mapping[str, Sequence[float]],
    data: Path,
    sets: Sets,
    limit: int | None,
) -> Rows:
    found = {
        label: [_scores(measure, data, model, seed, sets, limit) for seed in SEEDS]
        for label, model in DIETS.items()
    }
    rows = []
    for name, said in talk.items():
        for (label, seeds), figure in zip(found.items(), said, strict=True):
            row: dict[str, Any] = {"model": registry[name].title, "trained on": label}
            for column in seeds[0][name]:
                values = [one[name][column] for one in seeds]
                row[column] = f"{mean(values):.1f} ± {stdev(values):.1f}"
            rows.append({**row, "seeds": len(SEEDS), f"{OVERALL}, the talk": figure})
    return rows


def _scores(
    measure: Measure, data: Path, model: str | None, seed: int, sets: Sets, limit: int | None
) -> Scores:
    """What was measured once is read again."""
    diet = f"{model}_{card(model).sha256}" if model else "real"
    run = f"use_{diet}_{seed}_{STEPS}"
    tested = f"{fingerprint(*sets.values())}_{limit or 'all'}"
    stored = FOLDER / f"{run}{measure.__name__}_{tested}.json"
    if not stored.exists():
        found = measure(run, data, model, seed, sets, limit)
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(found))
    known: Scores = json.loads(stored.read_text())
    return known


def _segmenters(run: str, data: Path, model: str | None, seed: int, sets: Sets, limit: int | None) -> Scores:
    found = {}
    for name, network in each(fitted(run, _diet(data, model), seed, STEPS)).items():
        segmenter = NetworkSegmenter(network)
        rows = [{"set": test, **measured(segmenter, folder, limit)} for test, folder in sets.items()]
        rows.append(overall([{"model": name, **row} for row in rows]))
        found[name] = {row["set"]: row["mDice"] for row in rows}
    return found


def _detectors(run: str, data: Path, model: str | None, seed: int, sets: Sets, limit: int | None) -> Scores:
    known = _diet(data, model)
    taught = fitted(run, known, seed, STEPS)  # read again where the segmenters are trained
    trained = boxes_training.fitted(
        f"{run}_boxes", tuple(DETECTORS_TALK), taught.get_submodule("encoder"), known, seed, STEPS
    )
    chosen_on = _real(data)[::CHOSEN_ON]
    found = {}
    for name, network in each(trained).items():
        threshold = best_threshold(boxes_training.looked_at(network, chosen_on))
        detector, whole = NetworkDetector(network), Detections()
        columns: dict[str, float] = {}
        for test, folder in sets.items():
            boxes, _ = boxes_evaluation.detections(detector, folder, limit)
            columns |= _columns(test, boxes, threshold)
            whole += boxes
        found[name] = columns | _columns(OVERALL, whole, threshold)
    return found


def _columns(test: str, boxes: Detections, threshold: float) -> dict[str, float]:
    scores = boxes_evaluation.scores(boxes, threshold)
    return {f"{test} {figure}": scores[figure] for figure in ("AP50", "F1")}


def _real(data: Path) -> Examples:
    return [pair for name in TRAINING for pair in examples(data / "colonoscopy" / name)]


@lru_cache(maxsize=1)  # the seeds of one diet follow one another
def _diet(data: Path, model: str | None) -> Examples:
    """Real training frames, and with a model as many drawn for their masks."""
    found = _real(data)
    for name in TRAINING if model is not None else ():
        given = squares(name, data / "colonoscopy" / name)
        frames, _ = drawn(given, str(model), SAMPLING)
        found += list(zip(frames, given.masks, strict=True))
    return found
