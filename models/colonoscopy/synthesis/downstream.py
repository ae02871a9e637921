"""The talk's experiment in small: segmenters trained on real frames, and on real and drawn ones."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from models.colonoscopy.data.test_sets import Sets, fingerprint
from models.colonoscopy.segmentation.evaluation import measured, sure_of
from models.colonoscopy.segmentation.training import Examples, examples, trained
from models.colonoscopy.synthesis.generated_frames import FOLDER, drawn, squares
from models.core.checkpoints import card

TRAINING = "kvasir_train"
SEEDS = (11, 12, 13)
STEPS = 250
SAMPLING = 10  # steps of the sampler: so many frames take long
DRAWN = {"real only": None, "real + SDM": "sdm", "real + ArSDM": "arsdm"}


def table(data: Path, sets: Sets, limit: int | None = None) -> list[dict[str, Any]]:
    """A row for each diet: mDice on each set, mean and spread over SEEDS. limit: of test pairs."""
    rows = []
    for label, model in DRAWN.items():
        found = [_scores(data, sets, model, seed, limit) for seed in SEEDS]
        row: dict[str, Any] = {"trained on": label}
        for name in sets:
            values = [one[name] for one in found]
            row[name] = f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
        rows.append({**row, "seeds": len(SEEDS)})
    return rows


def _scores(data: Path, sets: Sets, model: str | None, seed: int, limit: int | None) -> dict[str, float]:
    """mDice of one segmenter on each set; what was measured once is read again."""
    name = f"use_{model}_{card(model).sha256}_{seed}" if model else f"use_real_{seed}"
    stored = FOLDER / f"{name}_{fingerprint(*sets.values())}_{limit or 'all'}.json"
    if stored.exists():
        known: dict[str, float] = json.loads(stored.read_text())
        return known
    network = trained(name, _diet(data, model), seed, steps=STEPS)
    found = {test: measured(sure_of(network), folder, limit)["mDice"] for test, folder in sets.items()}
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text(json.dumps(found))
    return found


@lru_cache(maxsize=1)  # the seeds of one diet follow one another
def _diet(data: Path, model: str | None) -> Examples:
    """Real training frames, and with a model as many drawn for their masks."""
    folder = data / "colonoscopy" / TRAINING
    real = examples(folder)
    if model is None:
        return real
    given = squares(TRAINING, folder)
    frames, _ = drawn(given, model, SAMPLING)
    return real + list(zip(frames, given.masks, strict=True))
