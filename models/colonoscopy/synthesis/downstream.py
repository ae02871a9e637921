"""The talk's experiment: segmenters trained on real frames alone, and on a drawn one beside each of them."""

import json
from functools import lru_cache
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from models.colonoscopy.data.test_sets import Sets, fingerprint
from models.colonoscopy.segmentation.base import NetworkSegmenter
from models.colonoscopy.segmentation.evaluation import OVERALL, measured, overall
from models.colonoscopy.segmentation.joint_training import each, fitted
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.segmentation.training import Examples, examples
from models.colonoscopy.synthesis.generated_frames import FOLDER, drawn, squares
from models.core.checkpoints import card

TRAINING = ("kvasir_train", "clinicdb_train")
SEEDS = (11, 12, 13)
STEPS = 900
SAMPLING = 10  # steps of the sampler: so many frames take long
DIETS = {"real only": None, "+ LDM": "ldm", "+ SDM": "sdm", "+ ArSDM": "arsdm"}
# the talk's mDice over all frames of its five test sets, in the order of DIETS
TALK = {
    "pranet": (74.0, 67.8, 76.4, 80.0),
    "sanet": (79.4, 68.3, 80.4, 81.5),
    "polyp_pvt": (83.3, 81.9, 83.4, 84.0),
}


def table(data: Path, sets: Sets, limit: int | None = None) -> list[dict[str, Any]]:
    """A row for each segmenter and diet: mean and spread of mDice over SEEDS. limit: of test pairs."""
    found = {
        label: [_scores(data, sets, model, seed, limit) for seed in SEEDS] for label, model in DIETS.items()
    }
    rows = []
    for name, talk in TALK.items():
        for (label, seeds), said in zip(found.items(), talk, strict=True):
            row: dict[str, Any] = {"model": SEGMENTERS[name].title, "trained on": label}
            for column in seeds[0][name]:
                values = [one[name][column] for one in seeds]
                row[column] = f"{mean(values):.1f} ± {stdev(values):.1f}"
            rows.append({**row, "seeds": len(SEEDS), f"{OVERALL}, the talk": said})
    return rows


def _scores(
    data: Path, sets: Sets, model: str | None, seed: int, limit: int | None
) -> dict[str, dict[str, float]]:
    """mDice of each segmenter on each set and over all; what was measured once is read again."""
    diet = f"{model}_{card(model).sha256}" if model else "real"
    run = f"use_{diet}_{seed}_{STEPS}"
    stored = FOLDER / f"{run}_{fingerprint(*sets.values())}_{limit or 'all'}.json"
    if not stored.exists():
        found = {}
        for name, network in each(fitted(run, _diet(data, model), seed, STEPS)).items():
            segmenter = NetworkSegmenter(network)
            rows = [
                {"model": name, "set": test, **measured(segmenter, folder, limit)}
                for test, folder in sets.items()
            ]
            found[name] = {row["set"]: row["mDice"] for row in (*rows, overall(rows))}
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(json.dumps(found))
    known: dict[str, dict[str, float]] = json.loads(stored.read_text())
    return known


@lru_cache(maxsize=1)  # the seeds of one diet follow one another
def _diet(data: Path, model: str | None) -> Examples:
    """Real training frames, and with a model as many drawn for their masks."""
    found: Examples = []
    for name in TRAINING:
        folder = data / "colonoscopy" / name
        found += examples(folder)
        if model is not None:
            given = squares(name, folder)
            frames, _ = drawn(given, model, SAMPLING)
            found += list(zip(frames, given.masks, strict=True))
    return found
