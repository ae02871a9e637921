"""How much a figure owes to its seed: every method trained five times for as many steps, mean and spread."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from models.core.results import markdown, write
from models.scene.grounding.compared import REFERIT_COLUMNS, SEED_STEPS, SEEDS, STEPS, folder
from models.scene.grounding.evaluation import TITLES, TRUE_BOXES, Chooser, by_network, figures, load
from models.scene.grounding.instancerefer.open_instancerefer import OpenInstanceRefer
from models.scene.grounding.registry import GROUNDERS
from models.scene.grounding.sentence_vectors import WordIndices
from models.scene.objects.point_encoder import ShapeEncoder


def evaluate(data: Path, encoder: ShapeEncoder) -> list[dict[str, Any]]:
    """Mean and standard deviation over the seeds that `train comparison` made, in per cent, into RESULTS.md.

    A method that was trained from fewer than two seeds has no row.
    """
    rows: list[dict[str, Any]] = []
    for task in ("nr3d", "sr3d"):
        asked = load(data, task, points=encoder)
        for name in GROUNDERS.shipped:
            found = []
            for seed in range(SEEDS):
                if (folder(name, seed) / "final").exists():
                    kept = folder(name, seed) / f"{task}.json"
                    if not kept.exists():
                        kept.write_text(json.dumps(figures(data, asked, trained(name, seed))))
                    found.append(json.loads(kept.read_text()))
            if len(found) > 1:
                row = {"set": TITLES[task], "model": GROUNDERS[name].title}
                rows.append({**row, **spread(found), "seeds": len(found)})
    if rows:
        _written(rows)
    return rows


def trained(name: str, seed: int) -> Chooser:
    """A method as `train comparison` left it."""
    path = folder(name, seed) / "final"
    kind = OpenInstanceRefer if name == GROUNDERS.default else GROUNDERS[name].kind
    return by_network(kind.from_pretrained(path).eval(), WordIndices.load(path / "words.json"))


def spread(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each column, and beside it, as "COLUMN ±", the standard deviation of the sample."""
    result: dict[str, float] = {}
    for column in REFERIT_COLUMNS:
        values = [one[column] for one in found]
        result |= {column: round(mean(values), 2), f"{column} ±": round(stdev(values), 2)}
    return result


def _written(rows: Sequence[Mapping[str, Any]]) -> None:
    shown = [
        {
            "set": row["set"],
            "model": row["model"],
            **{column: f"{row[column]:.1f} ± {row[f'{column} ±']:.1f}" for column in REFERIT_COLUMNS},
            "seeds": row["seeds"],
        }
        for row in rows
    ]
    said = (
        f"Mean and standard deviation. Each network was trained anew from each seed, {SEED_STEPS} steps of "
        "48 sentences, on the same data as the others of its seed; all learn their words. What ships learned "
        f"{STEPS:,} steps."
    )
    module = "python -m models.scene"
    command = f"`{module} train comparison --data DIR && {module} evaluate comparison --data DIR`"
    table = markdown(shown)
    print(table, flush=True)
    write("grounding-seeds", "\n\n".join(("## Grounding: five seeds", TRUE_BOXES, said, table, command)))
